"""Instruction success by the kind of constraint that a prompt holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from pipeline.report import words
from pipeline.report.grid import Cell, Grid, Head, count
from pipeline.results import MODELS

NO_KIND = "no check"
"""What prompts without a constraint are listed under."""


@dataclass(frozen=True)
class KindRow:
    """Instruction success on one kind of constraint."""

    kind: str
    prompts: int
    base: int
    trained: int

    @property
    def base_share(self) -> float:
        """Share of the prompts the base model's answers pass."""
        return self.base / self.prompts

    @property
    def trained_share(self) -> float:
        """Share of the prompts the trained model's answers pass."""
        return self.trained / self.prompts


def kind_of(constraint: str | None) -> str:
    """The kind named in a constraint's JSON; :data:`NO_KIND` for none."""
    if constraint is None:
        return NO_KIND
    try:
        value = json.loads(constraint)
    except json.JSONDecodeError:
        return NO_KIND
    return str(value.get("kind", NO_KIND)) if isinstance(value, dict) else NO_KIND


def kind_rows(generations: pl.DataFrame) -> list[KindRow]:
    """Success of both models by kind of constraint, where the trained model gained most first."""
    passed: dict[str, dict[str, list[bool]]] = {}
    checked = generations.filter(pl.col("success").is_not_null() & pl.col("model").is_in(list(MODELS)))
    for model, constraint, success in checked.select("model", "constraint", "success").iter_rows():
        passed.setdefault(kind_of(constraint), {name: [] for name in MODELS})[model].append(success)
    rows = [
        KindRow(kind, max(len(by["base"]), len(by["trained"])), sum(by["base"]), sum(by["trained"]))
        for kind, by in passed.items()
    ]
    return sorted(rows, key=lambda row: (row.base_share - row.trained_share, row.kind))


def kind_grid(rows: list[KindRow]) -> Grid:
    """The same as a table."""
    columns = [Head("Kind of constraint"), Head("Prompts", True), Head("Base", dot="base")]
    return Grid(
        [*columns, Head("Trained", dot="trained")],
        [
            [
                Cell(words.title(row.kind)),
                count(row.prompts),
                Cell(str(row.base), row.base_share, fill=row.base_share, colour="base"),
                Cell(str(row.trained), row.trained_share, fill=row.trained_share),
            ]
            for row in rows
        ],
    )
