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
from pipeline.stage_inputs import check_inputs

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

DVC_STAGE = "DVC_STAGE"
"""Environment variable in which DVC names the stage it runs."""


def run(main: Callable[[Params], None], weights: Callable[[Params], bool] = lambda _: False) -> None:
    """Load ``params.yaml`` and run a stage; a fault the stage foresaw is printed as one paragraph.

    A stage runs once at a time in a project's folder, so that its outs are always of one run. Under DVC its
    inputs are first compared with what DVC recorded of them; by hand there may be no record of what the stage
    before wrote. What a run that ended well cost is recorded in :data:`RUNS`.

    Args:
        main: The stage; it is given the validated params.
        weights: Whether the stage reads models' weights with these params.

    Raises:
        SystemExit: As :func:`~pipeline.errors.foreseen_faults`.
    """
    begun = time.perf_counter()
    stage = Path(inspect.getfile(main)).stem
    with foreseen_faults():
        params = load_params()
        if os.environ.get("RANK", "0") != "0":
            # Of several ranks, that torchrun started, one locks and records.
            main(params)
            return
        with locked(RUNS / stage, f"Stage {stage} is running in this folder already"):
            name = os.environ.get(DVC_STAGE, "").rpartition(":")[2]
            if name and "RANK" not in os.environ:  # ranks read what the process before them has compared
                check_inputs(Path(), name, weights(params))
            main(params)
            record_run(RUNS, stage, time.perf_counter() - begun)
