"""What a person reads with their own eyes: answers side by side, and dropped rows with their evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import polars as pl

from pipeline.report import words
from pipeline.report.scores import NO_KIND, kind_of
from pipeline.results import FUNNEL_STAGES

DROPPED_PER_REASON = 3
_ROW_STAGES = ("pull", "binarize")

Messages = list[dict[str, str]]


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
    prompt: Messages
    answers: list[Answer]


@dataclass(frozen=True)
class Text:
    """A titled text of a dropped row."""

    title: str
    text: str


@dataclass(frozen=True)
class Dropped:
    """A dropped row: what it was, and why it went."""

    name: str
    evidence: list[tuple[str, str]]
    texts: list[Text] = field(default_factory=list)


@dataclass(frozen=True)
class Reason:
    """Dropped rows of one stage under one reason."""

    stage: str
    reason: str
    count: int
    examples: list[Dropped]


def side_by_side(generations: pl.DataFrame, count: int) -> list[Example]:
    """Up to ``count`` prompts with both models' answers, spread evenly over the kinds of constraint.

    Kinds and prompts come in the order of the prompts' ids, which are hashes: none is picked for its outcome,
    and where there are more kinds than examples it is not always the same kinds.
    """
    by_prompt: dict[str, dict[str, dict[str, object]]] = {}
    for row in generations.sort("prompt_id", "model").iter_rows(named=True):
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
        prompt=_messages(first["prompt"]),
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


def _messages(prompt: object) -> Messages:
    return [dict(message) for message in prompt] if isinstance(prompt, list) else []


def dropped_examples(ledger: pl.DataFrame, pairs: pl.DataFrame, completions: pl.DataFrame) -> list[Reason]:
    """For each stage and reason, how many rows went and the first few, with evidence and their own words.

    Args:
        ledger: Entries of all stages, each stage's in its file's order.
        pairs: Pairs by id, before any was dropped.
        completions: Raw completions, for what was dropped before pairs were made.
    """
    shown = ledger.group_by("stage", "reason", maintain_order=True).head(DROPPED_PER_REASON)
    known = _KnownTexts(shown, pairs, completions)
    reasons = []
    for (stage, reason), entries in ledger.group_by(["stage", "reason"], maintain_order=True):
        examples = [known.dropped(entry) for entry in entries.head(DROPPED_PER_REASON).iter_rows(named=True)]
        reasons.append(Reason(str(stage), str(reason), entries.height, examples))
    order = {stage: place for place, stage in enumerate(FUNNEL_STAGES)}
    return sorted(reasons, key=lambda item: (order.get(item.stage, len(order)), -item.count, item.reason))


class _KnownTexts:
    """The texts of the few rows that are shown, looked up by id."""

    def __init__(self, shown: pl.DataFrame, pairs: pl.DataFrame, completions: pl.DataFrame) -> None:
        wanted = pl.concat([shown["pair_id"], shown["match_id"].rename("pair_id")]).drop_nulls().unique()
        rows = pairs.filter(pl.col("pair_id").is_in(wanted.implode()))
        self._pairs = {row["pair_id"]: row for row in rows.iter_rows(named=True)}
        raw = completions.filter(
            pl.col("row_id").is_in(shown["row_id"].drop_nulls().unique().implode())
        ).sort("row_id", "completion_index")
        self._rows: dict[str, list[dict[str, object]]] = {}
        for row in raw.iter_rows(named=True):
            self._rows.setdefault(row["row_id"], []).append(row)

    def dropped(self, entry: dict[str, object]) -> Dropped:
        """A ledger entry with its evidence and, where they are known, its texts."""
        names = (("pair", "pair_id"), ("row", "row_id"))
        name = next(f"{word} {entry[key]}" for word, key in names if entry[key] is not None)
        return Dropped(name, _evidence(entry), self._texts(entry))

    def _texts(self, entry: dict[str, object]) -> list[Text]:
        pair = self._pairs.get(str(entry["pair_id"]))
        # Up to binarize the raw row is what went: two rows may have made the same pair, the other way round.
        if pair is None or entry["stage"] in _ROW_STAGES:
            return self._row_texts(entry)
        texts = [
            Text("prompt", conversation(pair["prompt"])),
            Text("chosen", str(pair["chosen"])),
            Text("rejected", str(pair["rejected"])),
        ]
        match = self._pairs.get(str(entry["match_id"]))
        if match is not None:
            texts.append(Text("prompt it matched", conversation(match["prompt"])))
        return texts

    def _row_texts(self, entry: dict[str, object]) -> list[Text]:
        rows = self._rows.get(str(entry["row_id"]), [])
        if not rows:
            return []
        texts = [Text("prompt", conversation(rows[0]["prompt"]))]
        for row in rows:
            scores = (row["overall_score"], row["fine_grained_score"])
            scored = ", ".join(words.number(score, 2) for score in scores if isinstance(score, float))
            title = f"completion {row['completion_index']}" + (f", scored {scored}" if scored else "")
            texts.append(Text(title, "" if row["completion"] is None else str(row["completion"])))
        return texts


def _evidence(entry: dict[str, object]) -> list[tuple[str, str]]:
    """What the rule measured, asked for and matched; only what there is."""
    labels = (
        ("measured", "value"),
        ("asked for", "threshold"),
        ("matches", "match_id"),
        ("because", "detail"),
    )
    found = [(label, entry[key]) for label, key in labels if entry[key] is not None]
    if entry["pair_id"] is not None and entry["row_id"] is not None:
        found.append(("from row", entry["row_id"]))
    return [(label, f"{value:.6g}" if isinstance(value, float) else str(value)) for label, value in found]


def conversation(prompt: object) -> str:
    """A prompt as text: a single user message as it is, several with their roles."""
    messages = _messages(prompt)
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
