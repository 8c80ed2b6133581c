"""Stems and dialogue: songs, framing, network, training, export, scores."""
