"""Fit a recipe's distributions to real frames: what is searched, how near a candidate is, the search."""
