"""The two ways from a pair to tokens: the plain one, and one that keeps control tokens in texts as text."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.boundary import PairEncoder
from pipeline.tokens.chat import PairRenderer, PairTexts
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import Encoder
from pipeline.tokens.renamed import RenamedTokens, free_names
from pipeline.tokens.skeleton import TemplateRenderer


@dataclass(frozen=True)
class Way:
    """What renders pairs, and what encodes the texts that it gives."""

    renderer: PairRenderer
    encoder: PairEncoder


class Ways:
    """Both ways of a tokenizer; may be used by several threads.

    Args:
        tokenizer: The base model's.
        control: Its control tokens.
        encoder: What encodes on the plain way, equal to the tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, control: ControlText, encoder: Encoder) -> None:
        self._tokenizer, self._control = tokenizer, control
        self._template = TemplateRenderer(tokenizer)
        self.plain = Way(PairRenderer(tokenizer, self._template.render), PairEncoder(tokenizer, encoder))
        """For texts that hold no control token, or where those they hold are to be control tokens."""
        self._as_text: dict[int, Way] = {}
        self._lock = threading.Lock()

    def as_text(self, pair: PairTexts, row: str) -> Way:
        """The way on which control tokens in the texts of a pair are text.

        Args:
            pair: The pair.
            row: Where it stands, for the error.

        Raises:
            PipelineError: If the tokenizer's cannot be told apart from it.
        """
        contents = [message["content"] for message in pair.prompt]
        texts = [*contents, pair.chosen, pair.rejected, str(self._tokenizer.chat_template)]
        first = free_names(self._control, texts, row)
        with self._lock:
            if first not in self._as_text:
                self._as_text[first] = self._renamed(first)
            return self._as_text[first]

    def _renamed(self, first: int) -> Way:
        renamed = RenamedTokens(self._tokenizer, self._control, first)
        render = partial(renamed.render, self._template.render)
        return Way(
            PairRenderer(self._tokenizer, render, renamed.names[str(self._tokenizer.eos_token)]),
            PairEncoder(self._tokenizer, renamed.encoder, renamed.names),
        )
