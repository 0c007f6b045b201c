"""Text recognisers that score what methods restore."""
