"""Scores, ranks and ratings of private rows: numbers, numbers in plain text, truth values and thumbs."""

from __future__ import annotations

import re
from typing import Any

from pipeline.sources.faults import BAD_VALUE
from pipeline.sources.fields import Place, as_optional_number
from pipeline.sources.private.names import BAD, GOOD, fold_name

_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,3})?", re.ASCII)
NOT_THERE = frozenset(("", "n/a", "na", "null", "none", "-"))
"""Texts that say there is no value; CSV and annotators have no null."""

_GOOD, _BAD = frozenset(map(str.casefold, GOOD)), frozenset(map(str.casefold, BAD))
_SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")


def is_absent(value: Any) -> bool:
    """Whether a value says that there is none."""
    return value is None or (isinstance(value, str) and value.strip().casefold() in NOT_THERE)


def plain_number(value: Any) -> float | None:
    """The number that a value is, or that a text is when it is written plainly; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _finite(value)
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value.strip()):
        return _finite(value.strip())
    return None


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def as_truth(value: Any) -> bool | None:
    """What a truth value, a 0 or 1, or one of the words for good and bad says; None if it says neither."""
    if isinstance(value, bool):
        return value
    number = plain_number(value)
    if number is not None:
        return {0.0: False, 1.0: True}.get(number)
    if isinstance(value, str):
        word = _SKIN_TONES.sub("", value.strip()).casefold()
        for words, truth in ((_GOOD, True), (_BAD, False)):
            if word in words or fold_name(word) in {fold_name(one) for one in words if one.isascii()} - {"1"}:
                return truth
    return None


def as_score(value: Any, column: str, place: Place) -> float | None:
    """A score: a finite number, also as plain text; null where it says that there is none.

    Raises:
        PipelineError: If it is anything else.
    """
    if is_absent(value):
        return None
    if isinstance(value, str):
        number = plain_number(value)
        if number is None:
            raise place.fault(column, value, "a finite number, N/A or null", BAD_VALUE)
        return number
    return as_optional_number(value, column, place)


def as_rating(value: Any, column: str, place: Place) -> float | None:
    """A rating: a score, or good and bad as 1 and 0 (truth values, thumbs and their words).

    Raises:
        PipelineError: If it is anything else.
    """
    if is_absent(value):
        return None
    number = plain_number(value)
    if number is not None:
        return number
    truth = as_truth(value)
    if truth is None:
        raise place.fault(
            column, value, "a finite number, a truth value, thumbs up or down, N/A or null", BAD_VALUE
        )
    return float(truth)


def as_name(value: Any, column: str, place: Place) -> str | None:
    """A model's or a source's name; a number is its digits.

    Raises:
        PipelineError: If it is neither text, nor a number, nor null.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise place.fault(column, value, "a name (text) or null")
