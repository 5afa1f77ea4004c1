"""The two ways from a pair to tokens: the plain one, and one that keeps control tokens in texts as text."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.boundary import EncodedPair, PairEncoder
from pipeline.tokens.chat import PairRenderer, PairTexts, RenderedPair
from pipeline.tokens.control_names import ControlNames, free_names
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import Encoder
from pipeline.tokens.renamed import RenamedEncoder
from pipeline.tokens.skeleton import TemplateRenderer


class EncodesPairs(Protocol):
    """From rendered pairs to tokens, as :class:`PairEncoder` does it."""

    def encode(self, rendered: Sequence[RenderedPair]) -> list[EncodedPair]:
        """Ids of each pair, in order."""


@dataclass(frozen=True)
class Way:
    """What renders pairs, and what encodes the texts that it gives."""

    renderer: PairRenderer
    encoder: EncodesPairs


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
        self._plain = PairEncoder(tokenizer, encoder)
        self.plain = Way(PairRenderer(tokenizer, self._template.render), self._plain)
        """For texts that hold no control token, or where those they hold are to be control tokens."""
        self._as_text: dict[int, Way] = {}
        self._lock = threading.Lock()

    def as_text(self, pair: PairTexts, row: str) -> Way:
        """The way on which control tokens in the texts of a pair are text.

        Args:
            pair: The pair.
            row: Where it stands, for the error.

        Raises:
            PipelineError: If a text leaves no name for control tokens; and what the way encodes raises it if
                the tokenizer's cannot be told from those in the text.
        """
        contents = [message["content"] for message in pair.prompt]
        texts = [*contents, pair.chosen, pair.rejected, str(self._tokenizer.chat_template)]
        first = free_names(self._control, texts, row)
        with self._lock:
            if first not in self._as_text:
                self._as_text[first] = self._told_apart(first)
            return self._as_text[first]

    def _told_apart(self, first: int) -> Way:
        renamed = RenamedEncoder(self._tokenizer, self._control, first)
        names = renamed.control_names
        eos = names.names[str(self._tokenizer.eos_token)]
        apart = PairEncoder(self._tokenizer, renamed, names.names)
        return Way(
            PairRenderer(self._tokenizer, partial(names.render, self._template.render), eos),
            _NamedEncoder(names, eos, self._plain, apart),
        )


class _NamedEncoder:
    """Encodes pairs in which the template's control tokens stand by their names.

    Most texts that could be a part of a control token, a lone ``a`` or ``>``, make none up with what is
    around them: these are written out and take the plain way. The others need a tokenizer of their own.
    """

    def __init__(self, names: ControlNames, eos: str, plain: PairEncoder, apart: PairEncoder) -> None:
        self._names, self._eos, self._plain, self._apart = names, eos, plain, apart

    def encode(self, rendered: Sequence[RenderedPair]) -> list[EncodedPair]:
        """Ids of each pair, in order.

        Raises:
            PipelineError: If the tokenizer's control tokens cannot be told from those in a text.
        """
        return [self._encode(pair) for pair in rendered]

    def _encode(self, pair: RenderedPair) -> EncodedPair:
        if self._is_plain(pair):
            return self._plain.encode([self._written_out(pair)])[0]
        return self._apart.encode([pair])[0]

    def _is_plain(self, pair: RenderedPair) -> bool:
        """Whether no text makes up a control token in whatever a :class:`PairEncoder` may put together."""
        responses = (pair.chosen, pair.rejected)
        trained = [*responses, *(pair.prompt[start:] for start, _ in pair.turns)]
        together = [pair.prompt + response for response in responses]
        return all(map(self._names.are_all, [*together, *(self._eos + text for text in trained)]))

    def _written_out(self, pair: RenderedPair) -> RenderedPair:
        def place(named: int) -> int:
            return len(self._names.written_out(pair.prompt[:named]))

        return replace(
            pair,
            prompt=self._names.written_out(pair.prompt),
            chosen=self._names.written_out(pair.chosen),
            rejected=self._names.written_out(pair.rejected),
            turns=tuple((place(start), place(end)) for start, end in pair.turns),
        )
