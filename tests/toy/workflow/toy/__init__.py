"""The toy paper's part of the workflow."""
