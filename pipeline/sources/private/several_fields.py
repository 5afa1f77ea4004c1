"""Finds several responses of a row, in fields of their own or in a list, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.params import ColumnsParams
from pipeline.sources.jsonl import Row
from pipeline.sources.pair_rows import LABELS
from pipeline.sources.private.finder import (
    Finder,
    Usable,
    holds_lists,
    holds_names,
    holds_scalars,
    holds_text,
)
from pipeline.sources.private.messages import speaker_key
from pipeline.sources.private.names import (
    LISTS,
    MODEL_WORDS,
    RANK_WORDS,
    RESPONSE_WORDS,
    SCORE_WORDS,
    SUFFIXES,
    TEXT_KEYS,
    Tiers,
    fold_name,
)
from pipeline.sources.private.pair_fields import find_sides

_WORDS = {"scores": SCORE_WORDS, "ranks": RANK_WORDS, "models": MODEL_WORDS}
_USABLE: dict[str, Usable] = {"scores": holds_scalars, "ranks": holds_scalars, "models": holds_names}
PLURAL = ("s", "")


def find_responses(finder: Finder, roles: Sequence[str]) -> None:
    """Find the responses, and of ``scores``, ``ranks`` and ``models`` the roles that are wanted."""
    if not finder.asked("responses"):
        _find_series(finder)
    if "responses" not in finder.fields:
        _find_list(finder)
    if "responses" not in finder.fields:
        _find_sides(finder)
    if "responses" not in finder.fields:
        finder.missing.append("two or more responses (response_a and response_b, or a list of responses)")
        return
    if isinstance(finder.fields["responses"], str):
        _name_members(finder, roles)
    for role in roles:
        _find_beside(finder, role)


# --- fields of their own ----------------------------------------------------------------------------------


def _find_series(finder: Finder) -> None:
    """Fields that are told apart by a letter, a number or a word: ``answer_0`` and ``answer_1``."""
    found: dict[tuple[str, ...], None] = {}
    for stem in RESPONSE_WORDS:
        for suffixes in SUFFIXES:
            for prefixed in (False, True):
                series = []
                for suffix in suffixes:
                    name = fold_name(f"{suffix}{stem}" if prefixed else f"{stem}{suffix}")
                    here = [one for one in finder.called(name) if holds_text(finder.values(one))]
                    if not here:
                        break
                    series.append(here[0])
                if len(series) > 1 and not (prefixed and suffixes[0] in "01"):
                    found[tuple(series)] = None
    if not found:
        return
    first, *others = found
    if others:
        finder.unclear("responses", [", ".join(series) for series in found])
    finder.take("responses", first, "fields that differ by a letter or a number alone")


def _find_sides(finder: Finder) -> None:
    """Take chosen and rejected, which may have a score each, as two responses."""
    trial = Finder(finder.rows, ColumnsParams())
    find_sides(trial)
    if not trial.missing and not trial.faults:
        sides = tuple(str(trial.fields[label]) for label in LABELS)
        finder.take("responses", sides, "chosen and rejected are two responses")


# --- lists ----------------------------------------------------------------------------------------------


def _find_list(finder: Finder) -> None:
    finder.find("responses", LISTS, holds_lists)


def _items(finder: Finder, column: str) -> list[Any]:
    return [item for value in finder.values(column) if isinstance(value, list) for item in value]


def _name_members(finder: Finder, roles: Sequence[str]) -> None:
    """In a list of objects, name the members that hold the texts, scores, ranks and models."""
    column = str(finder.fields["responses"])
    items = [item for item in _items(finder, column) if isinstance(item, dict)]
    if not items or speaker_key(items[0]):
        return
    text = _member(items, TEXT_KEYS, holds_text)
    if not text:
        finder.missing.append(f"the text in the objects of `{column}` (response, text, content, ...)")
        return
    finder.fields["responses"] = f"{column}.{finder.only('responses', text)}"
    finder.why["responses"] += f", and `{text[0]}` holds the text in its objects"
    for role in roles:
        if finder.asked(role):
            continue
        names = _member(items, _WORDS[role], _USABLE[role])
        if len(names) > 1:
            finder.unclear(role, [f"{column}.{name}" for name in names])
        if names:
            finder.take(role, f"{column}.{names[0]}", f"`{names[0]}` stands in the objects of `{column}`")


def _member(items: list[Row], tiers: Tiers, usable: Usable) -> list[str]:
    """The members of the first tier that has any."""
    by_fold = {fold_name(str(key)): str(key) for item in items for key in item}
    for tier in tiers:
        names = [by_fold[name] for word in tier if (name := fold_name(word)) in by_fold]
        found = [
            name for name in names if usable([item[name] for item in items if item.get(name) is not None])
        ]
        if found:
            return found
    return []


# --- beside the responses ---------------------------------------------------------------------------------


def _find_beside(finder: Finder, role: str) -> None:
    if role in finder.fields or finder.asked(role):
        return
    responses, words = finder.fields["responses"], _WORDS[role]
    if isinstance(responses, str):
        finder.find(role, words, holds_lists, PLURAL)
        return
    for tier in words:
        found = {
            series: None for word in tier for series in _series_beside(finder, responses, word, _USABLE[role])
        }
        if found:
            if len(found) > 1:
                finder.unclear(role, [", ".join(series) for series in found])
            finder.take(role, next(iter(found)), "fields named as the responses are")
            return
    finder.find(role, words, holds_lists, PLURAL)


def _series_beside(
    finder: Finder, responses: tuple[str, ...], word: str, usable: Usable
) -> list[tuple[str, ...]]:
    """Fields such as ``score_a``, ``a_score``, ``response_a_score`` and ``score_response_a``."""
    found = []
    for ends in (responses, endings(responses)):
        for names in ([f"{word}{end}" for end in ends], [f"{end}{word}" for end in ends]):
            columns = [
                next((one for one in finder.called(fold_name(name)) if usable(finder.values(one))), None)
                for name in names
            ]
            if all(columns):
                found.append(tuple(str(column) for column in columns))
    return found


def endings(responses: tuple[str, ...]) -> tuple[str, ...]:
    """What tells the names of responses from each other: a and b of ``response_a`` and ``response_b``."""
    names = [fold_name(name) for name in responses]
    for suffixes in (*SUFFIXES, LABELS):
        if len(names) <= len(suffixes):
            wanted = suffixes[: len(names)]
            if all(
                name.endswith(end) or name.startswith(end) for name, end in zip(names, wanted, strict=True)
            ):
                return tuple(wanted)
    return responses
