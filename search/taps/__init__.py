"""The taps of frozen encoders, computed once and kept on disk."""
