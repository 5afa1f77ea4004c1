"""Expressions that the fast ways of several adapters share."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.errors import PipelineError
from pipeline.schema import MESSAGES
from pipeline.sources.fields import Place, as_constraint
from pipeline.sources.jsonl import parse_object
from pipeline.sources.messages import ROLES


def user_prompt(text: pl.Expr) -> pl.Expr:
    """A conversation of one user message; null for a null text."""
    message = pl.struct(pl.lit("user").alias("role"), text.alias("content"))
    return pl.when(text.is_not_null()).then(pl.concat_list(message)).otherwise(None).cast(MESSAGES)


def is_no_number(number: pl.Expr) -> pl.Expr:
    """Whether a number is infinite or not a number; false for null."""
    return ~number.is_finite().fill_null(True)


def has_faulty_message(messages: pl.Expr) -> pl.Expr:
    """Whether a conversation holds an unknown role or a null; null for a null conversation."""
    role, content = pl.element().struct.field("role"), pl.element().struct.field("content")
    is_faulty = content.is_null() | ~role.is_in(ROLES).fill_null(False)
    return messages.list.eval(is_faulty).list.any()


def has_faulty_order(messages: pl.Expr) -> pl.Expr:
    """Whether a conversation is in an order that ``check_order`` refuses; false for an empty one."""
    roles = messages.list.eval(pl.element().struct.field("role"))
    has_late_system = roles.list.slice(1).list.contains("system")
    return (messages.list.len() > 0) & (has_late_system | (roles.list.last() != "user")).fill_null(True)


def canonical_constraints(texts: pl.Series) -> pl.Series:
    """Constraints in canonical JSON, as :func:`~pipeline.sources.fields.as_constraint` gives them.

    Constraints recur, so each distinct text is read once.

    Args:
        texts: JSON texts of objects, or null.

    Returns:
        A text per row; null where there is none or where it has to be refused.
    """
    distinct = texts.drop_nulls().unique(maintain_order=True)
    canonical = pl.Series([_canonical(text) for text in distinct], dtype=pl.String)
    return texts.replace_strict(distinct, canonical, default=None, return_dtype=pl.String)


def _canonical(text: str) -> str | None:
    try:
        return as_constraint(parse_object(text), "constraint", Place(Path(), 0))
    except (ValueError, RecursionError, PipelineError):
        return None
