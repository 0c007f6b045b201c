"""Training of the networks the project ships or compares."""
