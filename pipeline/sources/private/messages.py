"""Messages as datasets write them, to role and content; and what a prompt made of them must be."""

from __future__ import annotations

import re
from typing import Any

from pipeline.sources.faults import BAD_CONVERSATION, BAD_VALUE, UNKNOWN_ROLE, WRONG_TYPE
from pipeline.sources.fields import Place, Said
from pipeline.sources.private.names import MESSAGE_KEYS, SPEAKERS, TOOL_SPEAKERS

Message = dict[str, Any]

_SPEAKER = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_CUE = re.compile(r"\n\nAssistant:\s*\Z")
NO_TOOLS = "system, user or assistant; tool calls are not supported: take these rows out"


def speaker_key(item: object) -> tuple[str, str] | None:
    """What an object calls its speaker and text; None if it is no message."""
    if not isinstance(item, dict):
        return None
    return next((keys for keys in MESSAGE_KEYS if keys[0] in item and keys[1] in item), None)


def is_messages(value: object) -> bool:
    """Whether a value is a list of at least one message."""
    return isinstance(value, list) and bool(value) and speaker_key(value[0]) is not None


def as_message(item: Any, path: str, place: Place) -> Message:
    """One message's role (system, user or assistant) and content (text, or null where there is none).

    Raises:
        PipelineError: If it is no message, its speaker is unknown or a tool, or its content is no text.
    """
    keys = speaker_key(item)
    if keys is None:
        if isinstance(item, dict) and {"role", "from", "speaker", "author"} & item.keys():
            raise place.missing(f"{path}.content", item, "the text of the message")
        if isinstance(item, dict):
            raise place.missing(f"{path}.role", item, "a message with role and content, or from and value")
        raise place.fault(path, item, "a message with role and content, or from and value")
    speaker, text = keys
    return {
        "role": _role(item[speaker], f"{path}.{speaker}", place),
        "content": _content(item[text], f"{path}.{text}", place),
    }


def _role(value: Any, path: str, place: Place) -> str:
    name = value.strip().casefold() if isinstance(value, str) else None
    if name in TOOL_SPEAKERS:
        raise place.fault(path, value, NO_TOOLS, UNKNOWN_ROLE)
    if name not in SPEAKERS:
        reason = UNKNOWN_ROLE if name is not None else WRONG_TYPE
        raise place.fault(path, value, "system, user or assistant (human, gpt)", reason)
    return SPEAKERS[name]


def _content(value: Any, path: str, place: Place) -> str | None:
    """A message's text; of a list of parts, the texts one below the other."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in value]
        if value and all(isinstance(part, str) for part in parts):
            return "\n".join(map(str, parts))
    raise place.fault(path, value, "the text of the message (images and sounds are not supported)")


def as_messages(value: Any, column: str, place: Place) -> list[Message]:
    """A conversation: a list of messages, an object that holds one under ``messages``, or one message.

    Raises:
        PipelineError: If it is none, or one of the messages is none.
    """
    if isinstance(value, dict):
        if speaker_key(value) is None and isinstance(value.get("messages"), list):
            return as_messages(value["messages"], f"{column}.messages", place)
        return [as_message(value, column, place)]
    if not isinstance(value, list):
        raise place.fault(column, value, "a text or a list of messages")
    return [as_message(item, f"{column}[{index}]", place) for index, item in enumerate(value)]


def as_history(value: Any, column: str, place: Place) -> list[Message]:
    """Turns before the prompt: pairs of what the user and the assistant said, or messages.

    Raises:
        PipelineError: If it is neither.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    if not isinstance(value, list):
        raise place.fault(column, value, "a list of [user, assistant] pairs or of messages")
    if all(speaker_key(item) for item in value):
        return as_messages(value, column, place)
    messages: list[Message] = []
    for index, item in enumerate(value):
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(text, str) for text in item)):
            raise place.fault(f"{column}[{index}]", item, "a pair of texts: [user, assistant]")
        messages += [{"role": "user", "content": item[0]}, {"role": "assistant", "content": item[1]}]
    return messages


def is_transcript(text: object) -> bool:
    """Whether a text begins as a transcript does, with a turn of ``Human:``."""
    return isinstance(text, str) and re.match(r"\s*Human:", text) is not None


def transcript(text: str, column: str, place: Place) -> list[Message]:
    r"""The turns of a transcript, each behind ``\n\nHuman:`` or ``\n\nAssistant:``, without an empty cue.

    Raises:
        PipelineError: If the text does not begin with a turn.
    """
    if not re.match(r"\s*(?:Human|Assistant):", text):
        raise place.fault(
            column, text, "a transcript that begins with Human:, as in the other rows", BAD_VALUE
        )
    marks = list(_TURN.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [
        {"role": _SPEAKER[mark[1]], "content": text[mark.end() : end].removeprefix(" ")}
        for mark, end in zip(marks, ends, strict=True)
    ]


def without_cue(text: str) -> str:
    r"""A transcript without the ``\n\nAssistant:`` at its end that asks for the response."""
    return _CUE.sub("", text)


def check_prompt(messages: list[Message], column: str, place: Place) -> list[Message]:
    """The messages, if they are a prompt: some text, at most one system message, first, the user's turn last.

    Raises:
        PipelineError: If they are not.
    """
    roles = [message["role"] for message in messages]
    for index, message in enumerate(messages):
        if message["content"] is None:
            raise place.fault(f"{column}[{index}]", None, "the text of the message")
    if not any(message["content"].strip() for message in messages if message["role"] != "system"):
        found = "no message of the user" if set(roles) <= {"system"} and roles else "an empty prompt"
        raise place.fault(column, Said(found), "a prompt with some text", BAD_CONVERSATION)
    if roles.count("system") > 1:
        found = f"{roles.count('system')} system messages"
        raise place.fault(column, Said(found), "one system message at most", BAD_CONVERSATION)
    if "system" in roles[1:]:
        found = "a system message between turns"
        raise place.fault(column, Said(found), "the system message first", BAD_CONVERSATION)
    if roles[-1] != "user":
        found = f"a prompt that ends with the {roles[-1]}'s turn"
        raise place.fault(column, Said(found), "a prompt that ends with the user's turn", BAD_CONVERSATION)
    return messages
