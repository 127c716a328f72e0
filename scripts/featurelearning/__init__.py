"""Features that networks learn: networks, optimisers, training, evidence, and a package for each paper."""
