"""What a person reads with their own eyes: both models' answers side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from pipeline.report import words
from pipeline.report.scores import NO_KIND, kind_of
from pipeline.results import MODELS
from pipeline.schema import GREEDY


@dataclass(frozen=True)
class Answer:
    """One model's answer to a prompt."""

    model: str
    text: str
    success: bool | None
    failures: list[str]
    tokens: int
    finished: bool


@dataclass(frozen=True)
class Example:
    """A prompt with the answers of both models."""

    prompt_id: str
    kind: str
    asked: str
    prompt: words.Messages
    answers: list[Answer]


def side_by_side(generations: pl.DataFrame, count: int) -> list[Example]:
    """Up to ``count`` prompts with both models' greedy answers, spread evenly over the kinds of constraint.

    Kinds and prompts come in the order of the prompts' ids, which are hashes: none is picked for its outcome,
    and where there are more kinds than examples it is not always the same kinds.
    """
    by_prompt: dict[str, dict[str, dict[str, object]]] = {}
    shown = generations.filter(pl.col("decoding") == GREEDY, pl.col("model").is_in(MODELS))
    for row in shown.sort("prompt_id", "model").iter_rows(named=True):
        by_prompt.setdefault(row["prompt_id"], {})[row["model"]] = row
    kinds: dict[str, list[Example]] = {}
    for prompt_id, rows in by_prompt.items():
        if len(rows) == 2:
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
        answers=[_answer(model, rows[model]) for model in sorted(rows)],
    )


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


def _asked(constraint: str | None) -> str:
    """A constraint's arguments as words; empty for none."""
    if kind_of(constraint) == NO_KIND or constraint is None:
        return ""
    arguments = json.loads(constraint).get("args") or {}
    return ", ".join(f"{name} {value}" for name, value in words.flat(arguments))
