"""P1, How Does Preconditioning Guide Feature Learning in Deep Neural Networks? (arXiv 2509.25637)."""
