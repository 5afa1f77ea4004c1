"""The outcome of a run in two short tables: what each stage kept, and what training changed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.results import Funnel, read_funnels, read_scores
from pipeline.score_tables import beside_table, scores_table

PLAIN_WIDTH = 100
"""Columns of text where the output is no terminal."""

TOP_REASONS = 3


def print_summary(root: Path, console: Console | None = None) -> None:
    """Print each stage's counts, then the held-out scores of all models.

    Args:
        root: The project's top folder.
        console: Where to print; None: standard output, at a fixed width where that is no terminal.

    Raises:
        PipelineError: If a metrics file is missing, naming the stage to run.
    """
    funnels, scores = read_funnels(root), read_scores(root)
    console = console or plain_console()
    console.print(funnel_table(funnels))
    console.print()
    console.print(scores_table(scores))
    if (beside := beside_table(scores)) is not None:
        console.print()
        console.print(beside)


def plain_console() -> Console:
    """A console on standard output: as wide as the terminal, or :data:`PLAIN_WIDTH` where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def funnel_table(funnels: list[Funnel]) -> Table:
    """One row per stage: in, kept, dropped and the most frequent reasons."""
    table = Table(title="From raw rows to training tokens", title_justify="left", box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    for name in ("in", "kept", "dropped"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold")
    for funnel in funnels:
        table.add_row(
            funnel.stage,
            f"{funnel.rows_in:,} {funnel.unit_in}",
            f"{funnel.kept:,} {funnel.unit_out}",
            f"{funnel.dropped_total:,}",
            _reasons(funnel),
        )
    return table


def _reasons(funnel: Funnel) -> str:
    """The most frequent reasons with their counts, and how many rows the others took."""
    shown = list(funnel.dropped.items())[:TOP_REASONS]
    rest = funnel.dropped_total - sum(count for _, count in shown)
    parts = [f"{reason} {count:,}" for reason, count in shown if count]
    return ", ".join([*parts, f"others {rest:,}"] if rest else parts)
