"""Rendering by skeletons: what a template writes around contents, found once for each order of roles.

This holds where the template only prints contents (:mod:`~pipeline.tokens.content_flow`), and is tried on
hard contents before use. Any other template runs for every conversation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.content_flow import only_prints_contents
from pipeline.tokens.templates import Conversation, Message, render

_SPACE = "\u2003"
"""Stands on both sides of a mark: where it is gone, the template trimmed the content."""

_MARK = f"{_SPACE}\ue000content {{}}\ue001{_SPACE}"
_FOUND = re.compile(f"({_SPACE}?)\ue000content ([0-9]+)\ue001({_SPACE}?)")

_HARD_CONTENTS = ("", " \n a {eos} b\t", "{{{{ x }}}} {{% if y %}}\\n", "<think>\nno</think>yes", "{eos}")
"""Contents that templates are known to change, ``{eos}`` being the token."""


@dataclass(frozen=True)
class Slot:
    """A message's place in what a template writes."""

    message: int
    trimmed: bool


Skeleton = tuple[str | Slot, ...]
"""What a template writes for messages of certain roles: its own text, and where contents go."""


def fill(skeleton: Skeleton, contents: Sequence[str]) -> str:
    """The text with the contents of the messages in it."""
    return "".join(
        [
            part
            if isinstance(part, str)
            else contents[part.message].strip()
            if part.trimmed
            else contents[part.message]
            for part in skeleton
        ]
    )


class TemplateRenderer:
    """Does what :func:`~pipeline.tokens.templates.render` does, by skeletons where that is safe.

    Args:
        tokenizer: With a chat template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        template = str(tokenizer.chat_template)
        self._by_skeleton = only_prints_contents(template) and not re.search("[\u2003\ue000\ue001]", template)
        self._skeletons: dict[tuple[tuple[str, ...], bool], Skeleton | None] = {}

    def render(self, conversations: Sequence[Sequence[Message]], generation_prompt: bool) -> list[str]:
        """Each conversation as the template writes it.

        Args:
            conversations: Each with at least one message.
            generation_prompt: Whether the header of the assistant's next turn follows.

        Raises:
            jinja2.TemplateError: If the template refuses one (roles out of order, say).
        """
        if not self._by_skeleton:
            return render(self._tokenizer, conversations, generation_prompt)
        return [self._render_one(messages, generation_prompt) for messages in conversations]

    def _skeleton(self, roles: tuple[str, ...], generation_prompt: bool) -> Skeleton | None:
        """What is written for messages of these roles; None where the template has to run."""
        key = (roles, generation_prompt)
        if key not in self._skeletons:
            self._skeletons[key] = self._find(roles, generation_prompt)
        return self._skeletons[key]

    def _render_one(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        roles, contents = [], []
        for message in messages:
            # What only_prints_contents takes messages for.
            role, content = message.get("role"), message.get("content")
            if len(message) != 2 or not isinstance(role, str) or not isinstance(content, str):
                break
            roles.append(role)
            contents.append(content)
        else:
            skeleton = self._skeleton(tuple(roles), generation_prompt)
            if skeleton is not None:
                return fill(skeleton, contents)
        return render(self._tokenizer, [messages], generation_prompt)[0]

    def _find(self, roles: tuple[str, ...], generation_prompt: bool) -> Skeleton | None:
        marks = [_MARK.format(number) for number in range(len(roles))]
        eos = str(self._tokenizer.eos_token)
        hard = [[text.format(eos=eos)] * len(roles) for text in _HARD_CONTENTS]
        conversations = [_conversation(roles, contents) for contents in [marks, *hard]]
        try:
            marked, *expected = render(self._tokenizer, conversations, generation_prompt)
        except Exception:
            # Whatever a template raises; where a conversation is rendered, the caller hears of it.
            return None
        skeleton = _parse(marked)
        if skeleton is None or [fill(skeleton, contents) for contents in hard] != expected:
            return None
        return skeleton


def _conversation(roles: Sequence[str], contents: Sequence[str]) -> Conversation:
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]


def _parse(marked: str) -> Skeleton | None:
    """The skeleton that a rendering of marks shows; None where a mark is cut on one side."""
    parts: list[str | Slot] = []
    end = 0
    for found in _FOUND.finditer(marked):
        before, number, after = found.groups()
        if before != after:
            return None
        parts += [marked[end : found.start()], Slot(int(number), trimmed=not before)]
        end = found.end()
    parts.append(marked[end:])
    return tuple(part for part in parts if part != "")
