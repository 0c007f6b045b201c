"""Dataset curation and benchmark suite for licence plate restoration."""

__version__ = "0.1.0"
