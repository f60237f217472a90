"""A first look: a model of one table, then fusions compared on recorded activities."""
