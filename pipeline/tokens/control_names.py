"""Private names for control tokens, by which the template's are told from those that a person wrote out.

Where a text holds ``<|im_end|>``, its conversation is rendered with what the template itself writes told
apart: each control token of the template stands there under a name that no text holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.templates import Message
from pipeline.tokens.turns import Render

_PRIVATE = range(0xF0000, 0x10FFFE)
"""Characters that Unicode gives to no one, from which names are made."""

KEY = "tokenize.special_tokens_in_text"


class ControlNames:
    """Names of a tokenizer's control tokens.

    Args:
        tokenizer: The tokenizer.
        control: Its control tokens.
        first: The first of the characters that names need, none of which stands in a text to render: what
            :func:`free_names` gives.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, control: ControlText, first: int) -> None:
        self._control = control
        mark = chr(first)
        letters = alphabet(control)
        self.names = {text: f"{mark}{place}{mark}" for text, place in control.ids.items()}
        """Each control token's name, by how it is written."""
        self.added = sorted(
            (token.content for token in tokenizer.added_tokens_decoder.values()),
            key=lambda text: (-len(text), text),
        )
        """All added tokens, control tokens or not, the longest first."""
        self._hidden = {letter: chr(first + 1 + number) for number, letter in enumerate(letters)}
        self._shown = str.maketrans({hidden: letter for letter, hidden in self._hidden.items()})
        self._any_added = re.compile("|".join(map(re.escape, self.added)) or "(?!)")
        self._written = {name: text for text, name in self.names.items()}
        self._any_name = re.compile(f"{mark}[0-9]+{mark}")

    def render(
        self, by_template: Render, conversations: Sequence[Sequence[Message]], generation_prompt: bool
    ) -> list[str]:
        """Each conversation as the template writes it, with the template's control tokens by their names.

        The template sees one character of each control token in a text under a stand-in, so that what it
        writes itself is what reads as a control token then; in what is given back the texts are as they were.

        Args:
            by_template: Runs the chat template.
            conversations: Each with at least one message.
            generation_prompt: Whether the header of the assistant's next turn follows.

        Raises:
            jinja2.TemplateError: If the template refuses one.
        """
        hidden = [
            [{**message, "content": self._hide(message["content"])} for message in messages]
            for messages in conversations
        ]
        return [self._name(text).translate(self._shown) for text in by_template(hidden, generation_prompt)]

    def written_out(self, text: str) -> str:
        """What :meth:`render` gave, or a part of it, with control tokens as the tokenizer writes them."""
        return self._any_name.sub(lambda found: self._written[found[0]], text)

    def are_all(self, text: str) -> bool:
        """Whether a text, written out, holds no control tokens but those it names.

        Then the tokenizer itself reads it as it is meant. Where control tokens are looked for in normalised
        text that cannot be told here.
        """
        return not self._control.in_normal_form and self._name(self.written_out(text)) == text

    def _hide(self, text: str) -> str:
        letters = list(text)
        for place in self._control.places(text):
            letters[place] = self._hidden[letters[place]]
        return "".join(letters)

    def _name(self, text: str) -> str:
        return self._any_added.sub(lambda found: self.names.get(found[0], found[0]), text)


def alphabet(control: ControlText) -> list[str]:
    """All characters of control tokens: those that may need a stand-in."""
    return sorted(set("".join(control.strings)))


def free_names(control: ControlText, texts: Sequence[str], row: str | None = None) -> int:
    """The first of as many private characters as names need, none of which stands in the texts.

    Args:
        control: The control tokens.
        texts: What is to be rendered, and the template.
        row: Whose texts they are, for the error.

    Raises:
        PipelineError: If every stretch of them is in use.
    """
    needed = 1 + len(alphabet(control))
    used = {ord(letter) for text in texts for letter in re.findall(r"[\U000f0000-\U0010ffff]", text)}
    for first in range(_PRIVATE.start, _PRIVATE.stop - needed, needed):
        if used.isdisjoint(range(first, first + needed)):
            return first
    raise PipelineError(
        "A text holds characters from all of Unicode's private planes, so that none is left to tell its "
        "control tokens from the template's",
        row=row,
        key=KEY,
        found=f"{len(used)} private characters and a control token",
        hint="Drop the pair in curation/decisions.jsonl",
    )
