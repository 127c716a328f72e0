"""The toy paper's section of the configuration."""

from typing import Any

from workflow.core.configuration import Count, Positive, Run, Section


class Toss(Section):
    """The one study."""

    samples: Count
    inputs: Count
    hidden: Count
    steps: Count
    learning_rate: Positive
    methods: dict[str, dict[str, Any]]


class Toy(Run):
    """The configuration with the toy paper's section."""

    toss: Toss
