"""Finds the fields of pairs: chosen and rejected, their scores and their models."""

from __future__ import annotations

from pipeline.sources.pair_rows import LABELS
from pipeline.sources.private.finder import Finder, holds_names, holds_scalars, holds_text
from pipeline.sources.private.names import MODEL_WORDS, RESPONSE_WORDS, SCORE_WORDS, SIDES, Tiers, fold_name

Words = tuple[str, str]


def find_pair_fields(finder: Finder) -> None:
    """Find chosen and rejected by their names, and what stands beside them."""
    find_sides(finder)
    for role, words, usable in (("score", SCORE_WORDS, holds_scalars), ("model", MODEL_WORDS, holds_names)):
        for place, label in enumerate(LABELS):
            names = _beside(words, place, finder.fields.get(label))
            finder.find_optional(f"{label}_{role}", names, usable)


def find_sides(finder: Finder) -> None:
    """Find chosen and rejected, both by one pair of words where params name neither."""
    asked = [label for label in LABELS if finder.asked(label)]
    found = list(dict.fromkeys(_named_pairs(finder, asked)))
    if len(asked) == len(LABELS):
        return
    if not found:
        finder.missing.append("the preferred and the other response (chosen and rejected)")
        return
    best = next((pair for pair in found if tuple(map(fold_name, pair)) == LABELS), None)
    if best is None and len(found) > 1:
        finder.unclear("chosen", [" with ".join(pair) for pair in found])
    for label, column in zip(LABELS, best or found[0], strict=True):
        if label not in asked:
            finder.take(label, column, f"`{column}` is a usual name for it")


def _named_pairs(finder: Finder, asked: list[str]) -> list[Words]:
    """Columns that are named as chosen and rejected are; where one is asked for, with it."""
    pairs = []
    for words in SIDES:
        for stem in ("", *RESPONSE_WORDS):
            for names in ([f"{word}{stem}" for word in words], [f"{stem}{word}" for word in words]):
                chosen, rejected = (
                    str(finder.fields[label]) if label in asked else _text_column(finder, name)
                    for label, name in zip(LABELS, names, strict=True)
                )
                if chosen is not None and rejected is not None:
                    pairs.append((chosen, rejected))
    return pairs


def _text_column(finder: Finder, name: str) -> str | None:
    """The column of a name that holds texts or messages."""
    return next((one for one in finder.called(fold_name(name)) if holds_text(finder.values(one))), None)


def _beside(words: Tiers, place: int, column: object) -> Tiers:
    """Names such as ``score_chosen``, ``chosen_score`` and, of ``winner_response``, ``winner_score``."""
    sides = dict.fromkeys((LABELS[place], *(pair[place] for pair in SIDES)))
    known = [side for side in sides if fold_name(side) in fold_name(str(column))] or [LABELS[place]]
    stems = [LABELS[place], *known, str(column)]
    return tuple(
        tuple(
            dict.fromkeys(
                name for word in tier for stem in stems for name in (f"{stem}_{word}", f"{word}_{stem}")
            )
        )
        for tier in words
    )
