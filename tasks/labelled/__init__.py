"""Tasks with a label: a class, several labels, numbers."""
