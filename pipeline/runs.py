"""What a stage's last run cost: wall time and peak memory, in data/runs/<stage>.json, for the report."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.files import read_json, write_json

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere


@dataclass(frozen=True)
class Run:
    """One run of a stage that ended well.

    Attributes:
        stage: The stage.
        seconds: Wall time.
        peak_memory_bytes: Most memory that its largest process held; None where the system does not tell.
        finished: When it ended, ISO 8601 in UTC.
    """

    stage: str
    seconds: float
    peak_memory_bytes: int | None
    finished: str


def peak_memory_bytes() -> int | None:
    """Most resident memory this process, or the largest of its ended children, has held; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in who) * _RSS_UNIT


def record_run(folder: Path, stage: str, seconds: float) -> None:
    """Write ``<folder>/<stage>.json``, atomically.

    A record is a convenience: where it cannot be written, a line on standard error says so and nothing fails.

    Args:
        folder: ``data/runs``.
        stage: The stage that ended well just now.
        seconds: Its wall time.
    """
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        write_json(
            folder / f"{stage}.json", asdict(Run(stage, round(seconds, 3), peak_memory_bytes(), finished))
        )
    except (OSError, ValueError) as error:
        print(f"note: time and memory of stage {stage} are not recorded: {error}", file=sys.stderr)


def read_runs(folder: Path) -> dict[str, Run]:
    """Every record in a folder, by stage; one that cannot be read is left out, as if never written."""
    found: dict[str, Run] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            run = _run(read_json(file))
        except (OSError, KeyError, TypeError, ValueError, json.JSONDecodeError):
            continue
        found[run.stage] = run
    return found


def _run(value: dict[str, object]) -> Run:
    seconds, memory = float(str(value["seconds"])), value["peak_memory_bytes"]
    if not math.isfinite(seconds):
        raise ValueError(seconds)
    return Run(
        str(value["stage"]), seconds, None if memory is None else int(str(memory)), str(value["finished"])
    )
