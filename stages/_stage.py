"""What every stage shares: where artifacts lie, and how a fault is said."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import foreseen_faults
from pipeline.locks import locked
from pipeline.params import Params, load_params
from pipeline.runs import record_run

DATA = Path("data")
"""Data stages write ``data/<stage>/``."""

METRICS = Path("metrics")
"""Each stage's counts, ``metrics/<stage>.json``."""

MODELS = Path("models")
"""The base model and the trained one."""

REPORTS = Path("reports")
"""What a person looks at."""

RUNS = DATA / "runs"
"""Wall time and peak memory of each stage's last run, and locks of those that run; no out of any stage."""


def run(main: Callable[[Params], None]) -> None:
    """Load ``params.yaml`` and run a stage; a fault the stage foresaw is printed as one paragraph.

    A stage runs once at a time in a project's folder, so that its outs are always of one run. What a run that
    ended well cost is recorded in :data:`RUNS`.

    Args:
        main: The stage; it is given the validated params.

    Raises:
        SystemExit: As :func:`~pipeline.errors.foreseen_faults`.
    """
    begun = time.perf_counter()
    stage = Path(inspect.getfile(main)).stem
    with foreseen_faults():
        params = load_params()
        if (
            os.environ.get("RANK", "0") != "0"
        ):  # of several ranks, that torchrun started, one locks and records
            main(params)
            return
        with locked(RUNS / stage, f"Stage {stage} is running in this folder already"):
            main(params)
            record_run(RUNS, stage, time.perf_counter() - begun)
