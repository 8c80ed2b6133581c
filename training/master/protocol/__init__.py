"""The measuring protocol of mastering."""
