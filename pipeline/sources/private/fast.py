"""Plain private pairs block by block: what the shapes of known datasets read, under any names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import polars as pl

from pipeline.sources.pair_rows import LABELS, PairFields, pair_shapes
from pipeline.sources.private.understood import Layout
from pipeline.sources.shapes import Shape
from pipeline.texts import is_blank

_UNREAD = "\uf8ff"
"""Begins the name of a column that a layout does not have: a character for private use, and no NUL, at which
Arrow cuts names."""

_MORE = ("system", "context", "history")


def plain_pair_shapes(layout: Layout) -> tuple[Shape, ...]:
    """The shapes of a layout of pairs; none where texts need more than to be copied.

    Rows of which the strict way would say more (a prompt that is none, other roles than the templates') are
    doubtful, and so left to it.
    """
    columns = [columns for columns in layout.fields.values() if isinstance(columns, str)]
    is_plain = not layout.forms and not layout.encoded and not any(role in layout.fields for role in _MORE)
    if not is_plain or any("." in column for column in columns) or len(set(columns)) < len(columns):
        return ()
    fields = PairFields(
        kind=layout.kind,
        prompt=str(layout.fields.get("prompt", _UNREAD)),
        responses={label: str(layout.fields[label]) for label in LABELS},
        scores={label: str(layout.fields.get(f"{label}_score", f"{_UNREAD}{label}")) for label in LABELS},
        models={
            label: str(layout.fields[f"{label}_model"])
            for label in LABELS
            if f"{label}_model" in layout.fields
        },
        source=str(layout.fields.get("source", f"{_UNREAD}source")),
        constraint=None,
    )
    return tuple(replace(shape, convert=partial(_converted, shape=shape)) for shape in pair_shapes(fields))


def _converted(frame: pl.DataFrame, null_may_be_missing: bool, shape: Shape) -> pl.DataFrame:
    """The shape's records; doubtful too where the prompt would be refused."""
    records = shape.convert(frame, null_may_be_missing)
    role, content = pl.element().struct.field("role"), pl.element().struct.field("content")
    prompt = pl.col("prompt")
    is_system = prompt.list.eval(role == "system").list.sum()
    has_text = prompt.list.eval((role != "system") & ~is_blank(content)).list.any()
    is_no_prompt = (
        (prompt.list.last().struct.field("role") != "user")
        | ~has_text
        | (is_system > 1)
        | ((is_system == 1) & (prompt.list.first().struct.field("role") != "system"))
    )
    return records.with_columns(doubtful=pl.col("doubtful") | is_no_prompt.fill_null(True))
