"""A warning for scores that lie so close together that binarize.min_margin would drop most pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from pipeline.params import BinarizeParams
from pipeline.sources.jsonl import Row
from pipeline.sources.private.access import MISSING, value_at
from pipeline.sources.private.understood import Layout
from pipeline.sources.private.values import as_truth, plain_number

DEFAULT_MARGIN = BinarizeParams().min_margin


def margin_notes(layout: Layout, rows: Sequence[Row], min_margin: float) -> list[str]:
    """A sentence if more than half of the rows' margins lie above 0 and below the least margin.

    Args:
        layout: What the rows were understood as.
        rows: The first rows, cells of JSON text read.
        min_margin: ``binarize.min_margin``.
    """
    margins = [margin for margin in map(_gap, _scores(layout, rows)) if margin is not None and margin > 0]
    small = sum(margin < min_margin for margin in margins)
    if 2 * small <= len(margins):
        return []
    return [
        f"{small} of {len(margins)} margins of the first rows are below binarize.min_margin "
        f"({min_margin:g}), which would drop them; the median margin is {median(margins):.3g}. "
        "Set binarize.min_margin lower."
    ]


def _gap(scores: Sequence[float]) -> float | None:
    """The largest score less the smallest, of two or more."""
    return max(scores) - min(scores) if len(scores) > 1 else None


def _scores(layout: Layout, rows: Sequence[Row]) -> list[list[float]]:
    """The scores that compete with each other, row by row or prompt by prompt."""
    if layout.kind == "rated_single":
        return _by_prompt(layout, rows)
    names: list[str] = []
    for role in ("scores", "chosen_score", "rejected_score"):
        columns = layout.fields.get(role, ())
        names += [columns] if isinstance(columns, str) else columns
    return [_numbers([value_at(row, name) for name in names]) for row in rows]


def _by_prompt(layout: Layout, rows: Sequence[Row]) -> list[list[float]]:
    column = layout.fields.get("prompt")
    if not isinstance(column, str):
        return []
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = value_at(row, str(layout.fields["rating"]))
        truth = as_truth(value)
        prompt = value_at(row, column)
        if prompt is not MISSING:
            scores[repr(prompt)] += _numbers([float(truth) if truth is not None else value])
    return list(scores.values())


def _numbers(values: Sequence[object]) -> list[float]:
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [number for item in flat if (number := plain_number(item)) is not None]
