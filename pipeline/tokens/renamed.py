"""Control tokens under other names, so that one that a person wrote out is text like any other.

Where a text holds ``<|im_end|>``, its conversation is rendered with what the template itself writes told
apart: each control token of the template stands there under a name that no text holds, and a copy of the
tokenizer knows the tokens by these names alone. So the ids are those of the rendering in which only the
template's control tokens are control tokens: the rest is split as text, in one go with what is around it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import Encoder, TransformersEncoder, backend_of
from pipeline.tokens.templates import Message
from pipeline.tokens.turns import Render

_PRIVATE = range(0xF0000, 0x10FFFE)
"""Characters that Unicode gives to no one, from which names are made."""

KEY = "tokenize.special_tokens_in_text"


class RenamedTokens:
    """A tokenizer's control tokens under private names.

    Args:
        tokenizer: The tokenizer.
        control: Its control tokens.
        first: The first of :attr:`needed` characters that stand in no text to render or encode.

    Raises:
        PipelineError: If the tokenizer under these names gives other ids than before.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, control: ControlText, first: int) -> None:
        self._control = control
        mark = chr(first)
        letters = alphabet(control)
        self.names = {text: f"{mark}{place}{mark}" for text, place in control.ids.items()}
        """Each control token's name, by how it is written."""
        self._hidden = {letter: chr(first + 1 + number) for number, letter in enumerate(letters)}
        self._shown = str.maketrans({hidden: letter for letter, hidden in self._hidden.items()})
        added = sorted(
            (token.content for token in tokenizer.added_tokens_decoder.values()),
            key=lambda text: (-len(text), text),
        )
        self._added = re.compile("|".join(map(re.escape, added)) or "(?!)")
        backend = backend_of(tokenizer)
        try:
            renamed = Tokenizer.from_str(_renamed(backend, self.names))
        except Exception as error:  # The library raises bare exceptions, of no class of its own.
            raise _refusal(str(error)) from error
        self._prove(backend, renamed, added)
        self.encoder: Encoder = TransformersEncoder(renamed)
        """Encodes what :meth:`render` gives."""

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

    def _hide(self, text: str) -> str:
        letters = list(text)
        for place in self._control.places(text):
            letters[place] = self._hidden[letters[place]]
        return "".join(letters)

    def _name(self, text: str) -> str:
        return self._added.sub(lambda found: self.names.get(found[0], found[0]), text)

    def _prove(self, backend: Tokenizer, renamed: Tokenizer, added: Sequence[str]) -> None:
        """Check that tokens by their names keep their ids, and that control tokens as text get none."""
        for text in added:
            for form in ("{0}", "a{0}b", "a {0} b", "\n{0}\n{0}"):
                before = backend.encode(form.format(text), add_special_tokens=False).ids
                name = self.names.get(text, text)
                after = renamed.encode(form.format(name), add_special_tokens=False).ids
                if before != after:
                    raise _refusal(f"{form.format(text)!r} gives {before}, by another name {after}")
        controls = set(self._control.ids.values()) - self._control.unknown
        for text in self.names:
            if not controls.isdisjoint(found := renamed.encode(text, add_special_tokens=False).ids):
                raise _refusal(f"{text!r} as text still gives {found}")


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


def _renamed(backend: Tokenizer, names: Mapping[str, str]) -> str:
    """The definition of a tokenizer that knows its control tokens by other names alone."""
    definition: dict[str, Any] = json.loads(backend.to_str())
    for token in definition["added_tokens"]:
        if token["content"] in names:
            # A name is looked for in the text as it is: no normaliser knows it.
            token |= {"content": names[token["content"]], "normalized": False}
    model = definition["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(text, text): place for text, place in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(text, text), score] for text, score in vocabulary]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if model.get("merges"):
        model["merges"] = [merge for merge in model["merges"] if not _makes(merge, names)]
    # It puts tokens around whole texts, which is never asked for, and knows them by their old names.
    definition["post_processor"] = None
    return json.dumps(definition)


def _makes(merge: str | Sequence[str], names: Mapping[str, str]) -> bool:
    """Whether a merge puts a control token together out of text, or goes on from one."""
    parts = merge.split(" ") if isinstance(merge, str) else list(merge)
    return "".join(parts) in names or any(part in names for part in parts)


def _refusal(found: str) -> PipelineError:
    return PipelineError(
        "The tokenizer's control tokens cannot be told from texts that name them",
        key=KEY,
        found=found,
        expected="a tokenizer whose added tokens can be renamed",
        hint=f"Set {KEY} to control, or drop the pairs that hold such text in curation/decisions.jsonl",
    )
