"""Rows that are pairs already (prompt, chosen, rejected) to two labelled completions each.

The responses are strings, or lists of messages that end in the assistant's; what stands before that message
is then the prompt. Datasets of this shape differ in the names of their fields: :class:`PairFields`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import polars as pl
import pyarrow as pa

from pipeline.sources.columns import (
    canonical_constraints,
    has_faulty_message,
    has_faulty_order,
    is_no_number,
    user_prompt,
)
from pipeline.sources.faults import BAD_CONVERSATION, WRONG_TYPE
from pipeline.sources.fields import (
    Parsed,
    Place,
    as_constraint,
    as_optional_number,
    as_optional_text,
    required,
)
from pipeline.sources.jsonl import Row
from pipeline.sources.messages import Messages, as_message, as_messages, check_order
from pipeline.sources.shapes import MESSAGE_LIST, NUMBER, OBJECT, TEXT, Shape, as_records

LABELS = ("chosen", "rejected")
PROMPTS_DIFFER = "prompts_differ"
DIFFERENT_PROMPTS = "chosen and rejected answer different prompts"

_SHAPE = "a string, or a list of messages (role, content) that ends in the assistant's"


@dataclass(frozen=True)
class PairFields:
    """What a dataset calls the fields of a pair.

    Attributes:
        kind: The source a row has that names none.
        prompt: The prompt, a string or a list of messages; not read where both responses hold it.
        responses: The responses, by label.
        scores: Their scores, by label; may be null or missing.
        models: Who wrote them, by label; may be null or missing.
        source: The part of the dataset a row comes from; may be null or missing.
        constraint: What code can check of the responses; may be null or missing. None: not read.
    """

    kind: str
    prompt: str
    responses: dict[str, str]
    scores: dict[str, str]
    models: dict[str, str]
    source: str = "source"
    constraint: str | None = "constraint"


# --- row by row -----------------------------------------------------------------------------------------


def parse_pair(row: Row, place: Place, fields: PairFields) -> Parsed:
    """Read one row that is a pair.

    The responses must be there, and the prompt unless both are conversations that hold it. Scores, models,
    ``source`` and ``constraint`` may be null or missing. A row whose two responses answer different prompts
    has no pair to give.

    Raises:
        PipelineError: If a field is missing or of the wrong type; with file, row and column.
    """
    sides = {label: _side(row, fields.responses[label], place) for label in LABELS}
    prompts = {label: prompt or _prompt(row, fields.prompt, place) for label, (prompt, _) in sides.items()}
    source = as_optional_text(row.get(fields.source), fields.source, place)
    asked = fields.constraint
    constraint = None if asked is None else as_constraint(row.get(asked), asked, place)
    completions = [
        {
            "source": fields.kind if source is None else source,
            "prompt": prompts[label],
            "completion": response,
            "model": _optional_text(row, fields.models.get(label), place),
            "overall_score": as_optional_number(row.get(fields.scores[label]), fields.scores[label], place),
            "label": label,
            "constraint": constraint,
        }
        for label, (_, response) in sides.items()
    ]
    if prompts["chosen"] != prompts["rejected"]:
        return Parsed(completions, PROMPTS_DIFFER, DIFFERENT_PROMPTS)
    return Parsed(completions)


def _optional_text(row: Row, column: str | None, place: Place) -> str | None:
    return None if column is None else as_optional_text(row.get(column), column, place)


def _prompt(row: Row, column: str, place: Place) -> Messages:
    value = required(row, column, place, "the prompt, a string or a list of messages")
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    messages = as_messages(value, column, place)
    if not messages:
        raise place.fault(column, value, "a string or a list of at least one message", BAD_CONVERSATION)
    check_order(messages, column, place)
    return messages


def _side(row: Row, column: str, place: Place) -> tuple[Messages, str | None]:
    """The conversation before a response (empty where only the response is given), and the response."""
    value = required(row, column, place, _SHAPE)
    if value is None or isinstance(value, str):
        return [], value
    if not isinstance(value, list) or not value:
        raise place.fault(column, value, _SHAPE, BAD_CONVERSATION if value == [] else WRONG_TYPE)
    path = f"{column}[{len(value) - 1}]"
    last = as_message(value[-1], path, place)
    if last["role"] != "assistant":
        raise place.fault(f"{path}.role", last["role"], "assistant, as the last message", BAD_CONVERSATION)
    response = as_optional_text(last["content"], f"{path}.content", place)
    before = as_messages(value[:-1], column, place)
    if before:
        check_order(before, column, place)
    return before, response


# --- block by block -------------------------------------------------------------------------------------


def pair_shapes(
    fields: PairFields, null: str | None = None, not_null: str | None = None
) -> tuple[Shape, ...]:
    """The shapes of such rows: prompt and responses each as texts or as lists of messages.

    Args:
        fields: What the fields are called.
        null: A text field that is null in rows of this shape, and by which those of another are known.
        not_null: A text field that is not null in rows of this shape.
    """
    return tuple(
        _shape(fields, prompt, response, null, not_null)
        for response in (MESSAGE_LIST, TEXT)
        for prompt in (TEXT, MESSAGE_LIST)
    )


def _shape(
    fields: PairFields, prompt: pa.DataType, response: pa.DataType, null: str | None, not_null: str | None
) -> Shape:
    types = {
        fields.prompt: prompt,
        **dict.fromkeys(fields.responses.values(), response),
        **dict.fromkeys(fields.scores.values(), NUMBER),
        **dict.fromkeys(fields.models.values(), TEXT),
        fields.source: TEXT,
        **({} if fields.constraint is None else {fields.constraint: OBJECT}),
        **({} if null is None else {null: TEXT}),
    }
    must_be = {*fields.responses.values()}
    if response.equals(TEXT):
        must_be.add(fields.prompt)
    for name in (*fields.responses.values(), fields.prompt):
        if types[name].equals(MESSAGE_LIST):
            must_be |= {f"{name}.role", f"{name}.content"}
    convert = partial(
        _records,
        fields=fields,
        has_messages=response.equals(MESSAGE_LIST),
        has_prompt_messages=prompt.equals(MESSAGE_LIST),
        null=null,
        not_null=not_null,
    )
    return Shape(pa.schema(list(types.items())), convert, frozenset(must_be))


def _records(
    frame: pl.DataFrame,
    null_may_be_missing: bool,
    fields: PairFields,
    has_messages: bool,
    has_prompt_messages: bool,
    null: str | None,
    not_null: str | None,
) -> pl.DataFrame:
    """Records of a block; see :class:`~pipeline.sources.shapes.Shape`."""
    given = pl.col(fields.prompt)
    own_prompt = given if has_prompt_messages else user_prompt(given)
    side = _message_side if has_messages else _text_side
    sides = {label: side(pl.col(fields.responses[label]), null_may_be_missing) for label in LABELS}
    prompts = {
        label: pl.when(before.list.len() > 0).then(before).otherwise(own_prompt)
        for label, (before, _, _) in sides.items()
    }
    needs_own_prompt = pl.any_horizontal(before.list.len() == 0 for before, _, _ in sides.values())
    no_constraint = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
    given_constraint = no_constraint if fields.constraint is None else frame[fields.constraint]
    constraints = canonical_constraints(given_constraint)
    is_faulty = (
        pl.any_horizontal(is_faulty for _, _, is_faulty in sides.values())
        | pl.any_horizontal(is_no_number(pl.col(*fields.scores.values())))
        | (given_constraint.is_not_null() & constraints.is_null())
        | (needs_own_prompt & _is_no_prompt(own_prompt, has_prompt_messages))
    )
    if null is not None:
        is_faulty |= pl.col(null).is_not_null()
    if not_null is not None:
        is_faulty |= pl.col(not_null).is_null()
    differs = prompts["chosen"].ne_missing(prompts["rejected"])
    shared: list[pl.Expr | pl.Series] = [
        pl.col("row"),
        pl.col(fields.source).fill_null(fields.kind).alias("source"),
        constraints.alias("constraint"),
        is_faulty.fill_null(True).alias("is_faulty"),
        pl.when(differs).then(pl.lit(PROMPTS_DIFFER)).alias("reason"),
        pl.when(differs).then(pl.lit(DIFFERENT_PROMPTS)).alias("detail"),
    ]
    records = [
        frame.select(
            *shared,
            pl.lit(index).alias("completion_index"),
            pl.lit(label).alias("label"),
            prompts[label].alias("prompt"),
            sides[label][1].alias("completion"),
            pl.col(fields.scores[label]).alias("overall_score"),
            (pl.col(fields.models[label]) if label in fields.models else pl.lit(None)).alias("model"),
        )
        for index, label in enumerate(LABELS)
    ]
    whole = pl.concat([as_records(part, pl.col("is_faulty")) for part in records])
    return whole.sort("row", maintain_order=True)


def _is_no_prompt(prompt: pl.Expr, is_messages: bool) -> pl.Expr:
    if not is_messages:
        return prompt.is_null()
    is_empty = prompt.list.len() == 0
    return prompt.is_null() | is_empty | has_faulty_message(prompt) | has_faulty_order(prompt)


def _text_side(response: pl.Expr, null_may_be_missing: bool) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """The conversation before a response (none), the response, and whether the strict way must look."""
    before = pl.lit([], dtype=pl.List(pl.Struct({"role": pl.String, "content": pl.String})))
    return before, response, response.is_null() if null_may_be_missing else pl.lit(False)


def _message_side(messages: pl.Expr, null_may_be_missing: bool) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """As :func:`_text_side`, of conversations that end in the response."""
    last = messages.list.last()
    response = last.struct.field("content")
    before = messages.list.slice(0, (messages.list.len().cast(pl.Int64) - 1).clip(0))
    is_faulty = (
        messages.is_null()
        | (messages.list.len() == 0)
        | last.is_null()
        | (last.struct.field("role") != "assistant").fill_null(True)
        | has_faulty_message(before)
        | has_faulty_order(before)
    )
    return before, response, is_faulty | response.is_null() if null_may_be_missing else is_faulty
