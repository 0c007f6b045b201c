"""What is measured on a frame or a plate without a reference: one definition each."""
