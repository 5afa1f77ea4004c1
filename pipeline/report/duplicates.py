"""Duplicates and leaks: how alike what was dropped is to what was kept, word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup, escape

from pipeline.report import words
from pipeline.report.grid import Cell, Grid, Head, count

MOST_COMPARED = 2000
"""Characters of two prompts that are compared word by word; comparing takes the square of them."""

EXAMPLES = 4
"""Duplicates shown."""


@dataclass(frozen=True)
class Duplicate:
    """A dropped prompt beside the one that was kept, their different words marked."""

    pair_id: str
    match_id: str
    similarity: str
    dropped: Markup
    kept: Markup


@dataclass(frozen=True)
class Leak:
    """A dropped prompt and the benchmark's item it held."""

    pair_id: str
    item: str
    detail: str
    prompt: str


@dataclass(frozen=True)
class Clusters:
    """Near-duplicate prompts among the pairs that stayed: clusters of several pairs, and the largest."""

    several: int
    largest: int


def duplicates(shown: pl.DataFrame, pairs: pl.DataFrame) -> list[Duplicate]:
    """Near-duplicates closest to the threshold: those a person would like to judge.

    Args:
        shown: Ledger entries to show, closest first.
        pairs: The pairs they name and match.
    """
    prompts = _prompts(pairs)
    found = []
    for entry in shown.filter((pl.col("stage") == "dedupe") & (pl.col("value") < 1)).iter_rows(named=True):
        dropped, kept = prompts.get(entry["pair_id"]), prompts.get(entry["match_id"])
        if dropped is not None and kept is not None:
            marked = marked_differences(dropped, kept)
            found.append(Duplicate(entry["pair_id"], entry["match_id"], f"{entry['value']:.2f}", *marked))
    return found[:EXAMPLES]


def leaks(shown: pl.DataFrame, pairs: pl.DataFrame) -> list[Leak]:
    """The pairs to show that held a benchmark's prompt."""
    prompts = _prompts(pairs)
    return [
        Leak(entry["pair_id"], entry["match_id"] or "", entry["detail"] or "", prompts[entry["pair_id"]])
        for entry in shown.filter(pl.col("stage") == "decontaminate").iter_rows(named=True)
        if entry["pair_id"] in prompts
    ]


def leak_grid(searched: Mapping[str, Mapping[str, int]]) -> Grid:
    """One row per benchmark that was searched for: its items, those found, and the pairs that went."""
    columns = [Head("Benchmark"), *(Head(name, True) for name in ("Items", "Items found", "Pairs dropped"))]
    keys = ("items", "items_found", "contaminated_pairs")
    return Grid(
        columns, [[Cell(name), *(count(found.get(key)) for key in keys)] for name, found in searched.items()]
    )


def clusters(splits: Mapping[str, pl.DataFrame]) -> Clusters:
    """Clusters of near-duplicate prompts among the kept pairs, over all splits."""
    sizes = pl.concat([frame.select("cluster_id") for frame in splits.values()]).group_by("cluster_id").len()
    largest = sizes["len"].max()
    return Clusters(sizes.filter(pl.col("len") > 1).height, largest if isinstance(largest, int) else 0)


def similarities(ledger: pl.DataFrame) -> list[float]:
    """How alike each near-duplicate is to the prompt it matched: Jaccard similarities below 1."""
    near = ledger.filter((pl.col("stage") == "dedupe") & (pl.col("value") < 1))
    return near["value"].to_list()


def marked_differences(left: str, right: str) -> tuple[Markup, Markup]:
    """Both texts, escaped, with the words that the other lacks in ``<mark>``.

    Texts longer than :data:`MOST_COMPARED` characters come unmarked.
    """
    if max(len(left), len(right)) > MOST_COMPARED:
        return escape(left), escape(right)
    parts = [re.findall(r"\s+|\w+|[^\w\s]", text) for text in (left, right)]
    matcher = difflib.SequenceMatcher(None, parts[0], parts[1], autojunk=False)
    marked = [Markup(), Markup()]
    for same, *bounds in matcher.get_opcodes():
        for side, (begin, end) in enumerate((bounds[:2], bounds[2:])):
            piece = escape("".join(parts[side][begin:end]))
            marked[side] += piece if same == "equal" or not piece else Markup("<mark>{}</mark>").format(piece)
    return marked[0], marked[1]


def _prompts(pairs: pl.DataFrame) -> dict[str, str]:
    return {row["pair_id"]: words.conversation(row["prompt"]) for row in pairs.iter_rows(named=True)}
