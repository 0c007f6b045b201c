"""What a restored image is worth: fidelity, perception, distribution, text and cost."""
