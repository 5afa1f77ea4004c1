"""What every stage shares: where artifacts lie, and how a fault is said."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.params import Params, load_params

DATA = Path("data")
"""Data stages write ``data/<stage>/``."""

METRICS = Path("metrics")
"""Each stage's counts, ``metrics/<stage>.json``."""

MODELS = Path("models")
"""The base model and the trained one."""

REPORTS = Path("reports")
"""What a person looks at."""

TRACEBACK = "PIPELINE_TRACEBACK"
"""Set this environment variable to 1 to see the traceback of an expected error too."""


def run(main: Callable[[Params], None]) -> None:
    """Load ``params.yaml`` and run a stage; a fault the stage foresaw is printed as one paragraph.

    A :class:`~pipeline.errors.PipelineError` and an :class:`OSError` (disk full, no permission) are printed
    to standard error, and the process exits with status 1. Any other exception is a fault in the code and
    goes through with its traceback.

    Args:
        main: The stage; it is given the validated params.

    Raises:
        SystemExit: With status 1 after a foreseen fault, 130 after Ctrl-C.
    """
    try:
        main(load_params())
    except (PipelineError, OSError) as error:
        if os.environ.get(TRACEBACK) == "1":
            raise
        print(f"error: {_paragraph(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped; what the stage made before is as it was", file=sys.stderr)
        sys.exit(130)


def _paragraph(error: PipelineError | OSError) -> str:
    if isinstance(error, PipelineError):
        return error.paragraph()
    return PipelineError(
        "The operating system refused",
        file=error.filename,
        found=error.strerror or str(error) or type(error).__name__,
        hint="Check the free space and the permissions there, then run it again; "
        f"{TRACEBACK}=1 shows where it stopped",
    ).paragraph()
