"""ResDiff: a small CNN restores the low frequencies, a frequency-guided diffusion U-Net adds the rest."""
