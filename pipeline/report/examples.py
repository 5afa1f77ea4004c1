"""What a person reads with their own eyes: models' answers side by side, best and worst pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from pipeline.report import words
from pipeline.report.kinds import NO_KIND, kind_of
from pipeline.results import MODELS

EXTREMES = 4
"""Pairs shown at each end of the margins."""


@dataclass(frozen=True)
class Answer:
    """One model's answer to a prompt."""

    model: str
    text: str
    success: bool | None
    failures: list[str]
    tokens: int
    finished: bool

    @property
    def dot(self) -> str:
        """The class of the dot before the model's name: base and trained have colours of their own."""
        return self.model if self.model in MODELS else "other"


@dataclass(frozen=True)
class Example:
    """A prompt with the answers of every model."""

    prompt_id: str
    kind: str
    asked: str
    prompt: words.Messages
    answers: list[Answer]


def side_by_side(generations: pl.DataFrame, count: int) -> list[Example]:
    """Up to ``count`` prompts with every model's answers, spread evenly over the kinds of constraint.

    Kinds and prompts come in the order of the prompts' ids, which are hashes: none is picked for its outcome,
    and where there are more kinds than examples it is not always the same kinds.
    """
    models = generations["model"].n_unique()
    by_prompt: dict[str, dict[str, dict[str, object]]] = {}
    for row in generations.sort("prompt_id", "model").iter_rows(named=True):
        by_prompt.setdefault(row["prompt_id"], {})[row["model"]] = row
    kinds: dict[str, list[Example]] = {}
    for prompt_id, rows in by_prompt.items():
        if len(rows) == models:
            example = _example(prompt_id, rows)
            kinds.setdefault(example.kind, []).append(example)
    chosen: list[Example] = []
    queues = [
        kinds[kind] for kind in sorted(kinds, key=lambda kind: (kind == NO_KIND, kinds[kind][0].prompt_id))
    ]
    while queues and len(chosen) < count:
        chosen.extend(queue.pop(0) for queue in queues)
        queues = [queue for queue in queues if queue]
    return chosen[:count]


def _example(prompt_id: str, rows: dict[str, dict[str, object]]) -> Example:
    first = next(iter(rows.values()))
    constraint = first["constraint"]
    text = constraint if isinstance(constraint, str) else None
    return Example(
        prompt_id=prompt_id,
        kind=kind_of(text),
        asked=_asked(text),
        prompt=words.messages(first["prompt"]),
        answers=[_answer(model, rows[model]) for model in sorted(rows, key=_place)],
    )


def _place(model: str) -> tuple[int, str]:
    """Where a model stands: base, trained, the others by name."""
    return MODELS.index(model) if model in MODELS else len(MODELS), model


def _answer(model: str, row: dict[str, object]) -> Answer:
    failures, success = row["failures"], row["success"]
    return Answer(
        model=model,
        text=str(row["response"]),
        success=success if isinstance(success, bool) else None,
        failures=[str(name) for name in failures] if isinstance(failures, list) else [],
        tokens=int(str(row["tokens"])),
        finished=bool(row["finished"]),
    )


@dataclass(frozen=True)
class ScoredPair:
    """A held-out pair with what both models make of it.

    Attributes:
        pair_id: The pair.
        source: The part of the dataset it comes from.
        margins: Log-odds margin of each model, by its name.
        prompt: The conversation.
        chosen: The preferred response.
        rejected: The other one.
    """

    pair_id: str
    source: str
    margins: dict[str, float]
    prompt: words.Messages
    chosen: str
    rejected: str


def extreme_pairs(evaluated: pl.DataFrame) -> pl.DataFrame:
    """Held-out pairs with the trained model's worst and best margins: pair_id, and ``best`` or not.

    Args:
        evaluated: One row per held-out pair and model.

    Returns:
        The worst first, then the best, :data:`EXTREMES` each or as many as there are; no pair twice.
    """
    ranked = (
        evaluated.filter(pl.col("model") == "trained").sort("log_odds_margin", "pair_id").select("pair_id")
    )
    each = min(EXTREMES, ranked.height // 2)
    worst = ranked.head(each).with_columns(best=pl.lit(False))
    best = ranked.tail(each).reverse().with_columns(best=pl.lit(True))
    return pl.concat([worst, best])


def scored_pairs(
    evaluated: pl.DataFrame, held_out: pl.DataFrame
) -> tuple[list[ScoredPair], list[ScoredPair]]:
    """The pairs of :func:`extreme_pairs` with their texts: the worst, and the best.

    Args:
        evaluated: One row per held-out pair and model.
        held_out: These pairs as split wrote them; one that is not there is left out.
    """
    texts = {row["pair_id"]: row for row in held_out.iter_rows(named=True)}
    margins: dict[str, dict[str, float]] = {}
    for pair_id, model, margin in (
        evaluated.filter(pl.col("pair_id").is_in(list(texts)))
        .select("pair_id", "model", "log_odds_margin")
        .iter_rows()
    ):
        margins.setdefault(pair_id, {})[model] = margin
    sides: dict[bool, list[ScoredPair]] = {False: [], True: []}
    for pair_id, best in extreme_pairs(evaluated).iter_rows():
        if pair_id in texts:
            row = texts[pair_id]
            known = dict(sorted(margins[pair_id].items(), key=lambda item: _place(item[0])))
            prompt = words.messages(row["prompt"])
            sides[best].append(
                ScoredPair(pair_id, row["source"], known, prompt, row["chosen"], row["rejected"])
            )
    return sides[False], sides[True]


def _asked(constraint: str | None) -> str:
    """A constraint's arguments as words; empty for none."""
    if kind_of(constraint) == NO_KIND or constraint is None:
        return ""
    arguments = json.loads(constraint).get("args") or {}
    return ", ".join(f"{name} {value}" for name, value in words.flat(arguments))
