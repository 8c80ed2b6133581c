"""Denoise: framing, network, data, training, export of the two noise-removal models."""
