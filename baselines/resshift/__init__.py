"""ResShift: a short diffusion chain that shifts the residual between ground truth and degraded image."""
