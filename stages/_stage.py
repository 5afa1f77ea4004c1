"""What every stage shares: where artifacts lie, and how a fault is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import foreseen_faults
from pipeline.params import Params, load_params

DATA = Path("data")
"""Data stages write ``data/<stage>/``."""

METRICS = Path("metrics")
"""Each stage's counts, ``metrics/<stage>.json``."""

MODELS = Path("models")
"""The base model and the trained one."""

REPORTS = Path("reports")
"""What a person looks at."""


def run(main: Callable[[Params], None]) -> None:
    """Load ``params.yaml`` and run a stage; a fault the stage foresaw is printed as one paragraph.

    Args:
        main: The stage; it is given the validated params.

    Raises:
        SystemExit: As :func:`~pipeline.errors.foreseen_faults`.
    """
    with foreseen_faults():
        main(load_params())
