"""Batches of networks as pure functions on stacked tensors: initialisation, outputs, derivatives, features."""
