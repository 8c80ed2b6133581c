"""Scores noise removers on held-out mixtures: `python -m training.evaluate --help`."""
