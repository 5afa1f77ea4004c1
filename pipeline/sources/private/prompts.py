"""The prompt of a private row, and its responses with what stands before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.sources.faults import BAD_CONVERSATION
from pipeline.sources.fields import Place, Said
from pipeline.sources.jsonl import Repeated, Row
from pipeline.sources.private.access import MISSING, value_at
from pipeline.sources.private.messages import (
    Message,
    as_history,
    as_messages,
    check_prompt,
    transcript,
    without_cue,
)
from pipeline.sources.private.understood import TRANSCRIPT, Columns, Layout

_RESPONSE = "a text, or a list of messages that ends in the assistant's"


@dataclass(frozen=True)
class Side:
    """One response of a row.

    Attributes:
        before: The conversation it ends; empty where only the response is given.
        text: The response; null where there is none.
        column: Where it stands, for errors.
    """

    before: list[Message]
    text: str | None
    column: str


def field(row: Row, column: str, place: Place, expected: str) -> Any:
    """A field that must be there; its value may be null.

    Raises:
        PipelineError: If it is not there, or stands there twice.
    """
    value = value_at(row, column)
    if value is MISSING:
        raise place.missing(column, row, expected)
    if isinstance(value, Repeated):
        raise place.fault(column, value, expected)
    return value


def optional(row: Row, column: str | None) -> Any:
    """A field's value; null where it is not there, or where ``column`` is None."""
    value = MISSING if column is None else value_at(row, column)
    return None if value is MISSING else value


def one(layout: Layout, role: str) -> str | None:
    """The one column of a role; None where it has none."""
    columns: Columns | None = layout.fields.get(role)
    return columns if columns is None or isinstance(columns, str) else columns[0]


def read_prompt(row: Row, place: Place, layout: Layout, before: list[Message]) -> list[Message]:
    """The prompt: what stands before the responses, or else the row's own, with system prompt and history.

    Raises:
        PipelineError: If a field of it is missing or of the wrong type, or it is no prompt
            (:func:`~pipeline.sources.private.messages.check_prompt`).
    """
    column = one(layout, "prompt")
    messages = before
    if not before:
        if column is None:
            raise place.fault(
                one(layout, "chosen") or one(layout, "response") or "responses",
                Said("a response with no conversation before it"),
                "the prompt: before the response, or in the field that source.columns.prompt names",
            )
        history = one(layout, "history")
        earlier = as_history(optional(row, history), history or "", place)
        messages = [*earlier, *_own_prompt(row, column, place, layout)]
    system = _system(row, place, layout)
    if system is not None and messages[:1] != [system]:
        messages = [system, *messages]
    return check_prompt(messages, column or one(layout, "chosen") or "prompt", place)


def _own_prompt(row: Row, column: str, place: Place, layout: Layout) -> list[Message]:
    value = field(row, column, place, "the prompt, a text or a list of messages")
    if value is None:
        raise place.fault(column, None, "the prompt, a text or a list of messages")
    if not isinstance(value, str):
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            return [{"role": "user", "content": value[0]}]
        return as_messages(value, column, place)
    if layout.forms.get("prompt") == TRANSCRIPT:
        return transcript(without_cue(value), column, place)
    context = optional(row, one(layout, "context"))
    if context is not None and not isinstance(context, str):
        raise place.fault(str(layout.fields["context"]), context, "a text or null")
    text = f"{value}\n\n{context}" if context and context.strip() else value
    return [{"role": "user", "content": text}]


def _system(row: Row, place: Place, layout: Layout) -> Message | None:
    column = one(layout, "system")
    value = optional(row, column)
    if column is None or value is None or value == "":
        return None
    if not isinstance(value, str):
        raise place.fault(column, value, "the system prompt, a text or null")
    return {"role": "system", "content": value} if value.strip() else None


def as_side(value: Any, column: str, place: Place, layout: Layout) -> Side:
    """A response: a text, a message, or a conversation that it ends.

    Raises:
        PipelineError: If it is none of these, or the last message is not the assistant's.
    """
    if value is None or isinstance(value, str):
        after_cue = layout.forms.get("prompt") == TRANSCRIPT
        return Side([], value.removeprefix(" ") if value and after_cue else value, column)
    if not isinstance(value, list | dict) or not value:
        raise place.fault(column, value, _RESPONSE)
    messages = as_messages(value, column, place)
    last = messages[-1]
    if last["role"] != "assistant":
        found = Said(f"a last message of the {last['role']}")
        raise place.fault(
            column, found, "a conversation that ends with the assistant's message", BAD_CONVERSATION
        )
    return Side(messages[:-1], last["content"], column)


def with_asked(prompt: Any, value: Any) -> Any:
    """A list of responses, one a turn, as a conversation with the list of prompts they answer.

    Anything else is given back as it is.
    """
    if not (_texts(prompt) and isinstance(value, list) and len(value) == len(prompt) and value):
        return value
    if any(item is not None and not isinstance(item, str) for item in value):
        return value
    turns = zip(prompt, value, strict=True)
    return [
        {"role": role, "content": text}
        for asked, answer in turns
        for role, text in (("user", asked), ("assistant", answer))
    ]


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
