"""What only P2 needs: layer-wise preconditioning and provable feature learning (arXiv 2502.01763)."""
