"""Speaker verification: from waveforms to verified identity, and what embeddings know."""
