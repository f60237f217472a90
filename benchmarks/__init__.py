"""Benchmarks: each compares with a named peer in one run; results are kept in results/."""
