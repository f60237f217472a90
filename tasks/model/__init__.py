"""The model: encoders, fusion, sharing, heads and losses in one module."""
