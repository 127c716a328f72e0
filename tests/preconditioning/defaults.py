"""What the default configuration says, for tests of the science."""

from workflow.core import configuration
from workflow.preconditioning import grid


def theory_methods() -> list[dict]:
    """Return the methods that the theory study measures."""
    return grid.theory_parameters(configuration.validate(configuration.default()))["methods"]
