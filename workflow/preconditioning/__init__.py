"""P1's part of the workflow: its grid, the model of its configuration, its rules."""
