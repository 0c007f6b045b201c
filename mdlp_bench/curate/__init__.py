"""Turn captured tracks into a data set: pairing, splitting, audits, what changed between two versions."""
