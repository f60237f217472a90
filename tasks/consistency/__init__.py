"""Tasks without a label: what two views of a sample should agree on."""
