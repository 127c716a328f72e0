"""From arrays to trained models: tasks, the one training loop, and where it runs."""
