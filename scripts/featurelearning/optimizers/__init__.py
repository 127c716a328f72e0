"""Optimisers as pairs of functions on dicts of stacked tensors: one algorithm, one file."""
