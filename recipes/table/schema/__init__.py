"""The meaning of the columns: inputs, targets and the split."""
