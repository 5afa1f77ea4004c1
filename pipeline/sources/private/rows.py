"""One raw row of each private kind to its completions: the strict way, which explains what it refuses."""

from __future__ import annotations

from typing import Any

from pipeline.sources.faults import BAD_VALUE
from pipeline.sources.fields import Completion, Parsed, Place, Said
from pipeline.sources.hh_rlhf import transcripts_fault, turns_of
from pipeline.sources.jsonl import Row
from pipeline.sources.pair_rows import DIFFERENT_PROMPTS, LABELS, PROMPTS_DIFFER
from pipeline.sources.private.access import common_beginning, decoded
from pipeline.sources.private.labels import TIE, LabelReader
from pipeline.sources.private.prompts import Side, as_side, field, one, optional, read_prompt, with_asked
from pipeline.sources.private.understood import IMPLICIT, REPEATED, TRANSCRIPT, Layout
from pipeline.sources.private.values import as_name, as_rating, as_score

LABELLED_TIE = "labelled_tie"
NO_COMPLETIONS = "no_completions"


def parse_pairs(row: Row, place: Place, layout: Layout) -> Parsed:
    """A row with a chosen and a rejected response.

    Raises:
        PipelineError: If a field is missing or of the wrong type or value; with file, row and column.
    """
    row = decoded(row, layout.encoded, place)
    columns = {label: str(layout.fields[label]) for label in LABELS}
    values = {label: field(row, columns[label], place, f"the {label} response") for label in LABELS}
    shared = {"source": _source(row, place, layout)}
    if layout.forms.get("chosen") == TRANSCRIPT:
        return _transcripts(
            values, columns, place, shared, [_about(row, place, layout, label) for label in LABELS]
        )
    prompt = optional(row, one(layout, "prompt"))
    if layout.forms.get("chosen") == IMPLICIT:
        prompt, sides = _implicit(values, columns, place)
        row, layout = {**row, "prompt": prompt}, _with_prompt(layout)
    elif layout.forms.get("chosen") == REPEATED:
        sides = [_cut(values[label], prompt, columns[label], place) for label in LABELS]
    else:
        sides = [
            as_side(with_asked(prompt, values[label]), columns[label], place, layout) for label in LABELS
        ]
    completions = _completions(row, place, layout, sides, shared)
    for label, completion in zip(LABELS, completions, strict=True):
        completion.update(_about(row, place, layout, label), label=label)
    return _one_prompt(completions)


def parse_ranking(row: Row, place: Place, layout: Layout, labels: LabelReader | None) -> Parsed:
    """A row of responses with a label that names the best, or with ranks.

    Raises:
        PipelineError: As :func:`parse_pairs`; of a label that is not understood too.
    """
    parsed = parse_completions(row, place, layout)
    if labels is None or parsed.reason == NO_COMPLETIONS:
        return parsed
    models = [completion["model"] for completion in parsed.completions]
    winner = labels.winner(decoded(row, layout.encoded, place), place, models)
    if winner == TIE:
        said = labels.said(row)
        return parsed if parsed.reason else Parsed(parsed.completions, LABELLED_TIE, said)
    for index, completion in enumerate(parsed.completions):
        if len(parsed.completions) == len(LABELS):
            completion["label"] = "chosen" if index == winner else "rejected"
        else:
            completion["overall_score"] = float(index == winner)
    return parsed


def parse_completions(row: Row, place: Place, layout: Layout) -> Parsed:
    """A row of several responses, with scores or ranks where there are any.

    Raises:
        PipelineError: As :func:`parse_pairs`; if there are not as many scores as responses too.
    """
    row = decoded(row, layout.encoded, place)
    values, paths = _several(row, place, layout, "responses")
    shared = {"source": _source(row, place, layout), "label": None}
    if not values:
        prompt = read_prompt(row, place, layout, [])
        return Parsed([{**shared, "prompt": prompt}], NO_COMPLETIONS, "the list of responses is empty")
    prompt = optional(row, one(layout, "prompt"))
    sides = [
        as_side(with_asked(prompt, value), path, place, layout)
        for value, path in zip(values, paths, strict=True)
    ]
    completions = _completions(row, place, layout, sides, shared)
    for role, name, read in (("scores", "overall_score", as_score), ("models", "model", as_name)):
        for completion, (value, path) in zip(
            completions, _beside(row, place, layout, role, sides), strict=True
        ):
            completion[name] = read(value, path, place)
    if "ranks" in layout.fields:
        for completion, (value, path) in zip(
            completions, _beside(row, place, layout, "ranks", sides), strict=True
        ):
            rank = as_score(value, path, place)
            completion["overall_score"] = None if rank is None else -rank
    return _one_prompt(completions)


def parse_single(row: Row, place: Place, layout: Layout) -> Parsed:
    """A row of one response with its rating; rows of one prompt become one row later.

    Raises:
        PipelineError: As :func:`parse_pairs`.
    """
    row = decoded(row, layout.encoded, place)
    column, rating = str(layout.fields["response"]), str(layout.fields["rating"])
    value = field(row, column, place, "the response")
    side = as_side(with_asked(optional(row, one(layout, "prompt")), value), column, place, layout)
    shared = {"source": _source(row, place, layout), "label": None}
    (completion,) = _completions(row, place, layout, [side], shared)
    completion["overall_score"] = as_rating(field(row, rating, place, "the rating"), rating, place)
    model = one(layout, "model")
    completion["model"] = as_name(optional(row, model), model or "", place)
    return Parsed([completion])


# --- what the kinds share -------------------------------------------------------------------------------


def _completions(
    row: Row, place: Place, layout: Layout, sides: list[Side], shared: dict[str, Any]
) -> list[Completion]:
    """The completions; rows repeat a prompt in each conversation, so equal ones are read once."""
    prompts: list[tuple[Any, Any]] = []
    for side in sides:
        if not any(before == side.before for before, _ in prompts):
            prompts.append((side.before, read_prompt(row, place, layout, side.before)))
    return [
        {
            **shared,
            "prompt": next(prompt for before, prompt in prompts if before == side.before),
            "completion": side.text,
        }
        for side in sides
    ]


def _one_prompt(completions: list[Completion]) -> Parsed:
    if any(completion["prompt"] != completions[0]["prompt"] for completion in completions):
        detail = DIFFERENT_PROMPTS if len(completions) == 2 else "the responses answer different prompts"
        return Parsed(completions, PROMPTS_DIFFER, detail)
    return Parsed(completions)


def _source(row: Row, place: Place, layout: Layout) -> str:
    column = one(layout, "source")
    name = as_name(optional(row, column), column or "", place)
    return layout.kind if name is None else name


def _about(row: Row, place: Place, layout: Layout, label: str) -> Completion:
    """Score and model of chosen or rejected."""
    score, model = one(layout, f"{label}_score"), one(layout, f"{label}_model")
    return {
        "overall_score": as_score(optional(row, score), score or "", place),
        "model": as_name(optional(row, model), model or "", place),
    }


def _several(row: Row, place: Place, layout: Layout, role: str) -> tuple[list[Any], list[str]]:
    """The values of a role that has several, and what each is called in an error."""
    columns = layout.fields[role]
    if not isinstance(columns, str):
        return [field(row, column, place, f"one of the {role}") for column in columns], list(columns)
    values = field(row, columns, place, f"a list of {role}")
    if not isinstance(values, list):
        raise place.fault(columns, values, f"a list of {role}")
    head, _, rest = columns.partition(".")
    ends = f".{rest}" if rest and columns not in row else ""
    return values, [f"{head if ends else columns}[{index}]{ends}" for index in range(len(values))]


def _beside(row: Row, place: Place, layout: Layout, role: str, sides: list[Side]) -> list[tuple[Any, str]]:
    """What stands beside each response under a role, with its name; nulls where there is no such role."""
    if role not in layout.fields:
        return [(None, role)] * len(sides)
    columns = layout.fields[role]
    if isinstance(columns, str) and optional(row, columns) is None:
        return [(None, columns)] * len(sides)
    values, paths = _several(row, place, layout, role)
    if len(values) != len(sides):
        found = Said(f"{len(values)} {role} for {len(sides)} responses")
        raise place.fault(str(columns), found, "one for each response", BAD_VALUE)
    return list(zip(values, paths, strict=True))


# --- the prompt within the texts of a pair --------------------------------------------------------------


def _transcripts(
    values: dict[str, Any],
    columns: dict[str, str],
    place: Place,
    shared: dict[str, Any],
    about: list[Completion],
) -> Parsed:
    """Two transcripts; what is none goes to the ledger, as in :func:`pipeline.sources.hh_rlhf.parse`."""
    texts = {}
    for label in LABELS:
        if not isinstance(values[label], str):
            raise place.fault(columns[label], values[label], "a transcript")
        texts[label] = f"\n\n{values[label].lstrip()}"
    turns = {label: turns_of(text) for label, text in texts.items()}
    fault = transcripts_fault(turns)
    completions = [
        {
            **shared,
            **more,
            "label": label,
            "prompt": turns[label][:-1] if fault is None else [],
            "completion": turns[label][-1]["content"] if fault is None else texts[label],
        }
        for label, more in zip(LABELS, about, strict=True)
    ]
    return Parsed(completions) if fault is None else Parsed(completions, *fault)


def _implicit(values: dict[str, Any], columns: dict[str, str], place: Place) -> tuple[str, list[Side]]:
    """The texts' common beginning, up to a space, as the prompt; and what is left of each (as TRL does)."""
    for label in LABELS:
        if not isinstance(values[label], str):
            raise place.fault(columns[label], values[label], "a text that begins with the prompt")
    common = common_beginning(values["chosen"], values["rejected"])
    if any(len(common) == len(values[label]) or not values[label][len(common)].isspace() for label in LABELS):
        common = common[: max((at for at, letter in enumerate(common) if letter.isspace()), default=0)]
    if not common.strip():
        found = Said("two texts without a common beginning")
        raise place.fault(
            columns["chosen"], found, "texts that begin with the same prompt, as in other rows", BAD_VALUE
        )
    sides = [Side([], values[label][len(common) :].lstrip(), columns[label]) for label in LABELS]
    return common, sides


def _with_prompt(layout: Layout) -> Layout:
    return Layout(layout.kind, {**layout.fields, "prompt": "prompt"}, layout.why)


def _cut(value: Any, prompt: Any, column: str, place: Place) -> Side:
    """A response without the prompt it begins with."""
    if value is None:
        return Side([], None, column)
    if not (isinstance(value, str) and isinstance(prompt, str) and value.startswith(prompt)):
        raise place.fault(
            column, value, "a text that begins with the prompt, as in the other rows", BAD_VALUE
        )
    return Side([], value[len(prompt) :].lstrip(), column)
