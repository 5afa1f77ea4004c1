"""One kind at a time: which fields it needs, and what of them is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.params import ColumnsParams, LabelParams
from pipeline.sources.jsonl import Row
from pipeline.sources.pair_rows import LABELS
from pipeline.sources.private.finder import Finder, holds_lists, holds_names, holds_scalars, holds_text
from pipeline.sources.private.forms import holds_conversations, pair_form, prompt_form
from pipeline.sources.private.label_fields import find_label
from pipeline.sources.private.messages import is_messages
from pipeline.sources.private.names import CONVERSATIONS, MODEL_WORDS, RATING, RESPONSE
from pipeline.sources.private.pair_fields import find_pair_fields
from pipeline.sources.private.prompt_fields import find_prompt
from pipeline.sources.private.several_fields import find_responses
from pipeline.sources.private.understood import ULTRAFEEDBACK, Columns

_SHARED = ("prompt", "system", "context", "history", "source")
ROLES = {
    "pairs": (*_SHARED, *LABELS, *(f"{label}_{what}" for what in ("score", "model") for label in LABELS)),
    "completions": (*_SHARED, "responses", "scores", "models"),
    "ranking": (*_SHARED, "responses", "label", "ranks", "scores", "models"),
    "rated_single": (*_SHARED, "response", "rating", "model"),
}
"""The roles of ``source.columns`` that each kind reads."""


@dataclass(frozen=True)
class Trial:
    """The first rows taken for one kind.

    Attributes:
        kind: The kind.
        finder: What was found, and what is wrong or missing.
        forms: See :attr:`~pipeline.sources.private.understood.Layout.forms`.
    """

    kind: str
    finder: Finder
    forms: dict[str, str]


def try_kind(kind: str, rows: list[Row], columns: ColumnsParams, labels: LabelParams) -> Trial:
    """Take rows for one kind."""
    finder = Finder(rows, columns)
    finder.refuse_others(kind, ROLES[kind])
    if kind != "ranking" and any(labels.model_dump().values()):
        finder.faults.append(f"source.labels: source.kind {kind} has no labels, expected [] everywhere")
    forms: dict[str, str] = {}
    {"pairs": _pairs, "completions": _completions, "ranking": _ranking, "rated_single": _single}[kind](
        finder, forms, labels
    )
    for role in ROLES[kind]:
        finder.asked(role)
    return Trial(kind, finder, forms)


def _pairs(finder: Finder, forms: dict[str, str], labels: LabelParams) -> None:
    find_pair_fields(finder)
    if not set(LABELS) <= set(finder.fields):
        return
    sides = [value for label in LABELS for value in finder.values(str(finder.fields[label]))]
    find_prompt(finder, holds_conversations(sides))
    _note_form(forms, "prompt", prompt_form(finder))
    _note_form(forms, "chosen", pair_form(finder))


def _completions(finder: Finder, forms: dict[str, str], labels: LabelParams) -> None:
    find_responses(finder, ("scores", "models"))
    if "responses" not in finder.fields:
        return
    if "scores" not in finder.fields:
        finder.missing.append("a score for each response (a label or ranks are source.kind: ranking)")
    _prompt_of_several(finder, forms)
    if _is_ultrafeedback(finder):
        forms["responses"] = ULTRAFEEDBACK


def _ranking(finder: Finder, forms: dict[str, str], labels: LabelParams) -> None:
    find_responses(finder, ("scores", "ranks", "models"))
    if "responses" not in finder.fields:
        return
    form = find_label(finder, labels)
    _note_form(forms, "label", form)
    if "label" in finder.fields and "ranks" in finder.fields:
        finder.unclear("label", [str(finder.fields["label"]), str(finder.fields["ranks"])])
    if not {"label", "ranks"} & set(finder.fields):
        finder.missing.append("a label that names the winner, or ranks (scores are source.kind: completions)")
    _prompt_of_several(finder, forms)


def _prompt_of_several(finder: Finder, forms: dict[str, str]) -> None:
    values = [value for column in _each(finder.fields["responses"]) for value in finder.values(column)]
    if isinstance(finder.fields["responses"], str):
        values = [item for value in values if isinstance(value, list) for item in value]
    is_inside = all(is_messages(value) for value in values) and holds_conversations(values)
    find_prompt(finder, is_inside)
    if not is_inside and "prompt" not in finder.fields:
        finder.missing.append("the prompt")
    _note_form(forms, "prompt", prompt_form(finder))


def _single(finder: Finder, forms: dict[str, str], labels: LabelParams) -> None:
    finder.find("rating", RATING, holds_scalars)
    if not finder.find("response", RESPONSE, holds_text):
        # The response may end a conversation, as in rows for KTO.
        finder.find("response", (CONVERSATIONS,), _end_in_a_response)
    finder.find_optional("model", MODEL_WORDS, holds_names)
    for role, said in (("response", "the response"), ("rating", "its rating (a score, label or thumbs)")):
        if role not in finder.fields:
            finder.missing.append(said)
    if "response" not in finder.fields:
        return
    is_inside = holds_conversations(finder.values(str(finder.fields["response"])))
    find_prompt(finder, is_inside)
    if not is_inside and "prompt" not in finder.fields:
        finder.missing.append("the prompt")
    _note_form(forms, "prompt", prompt_form(finder))


def _end_in_a_response(values: Sequence[Any]) -> bool:
    return holds_lists(values) and holds_conversations([value for value in values if isinstance(value, list)])


def _note_form(forms: dict[str, str], role: str, form: str | None) -> None:
    if form is not None:
        forms[role] = form


def _each(columns: Columns) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns


def _is_ultrafeedback(finder: Finder) -> bool:
    """Whether rows are UltraFeedback's own, with ratings of aspects, which a reader of its own knows."""
    is_named = (
        finder.fields["responses"] == "completions.response" and finder.fields.get("prompt") == "instruction"
    )
    found = set(finder.why.values())
    return (
        is_named
        and "named in source.columns" not in found
        and finder.fields.get("scores") == "completions.overall_score"
        and finder.fields.get("models") == "completions.model"
        and not {"system", "context", "history"} & set(finder.fields)
        and all(_has_annotations(row) for row in finder.rows)
    )


def _has_annotations(row: Row) -> bool:
    items = row.get("completions")
    return (
        isinstance(row.get("source"), str)
        and isinstance(items, list)
        and all(isinstance(item, dict) and isinstance(item.get("annotations"), dict) for item in items)
    )
