"""ResShift: a short diffusion chain that shifts the residual between the clear and the degraded image."""
