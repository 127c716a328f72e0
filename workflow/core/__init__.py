"""What every paper's part of the workflow uses: the grid, the configuration, provenance, states of a run."""

import sys
from pathlib import Path

# Own code first: another checkout's package may be installed, or lie on PYTHONPATH.
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
