"""Restoration methods that come with mdlp-bench; each registers through the entry points anyone can use."""
