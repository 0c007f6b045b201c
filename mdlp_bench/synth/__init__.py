"""Synthetic data: rendered plates, degradation recipes and the data sets made of both."""
