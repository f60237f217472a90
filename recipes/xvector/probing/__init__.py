"""Probes of frozen taps: the questions, the classifiers, and their accuracies as a table and a figure."""
