"""Rows that are pairs already (prompt, chosen, rejected) to two labelled completions each.

The responses are strings, or lists of messages that end in the assistant's (the shape of
HuggingFaceH4/ultrafeedback_binarized); what stands before that message is then the prompt.
"""

from __future__ import annotations

from typing import Any

from pipeline.sources.fields import (
    Parsed,
    Place,
    as_constraint,
    as_optional_number,
    as_optional_text,
    as_text,
    required,
)
from pipeline.sources.jsonl import Row

KIND = "ultrafeedback_binarized"
PROMPTS_DIFFER = "prompts_differ"

Messages = list[dict[str, str]]
_SHAPE = "a string, or a list of messages (role, content) that ends in the assistant's"


def parse(row: Row, place: Place) -> Parsed:
    """Read one row that is a pair.

    ``chosen`` and ``rejected`` must be there, and ``prompt`` unless both are conversations that hold it.
    ``score_chosen``, ``score_rejected``, ``source`` and ``constraint`` may be null or missing. A row whose
    two responses answer different prompts has no pair to give.

    Raises:
        PipelineError: If a field is missing or of the wrong type; with file, row and column.
    """
    sides = {label: _side(row, label, place) for label in ("chosen", "rejected")}
    prompts = {label: prompt or _prompt(row, place) for label, (prompt, _) in sides.items()}
    if prompts["chosen"] != prompts["rejected"]:
        return Parsed([], PROMPTS_DIFFER, "chosen and rejected answer different prompts")
    source = as_optional_text(row.get("source"), "source", place)
    constraint = as_constraint(row.get("constraint"), "constraint", place)
    return Parsed(
        [
            {
                "source": KIND if source is None else source,
                "prompt": prompts[label],
                "completion": response,
                "overall_score": as_optional_number(row.get(f"score_{label}"), f"score_{label}", place),
                "label": label,
                "constraint": constraint,
            }
            for label, (_, response) in sides.items()
        ]
    )


def _prompt(row: Row, place: Place) -> Messages:
    value = required(row, "prompt", place, "the prompt, a string or a list of messages")
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    messages = _messages(value, "prompt", place)
    if not messages:
        raise place.fault("prompt", value, "a string or a list of at least one message")
    return messages


def _side(row: Row, label: str, place: Place) -> tuple[Messages, str | None]:
    """The conversation before a response (empty where only the response is given), and the response."""
    value = required(row, label, place, _SHAPE)
    if value is None or isinstance(value, str):
        return [], value
    if not isinstance(value, list) or not value:
        raise place.fault(label, value, _SHAPE)
    last = _message(value[-1], f"{label}[{len(value) - 1}]", place)
    if last["role"] != "assistant":
        raise place.fault(f"{label}[{len(value) - 1}].role", last["role"], "assistant, as the last message")
    path = f"{label}[{len(value) - 1}].content"
    return _messages(value[:-1], label, place), as_optional_text(last["content"], path, place)


def _messages(value: Any, path: str, place: Place) -> Messages:
    if not isinstance(value, list):
        raise place.fault(path, value, "a string or a list of messages")
    messages = [_message(item, f"{path}[{index}]", place) for index, item in enumerate(value)]
    for index, message in enumerate(messages):
        as_text(message["content"], f"{path}[{index}].content", place)
    return messages


def _message(item: Any, path: str, place: Place) -> dict[str, Any]:
    """One message's role and content; its other fields are left out."""
    if not isinstance(item, dict):
        raise place.fault(path, item, "a message with role and content")
    role = as_text(required(item, "role", place, "who speaks", f"{path}.role"), f"{path}.role", place)
    if role not in ("system", "user", "assistant"):
        raise place.fault(f"{path}.role", role, "system, user or assistant")
    return {"role": role, "content": required(item, "content", place, "the text", f"{path}.content")}
