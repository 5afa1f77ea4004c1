"""Progress of long work: items done, rate, time left; a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")

LINE_SECONDS = 30.0
"""Time between two lines where the output is no terminal."""


RATE_SECONDS = 300.0
"""The latest time that rate and time left are estimated from: long, as a training step may take a minute."""


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} {task.fields['unit']}/s")


class ProgressDisplay(Progress):
    """Rich's display on standard error; where that is no terminal (a log), plain lines at intervals."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console or Console(stderr=True),
            refresh_per_second=4,
            speed_estimate_period=RATE_SECONDS,
        )
        self._last_line = time.monotonic()

    def begin(self, description: str, total: int | None, unit: str, completed: int = 0) -> TaskID:
        """Add a task whose items are called ``unit``, some of them done before."""
        return self.add_task(description, total=total, completed=completed, unit=unit, note="")

    def done(self, task: TaskID, items: int = 1, note: str = "") -> None:
        """Count items of a task as done, with a few words on where it stands."""
        self.update(task, advance=items, note=note)
        if self.console.is_terminal or time.monotonic() - self._last_line < LINE_SECONDS:
            return
        self._last_line = time.monotonic()
        state: Any = self.tasks[self.task_ids.index(task)]
        left = "" if state.time_remaining is None else f", {state.time_remaining:.0f} s left"
        total = "?" if state.total is None else f"{state.total:.0f}"
        count = f"{state.completed:.0f}/{total} {state.fields['unit']}"
        self.console.print(f"{state.description}: {count}{left} {note}".rstrip(), highlight=False)


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[ProgressDisplay]:
    """A display that is shown while the block runs.

    Args:
        console: Where; None: standard error.
    """
    with ProgressDisplay(console) as display:
        yield display


def track(
    items: Iterable[Item], description: str, total: int | None = None, unit: str = "rows"
) -> Iterator[Item]:
    """Yield the items, showing how many are done, the rate and the time left."""
    with progress_bar() as display:
        task = display.begin(description, total, unit)
        for item in items:
            yield item
            display.done(task)
