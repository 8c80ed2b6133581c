"""The de-esser's measuring protocol: known boosts on known phonemes, ours and its peers in one run."""
