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
    """One benchmark: its scores by model, and its contamination in words."""

    name: str
    contamination: str
    clean: bool
    facts: list[tuple[str, str]]
    grid: Grid


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
    counts = [(model, words.flat(found[model].get("counts") or {})) for model in models]
    facts = [(f"{model}: {words.title(key)}", value) for model, pairs in counts for key, value in pairs]
    return Benchmark(name, said, clean, facts, Grid([Head("Score"), *heads(models)], rows))


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
