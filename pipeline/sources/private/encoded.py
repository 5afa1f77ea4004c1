"""Finds columns whose cells hold lists or messages as JSON text, as CSV files must."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pipeline.errors import PipelineError
from pipeline.params import ColumnsParams
from pipeline.sources.jsonl import Row
from pipeline.sources.private.access import MISSING, json_of
from pipeline.sources.private.messages import is_messages, speaker_key
from pipeline.sources.private.names import (
    HISTORY,
    LISTS,
    MODEL_WORDS,
    PROMPT,
    RANK_WORDS,
    SCORE_WORDS,
    fold_name,
)

_PYTHON = re.compile(r"\s*\[?\{'(?:role|content|from|value)'\s*:")

_LIST_NAMES = frozenset(
    f"{fold_name(word)}{end}"
    for tiers in (LISTS, SCORE_WORDS, RANK_WORDS, MODEL_WORDS, HISTORY)
    for tier in tiers
    for word in tier
    for end in ("", "s")
)
_LIST_ROLES = ("responses", "scores", "ranks", "models")


def encoded_columns(rows: Sequence[Row], columns: ColumnsParams, file: Any) -> frozenset[str]:
    """The top-level columns most of whose texts are JSON that stands for lists or messages.

    A text that happens to be JSON stays a text: only messages count, lists in columns that are named or
    mapped as lists, and lists of texts that have, row by row, as many items as a list of prompts.

    Raises:
        PipelineError: If a column holds Python lists of messages written as text.
    """
    asked = columns.model_dump(exclude_none=True)
    wanted = {str(asked[role]).partition(".")[0] for role in _LIST_ROLES if isinstance(asked.get(role), str)}
    read = {name: _read(rows, name, file) for name in dict.fromkeys(name for row in rows for name in row)}
    found = {name for name, values in read.items() if values and _counts(name, values, wanted)}
    return frozenset(found | _turn_lists(read, asked))


def _read(rows: Sequence[Row], name: str, file: Any) -> dict[int, Any]:
    """The JSON values of a column by row, if most of its texts are lists or objects; else nothing."""
    texts = {
        place: row[name]
        for place, row in enumerate(rows)
        if isinstance(row.get(name), str) and row[name].strip()
    }
    if not texts:
        return {}
    if 2 * sum(_PYTHON.match(text) is not None for text in texts.values()) > len(texts):
        raise PipelineError(
            "A column holds Python lists written as text, not JSON",
            file=file,
            column=name,
            found=next(iter(texts.values())),
            expected='messages as JSON, such as [{"role": "user", "content": "..."}]',
            hint="Write the column with json.dumps, or write the rows as JSON Lines or Parquet",
        )
    read = {place: value for place, text in texts.items() if (value := json_of(text)) is not MISSING}
    return read if 2 * len(read) > len(texts) else {}


def _counts(name: str, values: dict[int, Any], wanted: set[str]) -> bool:
    if 2 * sum(is_messages(value) or speaker_key(value) is not None for value in values.values()) > len(
        values
    ):
        return True
    is_list = 2 * sum(isinstance(value, list) for value in values.values()) > len(values)
    return is_list and (name in wanted or fold_name(name) in _LIST_NAMES)


def _turn_lists(read: dict[str, dict[int, Any]], asked: dict[str, Any]) -> set[str]:
    """A list of prompts, one a turn, and the lists of responses that go with it."""
    names = {fold_name(word) for tier in PROMPT for word in tier}
    for prompt, values in read.items():
        if not values or not (fold_name(prompt) in names or asked.get("prompt") == prompt):
            continue
        lengths = {place: len(value) for place, value in values.items() if _texts(value)}
        beside = {
            name
            for name, others in read.items()
            if name != prompt
            and others
            and all(_texts(value) and lengths.get(place) == len(value) for place, value in others.items())
        }
        if len(lengths) == len(values) and beside:
            return {prompt, *beside}
    return set()


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(item is None or isinstance(item, str) for item in value)
