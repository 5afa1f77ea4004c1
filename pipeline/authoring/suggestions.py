"""Values that follow from the data, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.params import Params

MANY = 0.2
"""Share of the rows from which a default that does not suit them is changed."""

CHARACTERS_PER_TOKEN = 4.0
"""Of English text, for a first guess of lengths; ``python -m pipeline check`` counts tokens."""

Completions = Sequence[Mapping[str, Any]]
"""Completions that are compared: each a prompt, a completion, and a label and an overall_score or none."""


@dataclass(frozen=True)
class RowFacts:
    """What is known of the rows that were looked at.

    Attributes:
        rows: How many there are.
        labelled: Of these, how many say themselves which response is the better one.
        margins: Best minus worst score of each row with two scores or more; of a labelled row, chosen minus
            rejected.
        characters: Of the prompt and its longest response, for each row.
    """

    rows: int
    labelled: int
    margins: tuple[float, ...]
    characters: tuple[int, ...]


@dataclass(frozen=True)
class Suggestion:
    """A value for one dotted key, and why."""

    key: str
    value: Any
    why: str


def row_facts(rows: Iterable[Completions]) -> RowFacts:
    """What rows say of their labels, scores and lengths."""
    labelled, margins, characters = 0, [], []
    for completions in rows:
        scores = {
            one.get("label") or index: one.get("overall_score") for index, one in enumerate(completions)
        }
        numbers = [score for score in scores.values() if score is not None]
        labelled += "chosen" in scores
        if len(numbers) >= 2:
            chosen, rejected = scores.get("chosen"), scores.get("rejected")
            if chosen is not None and rejected is not None:
                margins.append(chosen - rejected)
            else:
                margins.append(max(numbers) - min(numbers))
        prompt = sum(len(message["content"] or "") for message in completions[0]["prompt"])
        characters.append(prompt + max(len(one["completion"] or "") for one in completions))
    return RowFacts(len(characters), labelled, tuple(margins), tuple(characters))


def suggest(facts: RowFacts) -> Iterator[Suggestion]:
    """Values of ``binarize`` that suit the rows better than the defaults do."""
    if facts.labelled and not facts.margins:
        yield Suggestion(
            "binarize.min_margin", 0.0, "rows say which response won, and have no scores to ask a margin of"
        )
    least = Params().binarize.min_margin
    apart = sorted(abs(margin) for margin in facts.margins if margin)
    small = sum(margin < least for margin in apart)
    if apart and small >= MANY * len(apart):
        fitting = _round_down(apart[len(apart) // 10])
        yield Suggestion(
            "binarize.min_margin",
            fitting,
            f"{small:,} of {len(apart):,} rows have scores less than {least:g} apart; "
            f"nine in ten are at least {fitting:g} apart",
        )
    tied = sum(margin == 0 for margin in facts.margins)
    if facts.labelled and tied >= MANY * facts.rows:
        yield Suggestion(
            "binarize.ties",
            "keep",
            f"{tied:,} of {facts.rows:,} rows have equal scores, and say which response won nevertheless",
        )


def remarks(facts: RowFacts, max_length: int) -> Iterator[str]:
    """What a person may want to change and init leaves alone, a sentence each."""
    long = sum(count > max_length * CHARACTERS_PER_TOKEN for count in facts.characters)
    if long:
        yield (
            f"{long:,} of {facts.rows:,} rows look longer than tokenize.max_length {max_length:,} "
            f"(at {CHARACTERS_PER_TOKEN:g} characters a token) and would go to the ledger: raise it, or set "
            "tokenize.truncation."
        )


def _round_down(value: float) -> float:
    """The largest number with two digits that is not larger than a positive one."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    # The quotient of a number that has two digits already may lie a hair below a whole one.
    return float(f"{math.floor(value / step + 1e-9) * step:.1e}")
