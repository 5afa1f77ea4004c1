"""A copy of a tokenizer that knows its control tokens by other names alone.

So the ids are those of a rendering in which only the template's control tokens are control tokens: one that a
person wrote out is split as text, in one go with what is around it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.tokens.control_names import KEY, ControlNames
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import Encoded, TransformersEncoder, backend_of


class RenamedEncoder:
    """Encodes the texts that :meth:`ControlNames.render` gives; may be used by several threads.

    The copy of the tokenizer takes a while to make, and is made when the first text needs it.

    Args:
        tokenizer: The tokenizer; it stays as it is.
        control: Its control tokens.
        first: The first of the characters that names need: what :func:`free_names` gives.
    """

    name = TransformersEncoder.name

    def __init__(self, tokenizer: PreTrainedTokenizerFast, control: ControlText, first: int) -> None:
        self.control_names = ControlNames(tokenizer, control, first)
        """How control tokens are called in the texts."""
        self._tokenizer, self._control = tokenizer, control
        self._copy: TransformersEncoder | None = None
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text.

        Raises:
            PipelineError: If the tokenizer under these names gives other ids than before.
        """
        with self._lock:
            if self._copy is None:
                self._copy = self._make()
        return self._copy.encode(texts)

    def _make(self) -> TransformersEncoder:
        backend = backend_of(self._tokenizer)
        try:
            renamed = Tokenizer.from_str(_renamed(backend, self.control_names.names))
        except Exception as error:  # The library raises bare exceptions, of no class of its own.
            raise _refusal(str(error)) from error
        _prove(backend, renamed, self._control, self.control_names)
        return TransformersEncoder(renamed)


def _prove(backend: Tokenizer, renamed: Tokenizer, control: ControlText, control_names: ControlNames) -> None:
    """Check that tokens by their names keep their ids, and that control tokens as text get none."""
    for text in control_names.added:
        for form in ("{0}", "a{0}b", "a {0} b", "\n{0}\n{0}"):
            before = backend.encode(form.format(text), add_special_tokens=False).ids
            name = control_names.names.get(text, text)
            after = renamed.encode(form.format(name), add_special_tokens=False).ids
            if before != after:
                raise _refusal(f"{form.format(text)!r} gives {before}, by another name {after}")
    controls = set(control.ids.values()) - control.unknown
    for text in control_names.names:
        if not controls.isdisjoint(found := renamed.encode(text, add_special_tokens=False).ids):
            raise _refusal(f"{text!r} as text still gives {found}")


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
