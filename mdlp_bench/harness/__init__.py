"""Predict, score, compare: what turns methods and data into a benchmark table."""
