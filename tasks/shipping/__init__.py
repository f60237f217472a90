"""Shipping of trained models: saving, the hub, model cards, export."""
