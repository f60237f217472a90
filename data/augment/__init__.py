"""Augmentation, one folder a kind of input."""
