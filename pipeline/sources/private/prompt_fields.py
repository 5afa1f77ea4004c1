"""Finds the prompt of any kind: the text or conversation, system prompt, context, history and source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.sources.private.finder import Finder, holds_lists, holds_names, holds_text
from pipeline.sources.private.messages import is_messages
from pipeline.sources.private.names import (
    ALPACA_CONTEXT,
    ALPACA_PROMPT,
    CONVERSATIONS,
    HISTORY,
    PROMPT,
    SOURCE,
    SYSTEM,
    fold_name,
)


def find_prompt(finder: Finder, is_inside: bool) -> None:
    """Find the prompt and what belongs to it.

    Args:
        finder: Has found the responses.
        is_inside: Whether every response is a conversation that holds its prompt, so that none is needed.
    """
    finder.find_optional("system", SYSTEM, _holds_strings)
    _find_context(finder)
    before = len(finder.faults)
    if is_inside and not finder.asked("prompt"):
        finder.why["prompt"] = "each response is a conversation that holds it"
    else:
        finder.find("prompt", PROMPT, holds_text)
    if is_inside:
        del finder.faults[before:]
    finder.find_optional("history", HISTORY, holds_lists)
    finder.find_optional("source", SOURCE, holds_names)
    _say_what_is_left(finder)


def _holds_strings(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)


def _find_context(finder: Finder) -> None:
    """Alpaca's ``input``, where ``instruction`` is the prompt."""
    if finder.asked("context"):
        return
    asked = finder.asked("prompt")
    is_alpaca = (
        fold_name(str(finder.fields["prompt"])) == ALPACA_PROMPT
        if asked
        else any(holds_text(finder.values(name)) for name in finder.called(ALPACA_PROMPT))
    )
    if not is_alpaca:
        return
    for name in finder.names:
        is_named = fold_name(name) == ALPACA_CONTEXT and finder.is_free(name)
        if is_named and all(isinstance(value, str) for value in finder.values(name)):
            finder.take("context", name, f"`{name}` beside `{ALPACA_PROMPT}` is its context, as in Alpaca")


def _say_what_is_left(finder: Finder) -> None:
    """Note fields that may be a part of the prompt and are not read."""
    if "prompt" not in finder.fields:
        return
    for name in finder.unread():
        folded = fold_name(name)
        if folded in map(fold_name, (*CONVERSATIONS, *PROMPT[1])) and holds_text(finder.values(name)):
            is_text = not any(is_messages(value) for value in finder.values(name))
            how = f"; if it belongs under the prompt, set source.columns.context: {name}" if is_text else ""
            finder.notes.append(f"`{name}` is not read{how}.")
