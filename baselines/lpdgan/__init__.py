"""LPDGAN: deblurring of plates from three scales of one image, with text heads (arXiv 2404.13677)."""
