"""Conversations as lists of messages, read strictly: who may speak, and in what order."""

from __future__ import annotations

from typing import Any

from pipeline.sources.faults import BAD_CONVERSATION, UNKNOWN_ROLE
from pipeline.sources.fields import Place, as_text, required

ROLES = ("system", "user", "assistant")

Messages = list[dict[str, str]]


def as_message(item: Any, path: str, place: Place) -> dict[str, Any]:
    """One message's role and content, which may be null; its other fields are left out.

    Raises:
        RowFault: If it is no object with a known role and a content.
    """
    if not isinstance(item, dict):
        raise place.fault(path, item, "a message with role and content")
    role = as_text(required(item, "role", place, "who speaks", f"{path}.role"), f"{path}.role", place)
    if role not in ROLES:
        raise place.fault(f"{path}.role", role, "system, user or assistant", UNKNOWN_ROLE)
    return {"role": role, "content": required(item, "content", place, "the text", f"{path}.content")}


def as_messages(value: Any, path: str, place: Place) -> Messages:
    """A list of messages whose contents are texts; it may be empty.

    Raises:
        RowFault: If it is anything else.
    """
    if not isinstance(value, list):
        raise place.fault(path, value, "a string or a list of messages")
    messages = [as_message(item, f"{path}[{index}]", place) for index, item in enumerate(value)]
    for index, message in enumerate(messages):
        as_text(message["content"], f"{path}[{index}].content", place)
    return messages


def check_order(prompt: Messages, path: str, place: Place) -> None:
    """Refuse a conversation that no chat template can put before a response.

    A system message stands at the beginning or nowhere, and the last message, which the response answers, is
    the user's. Users and assistants need not alternate in between.

    Args:
        prompt: At least one message.
        path: The full name of the field that holds them, for the error.
        place: Where the row stands.

    Raises:
        RowFault: If it is otherwise.
    """
    for index, message in enumerate(prompt[1:], start=1):
        if message["role"] == "system":
            expected = "user or assistant, as a system message can only be the first"
            raise place.fault(f"{path}[{index}].role", "system", expected, BAD_CONVERSATION)
    last = len(prompt) - 1
    if prompt[last]["role"] != "user":
        expected = "user, as the message that the response answers"
        raise place.fault(f"{path}[{last}].role", prompt[last]["role"], expected, BAD_CONVERSATION)
