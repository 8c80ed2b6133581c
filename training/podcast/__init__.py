"""Measures of the podcast chain on real recordings."""
