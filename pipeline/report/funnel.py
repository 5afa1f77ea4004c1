"""The funnel from raw rows to training pairs: a table for the report, and points for the plot in DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.files import write_json
from pipeline.report import words
from pipeline.report.grid import Cell, Grid, Head, count
from pipeline.results import Funnel, read_funnels


def funnel_grid(funnels: list[Funnel]) -> Grid:
    """The stages from raw rows to training pairs, with the share of its input that each kept."""
    columns = [Head("Stage"), Head("In", True), Head("Kept", True), Head("Share kept")]
    return Grid(
        [*columns, Head("Dropped", True), Head("Reasons")], [_row(*item) for item in enumerate(funnels)]
    )


def _row(place: int, funnel: Funnel) -> list[Cell]:
    same_unit = funnel.rows_in and funnel.unit_out.startswith(funnel.unit_in)
    kept = funnel.kept / funnel.rows_in if same_unit else None
    chips = [(reason, f"{dropped:,}") for reason, dropped in funnel.dropped.items() if dropped]
    return [
        Cell(funnel.stage, float(place)),
        Cell(f"{funnel.rows_in:,}", funnel.rows_in, note=funnel.unit_in),
        Cell(f"{funnel.kept:,}", funnel.kept, note=funnel.unit_out),
        Cell("other unit") if kept is None else Cell(words.share(kept), kept, fill=kept),
        count(funnel.dropped_total),
        Cell("" if chips else "none", chips=chips),
    ]


def funnel_points(funnels: list[Funnel]) -> list[dict[str, Any]]:
    """What became of each stage's input, one point per outcome: kept first, then the reasons, the most first.

    Each has ``stage``, ``outcome`` (``kept`` or a reason), ``count``, its ``unit``, and a ``label`` whose
    alphabetical order is that of the flow.
    """
    return [
        {
            "stage": funnel.stage,
            "outcome": outcome,
            "count": count,
            "unit": unit,
            "label": f"{place} {funnel.stage}: {outcome}",
        }
        for place, funnel in enumerate(funnels, start=1)
        for outcome, count, unit in [
            ("kept", funnel.kept, funnel.unit_out),
            *((reason, count, funnel.unit_in) for reason, count in funnel.dropped.items()),
        ]
    ]


def write_funnel_points(root: Path, out: Path) -> None:
    """Write the points of the plot ``Funnel`` of dvc.yaml, a JSON list.

    Args:
        root: The project's top folder.
        out: The file to write.

    Raises:
        PipelineError: If a stage's counts are missing, naming the stage to run.
        OSError: If the file cannot be written.
    """
    write_json(out, funnel_points(read_funnels(root)))
