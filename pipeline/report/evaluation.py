"""The evaluation as tables: every metric with its interval, the difference from base, slices, baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import polars as pl

from pipeline.model_scores import BASE, MODELS
from pipeline.params import RESERVED_MODELS
from pipeline.report import grid, words
from pipeline.report.grid import Cell, Grid, Head

Values = Mapping[str, Any]
"""The object in a metrics file, or a part of it."""

LABELS = {
    "accuracy": "Preference accuracy",
    "instruction_success": "Instruction success",
    "log_odds_margin": "Log-odds margin",
    "odds_ratio_term": "Odds-ratio term",
    "chosen_nll": "Chosen NLL",
    "rejected_nll": "Rejected NLL",
    "pairs": "Held-out pairs",
    "prompts": "Held-out prompts",
}
"""What the metrics are called, in the order they are shown."""

SHARES = ("accuracy", "instruction_success")
LOWER_IS_BETTER = ("odds_ratio_term", "chosen_nll")
HIGHER_IS_BETTER = (*SHARES, "log_odds_margin")


def model_names(evaluation: Values) -> list[str]:
    """The models in the metrics file: base, trained, then any others in its order."""
    return in_order(
        name
        for name, value in evaluation.items()
        if (name in MODELS or name not in RESERVED_MODELS) and isinstance(value, dict)
    )


def in_order(models: Iterable[str]) -> list[str]:
    """Base, trained, then the others in the order given."""
    found = list(models)
    return [name for name in MODELS if name in found] + [name for name in found if name not in MODELS]


def heads(models: Sequence[str]) -> list[Head]:
    """A numeric column for each model, base and trained with their dots."""
    return [Head(name, number=True, dot=name if name in MODELS else "") for name in models]


def evaluation_grid(evaluation: Values) -> Grid:
    """One row per metric: every model's value and interval, and how each differs from base."""
    models = model_names(evaluation)
    compared = evaluation.get("comparison") or {}
    found = {model: compared.get(f"{model}_vs_{BASE}") for model in models}
    against = {model: differences for model, differences in found.items() if differences}
    metrics = [name for name in LABELS if any(_plain(evaluation[model].get(name)) for model in models)]
    columns = [
        Head("Metric"),
        *heads(models),
        *(Head(f"{model[:1].upper()}{model[1:]} less base", True) for model in against),
    ]
    rows = []
    for metric in metrics:
        cells = [metric_cell(evaluation[model], metric) for model in models]
        changes = [difference_cell(differences.get(metric), metric) for differences in against.values()]
        rows.append([Cell(LABELS[metric]), *cells, *changes])
    return Grid(columns, rows)


def length_baseline(evaluation: Values) -> str:
    """How far response length alone goes, in words; empty where evaluate did not measure it."""
    found = evaluation.get("length_baseline") or {}
    longer, shorter = found.get("choose_longer"), found.get("choose_shorter")
    if longer is None or shorter is None:
        return ""
    return (
        f"Without any model, choosing the longer response is right for {words.share(longer)} of the pairs, "
        f"choosing the shorter one for {words.share(shorter)}."
    )


def metric_cell(model: Values, metric: str) -> Cell:
    """One model's value of a metric, with its interval where there is one."""
    value = model.get(metric)
    if not _plain(value):
        return Cell(words.DASH)
    if metric in ("pairs", "prompts"):
        return grid.count(int(value))
    said = words.share if metric in SHARES else words.number
    bounds = interval_of(model, metric)
    note = "" if bounds is None else f"{said(bounds[0])} to {said(bounds[1])}"
    return Cell(said(float(value)), float(value), note)


def interval_of(model: Values, metric: str) -> tuple[float, float] | None:
    """The 95 % interval that evaluate gives for a metric; None where it gives none."""
    bounds = (model.get("intervals") or {}).get(metric)
    if not isinstance(bounds, Mapping) or bounds.get("low") is None or bounds.get("high") is None:
        return None
    return float(bounds["low"]), float(bounds["high"])


def difference_cell(found: Values | None, metric: str) -> Cell:
    """A difference with its interval and p-value; coloured where it is unlikely to be chance (p < 0.05)."""
    if not isinstance(found, Mapping) or found.get("difference") is None:
        return Cell(words.DASH)
    difference = float(found["difference"])
    scale, digits, unit = (100.0, 1, " points") if metric in SHARES else (1.0, 3, "")
    low, high, p_value = (found.get(key) for key in ("low", "high", "p_value"))
    notes = []
    if low is not None and high is not None:
        notes.append(f"{words.signed(low * scale, digits)} to {words.signed(high * scale, digits)}")
    if p_value is not None:
        notes.append(words.p_value(float(p_value)))
    certain = p_value is None or float(p_value) < 0.05
    tone = verdict(difference, metric) if certain else ""
    text = words.signed(difference * scale, digits) + unit
    return Cell(text, difference, ", ".join(notes), tone=tone)


def verdict(difference: float, metric: str) -> str:
    """``better`` or ``worse``; empty for no change and for metrics without a direction."""
    if metric in LOWER_IS_BETTER:
        difference = -difference
    elif metric not in HIGHER_IS_BETTER:
        return ""
    return "better" if difference > 0 else "worse" if difference < 0 else ""


def _plain(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def slice_grids(slices: pl.DataFrame) -> list[tuple[str, Grid]]:
    """A table for each way of cutting the held-out pairs, its rows in the order of the file."""
    return [
        (words.title(name), _slice_grid(slices.filter(pl.col("slice") == name)))
        for name in slices["slice"].unique(maintain_order=True)
    ]


def _slice_grid(rows: pl.DataFrame) -> Grid:
    by_value: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        by_value.setdefault(str(row["value"]), {})[row["model"]] = row
    models = in_order(rows["model"].unique(maintain_order=True).to_list())
    columns = [Head("Slice"), Head("Pairs", number=True)]
    columns += [Head(f"Accuracy, {name}", True, name if name in MODELS else "") for name in models]
    columns += [Head(f"Margin, {name}", True, name if name in MODELS else "") for name in models]
    lines = []
    for place, (value, by_model) in enumerate(by_value.items()):
        pairs = max(row["pairs"] for row in by_model.values())
        lines.append(
            [
                Cell(value, float(place)),
                grid.count(pairs),
                *(_slice_accuracy(by_model.get(name), name) for name in models),
                *(grid.number((by_model.get(name) or {}).get("log_odds_margin")) for name in models),
            ]
        )
    return Grid(columns, lines)


def _slice_accuracy(row: Values | None, model: str) -> Cell:
    if row is None or row["accuracy"] is None:
        return Cell(words.DASH)
    low, high = row["accuracy_low"], row["accuracy_high"]
    span = None if low is None or high is None else (float(low), float(row["accuracy"]), float(high))
    colour = model if model in MODELS else "trained"
    return Cell(words.share(row["accuracy"]), row["accuracy"], span=span, colour=colour)
