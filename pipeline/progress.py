"""Progress of long work: items done, rate, time left."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "rows")
        return Text("" if speed is None else f"{speed:,.1f} {unit}/s")


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A Rich progress display on standard error; only its last state where that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True, file=sys.stderr)
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        yield progress


def track(
    items: Iterable[Item], description: str, total: int | None = None, unit: str = "rows"
) -> Iterator[Item]:
    """Yield the items, showing how many are done, the rate and the time left."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=total, unit=unit, note="")
        for item in items:
            yield item
            progress.advance(task)
