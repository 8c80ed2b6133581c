"""Measures of the mastering chain beside its peers."""
