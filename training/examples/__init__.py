"""Small complete examples for docs/MODELS.md."""
