"""What every paper's part of the workflow uses: the grid, the configuration, provenance, states of a run."""
