from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.progress import ProgressDisplay, track


def test_items_come_through_in_order() -> None:
    assert list(track(iter("abc"), "letters")) == ["a", "b", "c"]


def test_a_log_gets_lines_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 31.0, 31.0, 40.0])
    monkeypatch.setattr("pipeline.progress.time.monotonic", lambda: next(clock))
    out = io.StringIO()
    display = ProgressDisplay(Console(file=out, force_terminal=False, width=100))
    task = display.begin("train", 8, "steps")
    display.done(task, note="loss 3")
    assert out.getvalue() == ""
    display.done(task, note="loss 2")
    display.done(task, note="loss 1")
    [line] = out.getvalue().splitlines()
    assert line.startswith("train: 2/8 steps, ") and line.endswith(" s left loss 2")


def test_a_terminal_gets_a_bar_and_no_lines() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with ProgressDisplay(console) as display:
        task = display.begin("train", 2, "steps")
        display.done(task, 2, "loss 1")
    assert "2/2" in out.getvalue() and "loss 1" in out.getvalue()
    assert "train: 2/2" not in out.getvalue()
