"""The two ways from a pair to tokens: the plain one, and one that keeps control tokens in texts as text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Protocol

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.boundary import EncodedPair, PairEncoder
from pipeline.tokens.chat import PairRenderer, PairTexts, RenderedPair
from pipeline.tokens.control_names import ControlNames, free_names
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import Encoder
from pipeline.tokens.renamed import renamed_encoder
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
        names = ControlNames(self._tokenizer, self._control, first)
        eos = names.names[str(self._tokenizer.eos_token)]

        @cache
        def renamed() -> PairEncoder:
            encoder = renamed_encoder(self._tokenizer, self._control, names)
            return PairEncoder(self._tokenizer, encoder, names.names)

        return Way(
            PairRenderer(self._tokenizer, partial(names.render, self._template.render), eos),
            _NamedEncoder(names, eos, self._plain, renamed),
        )


class _NamedEncoder:
    """Encodes pairs in which the template's control tokens stand by their names.

    Most texts that could be a part of a control token, a lone ``a`` or ``>``, make none up with what is
    around them: these are written out and take the plain way. The others need a tokenizer of their own,
    which takes a while to make.
    """

    def __init__(
        self, names: ControlNames, eos: str, plain: PairEncoder, renamed: Callable[[], PairEncoder]
    ) -> None:
        self._names, self._eos, self._plain, self._renamed = names, eos, plain, renamed
        self._lock = threading.Lock()

    def encode(self, rendered: Sequence[RenderedPair]) -> list[EncodedPair]:
        """Ids of each pair, in order.

        Raises:
            PipelineError: If the tokenizer's control tokens cannot be told from those in a text.
        """
        return [
            self._plain.encode([self._written_out(pair)])[0] if self._is_plain(pair) else self._apart(pair)
            for pair in rendered
        ]

    def _apart(self, pair: RenderedPair) -> EncodedPair:
        with self._lock:
            encoder = self._renamed()
        return encoder.encode([pair])[0]

    def _is_plain(self, pair: RenderedPair) -> bool:
        """Whether no text makes up a control token in whatever a :class:`PairEncoder` may put together."""
        responses = (pair.chosen, pair.rejected)
        trained = [pair.prompt[start:] for start, _ in pair.turns]
        together = [pair.prompt + response for response in responses]
        return all(
            map(self._names.are_all, [*together, *(self._eos + text for text in (*responses, *trained))])
        )

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
