"""The de-esser's model: bands, labels, mixtures, network, training, export."""
