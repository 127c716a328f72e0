"""Preconditioned feature learning: pure functions on arrays, without Snakemake and without files."""
