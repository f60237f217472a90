"""Frozen encoders' taps, computed once and kept on disk."""
