"""The rows of a run: read, checked, split, and as datasets."""
