"""Texts as ids and as comparison keys. Folding is for comparing only: no table holds a folded text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import polars as pl

from pipeline.files import canonical_json, content_id

# What str.split takes for whitespace; the regex engine behind Polars leaves the four separators out of \s.
_WHITESPACE = r"[\s\x1c-\x1f]+"


def fold_text(text: str) -> str:
    """The text as comparisons see it: NFKC, case folded, each run of whitespace one space, none outside."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(_WHITESPACE, " ", folded).strip(" ")


def fold(text: pl.Expr) -> pl.Expr:
    """:func:`fold_text` as an expression on a column of strings."""
    letters, folded = _case_folding()
    return (
        text.str.normalize("NFKC")
        .str.replace_many(letters, folded)
        .str.replace_all(_WHITESPACE, " ")
        .str.strip_chars(" ")
    )


@lru_cache(maxsize=1)
def _case_folding() -> tuple[list[str], list[str]]:
    """Every letter that case folding changes, and what it becomes; Polars itself only knows lower case."""
    letters = [letter for letter in map(chr, range(0x20000)) if letter.casefold() != letter]
    return letters, [letter.casefold() for letter in letters]


def is_blank(text: pl.Expr) -> pl.Expr:
    """Whether a text is null or nothing but whitespace."""
    return text.is_null() | (text.str.replace_all(_WHITESPACE, "").str.len_bytes() == 0)


def conversation(prompt: pl.Expr) -> pl.Expr:
    """The texts of a conversation's messages, one per line, without the roles."""
    return prompt.list.eval(pl.element().struct.field("content")).list.join("\n")


def prompt_keys(prompts: pl.Series) -> pl.Series:
    """Each conversation as canonical JSON, roles included: what prompt and pair ids are made of."""
    return pl.Series(prompts.name, [canonical_json(prompt) for prompt in prompts.to_list()], dtype=pl.String)


def content_ids(*columns: pl.Series) -> pl.Series:
    """:func:`~pipeline.files.content_id` row by row over columns of strings.

    Polars has a hash of its own, but does not promise that it stays the same from version to version.
    """
    rows = zip(*(column.to_list() for column in columns), strict=True)
    return pl.Series("id", [content_id(*parts) for parts in rows], dtype=pl.String)


def unit_interval(ids: pl.Expr) -> pl.Expr:
    """Content ids as numbers spread evenly over [0, 1]."""
    return ids.str.to_integer(base=16, dtype=pl.UInt64).cast(pl.Float64) / 2.0**64
