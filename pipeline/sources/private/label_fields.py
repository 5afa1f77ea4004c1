"""Finds the label of a ranking: one field, or a truth value for each response."""

from __future__ import annotations

from functools import lru_cache

from pipeline.params import LabelParams
from pipeline.sources.private.finder import Finder, holds_scalars
from pipeline.sources.private.labels import find_form, own_words
from pipeline.sources.private.names import (
    LABEL,
    RESPONSE_WORDS,
    SIGNED_LABELS,
    TIE_NAMES,
    TRUTH_WORDS,
    fold_name,
    folded,
)
from pipeline.sources.private.several_fields import endings
from pipeline.sources.private.understood import FIRST_TRUE, NAMES, SECOND_TRUE, TRUTHS, Columns

_HINT = "write its values into source.labels.first, second and tie"


def find_label(finder: Finder, labels: LabelParams) -> str | None:
    """Find the label and how it counts.

    Returns:
        Its form; None where there is no label, or where a fault was noted.
    """
    if not finder.asked("label") and _find_truths(finder):
        return _truth_form(finder)
    if not finder.find("label", LABEL, holds_scalars):
        return None
    columns = finder.fields["label"]
    if not isinstance(columns, str):
        return _asked_truths(finder, columns)
    truth = _truth_of(finder, columns)
    own = own_words(labels)
    values = finder.values(columns)
    if truth is not None and not own:
        finder.why["label"] += f"; true says that the {'second' if truth else 'first'} won"
        return SECOND_TRUE if truth else FIRST_TRUE
    signed = fold_name(columns) in folded(SIGNED_LABELS)
    responses = finder.fields["responses"]
    form, why = find_form(values, columns, signed, own, _most(finder), responses)
    if form is None:
        finder.faults.append(f"source.labels: {why}; {_HINT}")
        return None
    finder.why["label"] += f"; {why}"
    return form


def _most(finder: Finder) -> int:
    responses = finder.fields["responses"]
    if not isinstance(responses, str):
        return len(responses)
    return max((len(value) for value in finder.values(responses) if isinstance(value, list)), default=2)


def _find_truths(finder: Finder) -> bool:
    """Take a truth value of each response, such as ``winner_model_a``, or of one, such as ``a_is_better``."""
    found: dict[int, str] = {}
    for name in finder.names:
        place = _truth_of(finder, name)
        if place is not None and finder.called(fold_name(name)) and holds_scalars(finder.values(name)):
            if place in found:
                finder.unclear("label", [found[place], name])
                return False
            found[place] = name
    if not found:
        return False
    ties = [name for tie in TIE_NAMES for name in finder.called(fold_name(tie))]
    columns = (found[0], found[1], *ties[:1]) if len(found) == 2 else next(iter(found.values()))
    finder.take("label", columns, "named as the truth of a response having won")
    return True


def _truth_form(finder: Finder) -> str:
    columns = finder.fields["label"]
    if not isinstance(columns, str):
        return TRUTHS
    second = _truth_of(finder, columns) == 1
    finder.why["label"] += f"; true says that the {'second' if second else 'first'} won"
    return SECOND_TRUE if second else FIRST_TRUE


def _asked_truths(finder: Finder, columns: tuple[str, ...]) -> str | None:
    if len(columns) == 1:
        finder.faults.append(
            "source.columns.label: found a list of one field, expected a name, or two or three fields"
        )
        return NAMES
    if len(columns) > 3:
        finder.faults.append(
            f"source.columns.label: found {len(columns)} fields, expected two, and one for a tie"
        )
        return None
    return TRUTHS


def _truth_of(finder: Finder, name: str) -> int | None:
    """Which response a field says the truth of, 0 or 1; None if its name does not say so."""
    return _truth_names(finder.fields["responses"]).get(fold_name(name))


@lru_cache(maxsize=8)
def _truth_names(responses: Columns) -> dict[str, int]:
    """Names such as ``a_is_better``, ``is_answer_1_best`` and ``winner_model_b``, by the response's place."""
    columns = ("a", "b") if isinstance(responses, str) else responses
    ends = ("a", "b") if isinstance(responses, str) else endings(columns)
    # A bare number may number anything.
    stems = (*RESPONSE_WORDS, "model", *(() if ends[0].isdigit() else ("",)))
    names: dict[str, int] = {}
    for place, (column, end) in enumerate(zip(columns[:2], ends[:2], strict=True)):
        for subject in (column, *(f"{stem}{end}" for stem in stems)):
            for word in TRUTH_WORDS:
                bare = word.removeprefix("is_")
                for name in (f"{subject}{word}", f"is_{subject}{bare}", f"{word}{subject}"):
                    names[fold_name(name)] = place
    return names
