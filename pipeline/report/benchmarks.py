"""Benchmark scores as tables, each with what is known of its prompts in the training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report import words
from pipeline.report.evaluation import Values, heads, interval_of
from pipeline.report.grid import Cell, Grid, Head

NOT_CHECKED = "The training data was not searched for this benchmark's prompts."
"""Said of a benchmark that decontaminate was not given."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: Its key in metrics/benchmark.json.
        contamination: What is known of its prompts in the training data, in words.
        clean: Whether the training data was searched and holds none of them.
        grid: Scores by model.
        details: Counts and whatever else the benchmark tells, by model.
    """

    name: str
    contamination: str
    clean: bool
    grid: Grid
    details: Grid


def benchmark_tables(benchmarks: Values, searched: Values) -> list[Benchmark]:
    """Every benchmark that was run.

    Args:
        benchmarks: metrics/benchmark.json; empty where none is switched on.
        searched: ``benchmarks`` of metrics/decontaminate.json, which says what was found of each.
    """
    return [
        _benchmark(name, found, searched) for name, found in benchmarks.items() if isinstance(found, dict)
    ]


def _benchmark(name: str, found: dict[str, Any], searched: Values) -> Benchmark:
    contamination = found.get("contamination") or searched.get(name)
    models = [key for key, value in found.items() if key != "contamination" and isinstance(value, dict)]
    scores = list(dict.fromkeys(key for model in models for key in _scores(found[model])))
    rows = [
        [Cell(words.title(score)), *(_score_cell(found[model], score) for model in models)]
        for score in scores
    ]
    said, clean = contamination_words(contamination)
    scored = Grid([Head("Score"), *heads(models)], rows)
    return Benchmark(name, said, clean, scored, _details({model: found[model] for model in models}))


def _details(found: Mapping[str, Values]) -> Grid:
    """All but scores and intervals: a row per count or detail, a column per model."""
    flat = {
        model: dict(words.flat({**(values.get("counts") or {}), **_other(values)}))
        for model, values in found.items()
    }
    names = dict.fromkeys(name for values in flat.values() for name in values)
    rows = [
        [Cell(words.title(name)), *(Cell(flat[model].get(name, words.DASH)) for model in found)]
        for name in names
    ]
    return Grid([Head("Count or detail"), *heads(list(found))], rows)


def _other(model: Values) -> dict[str, Any]:
    known = {"intervals", "counts", *_scores(model)}
    return {name: value for name, value in model.items() if name not in known and value is not None}


def contamination_words(contamination: object) -> tuple[str, bool]:
    """What is known of a benchmark's prompts in the training data, in words, and whether it is clean.

    Args:
        contamination: ``items``, ``items_found`` and ``dropped_pairs`` as stage benchmark gives them, or with
            ``contaminated_pairs`` as decontaminate does; None or ``status: not_checked`` where nobody looked.
    """
    if not isinstance(contamination, Mapping) or contamination.get("status") == "not_checked":
        return NOT_CHECKED, False
    dropped = contamination.get("dropped_pairs", contamination.get("contaminated_pairs"))
    items, found = contamination.get("items"), contamination.get("items_found")
    if dropped is None or items is None or found is None:
        return NOT_CHECKED, False
    if not dropped:
        return f"No training pair holds any of its {int(items):,} items.", True
    return (
        f"{int(found):,} of its {int(items):,} items were found in the data, and the {int(dropped):,} pairs "
        "that hold them were dropped.",
        True,
    )


def _scores(model: Values) -> list[str]:
    return [
        key
        for key, value in model.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and key not in ("intervals", "counts")
    ]


def _score_cell(model: Values, score: str) -> Cell:
    value = model.get(score)
    if not isinstance(value, int | float):
        return Cell(words.DASH)
    bounds = interval_of(model, score)
    note = "" if bounds is None else f"{words.number(bounds[0])} to {words.number(bounds[1])}"
    return Cell(words.number(float(value)), float(value), note)
