"""From rendered pairs to ids and masks, the boundary between what is given and what is trained on exact.

A response is encoded behind the end of its prompt, so that its tokens are those of the whole text; where a
token would span the boundary, both sides are encoded apart, and the boundary is counted as merged. Not all of
the prompt is needed for that: special tokens part a text, so what stands before the last does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from pipeline.tokens.chat import RenderedPair, leading_bos
from pipeline.tokens.encoders import Encoded, Encoder, Ids

Mask = npt.NDArray[np.bool_]

_WINDOW = 256
"""Characters at a prompt's end that are searched for a special token before all of it is."""


@dataclass(frozen=True)
class EncodedPair:
    """Ids of a pair (int32), the prompt's mask (bool), and how many of its boundaries a token would span."""

    prompt: Ids
    chosen: Ids
    rejected: Ids
    prompt_mask: Mask
    merged: int


class _Texts:
    """Texts to encode together; equal ones once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def add(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    def encode(self, encoder: Encoder) -> Encoded:
        return encoder.encode(list(self._places))


@dataclass(frozen=True)
class _Piece:
    """A part of a sequence: its text, and the places of what is encoded for it."""

    text: str
    whole: int
    context: int | None
    trained: bool


class PairEncoder:
    """Encodes rendered pairs.

    Args:
        tokenizer: Says which special tokens there are and whether a BOS comes first.
        encoder: Does the work; equal to the tokenizer.
        names: What special tokens are called in the texts, where that is not how the tokenizer writes them.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        encoder: Encoder,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._encoder = encoder
        self._bos = leading_bos(tokenizer)
        eos = str(tokenizer.eos_token)
        self._eos = names.get(eos, eos)
        self._eos_id = int(tokenizer.eos_token_id)
        parting = [
            names.get(token.content, token.content)
            for token in tokenizer.added_tokens_decoder.values()
            if token.special and not (token.lstrip or token.rstrip or token.single_word or token.normalized)
        ]
        # Longest first, as the tokenizer prefers them.
        parting.sort(key=lambda content: (-len(content), content))
        self._parting = re.compile("|".join(map(re.escape, parting)) or r"(?!)")
        self._longest = max(map(len, parting), default=0)

    def encode(self, rendered: Sequence[RenderedPair]) -> list[EncodedPair]:
        """Ids of each pair, in order."""
        texts = _Texts()
        laid_out = [self._pieces(pair, texts) for pair in rendered]
        encoded = texts.encode(self._encoder)
        behind = iter(_behind(encoded, list(chain.from_iterable(laid_out))))
        found = [[next(behind) for _ in pieces] for pieces in laid_out]
        # Pieces whose first token would begin before them are encoded behind a special token instead, which
        # nothing merges with. Few, if any.
        apart = _Texts()
        for pieces, parts in zip(laid_out, found, strict=True):
            for piece, ids in zip(pieces, parts, strict=True):
                if ids is None:
                    apart.add(self._eos + piece.text)
        alone = apart.encode(self._encoder)
        return [
            self._pair(pieces, parts, apart, alone) for pieces, parts in zip(laid_out, found, strict=True)
        ]

    def _pieces(self, pair: RenderedPair, texts: _Texts) -> list[_Piece]:
        """The prompt, cut where training begins and ends, and the two responses."""
        pieces = []
        cuts = [0, *[place for turn in pair.turns for place in turn], len(pair.prompt)]
        for number, (start, end) in enumerate(pairwise(cuts)):
            if start < end or not number:
                pieces.append(
                    self._piece(pair.prompt[:start], pair.prompt[start:end], number % 2 == 1, texts)
                )
        tail = self._tail(pair.prompt)
        context = texts.add(tail) if tail else None
        for response in (pair.chosen, pair.rejected):
            pieces.append(_Piece(response, texts.add(tail + response), context, True))
        return pieces

    def _piece(self, before: str, text: str, trained: bool, texts: _Texts) -> _Piece:
        tail = self._tail(before)
        return _Piece(text, texts.add(tail + text), texts.add(tail) if tail else None, trained)

    def _tail(self, text: str) -> str:
        """The end of a text from its last special token on; all of it where there is none."""
        start = max(0, len(text) - _WINDOW - self._longest)
        last = None
        for match in self._parting.finditer(text, start):
            last = match
        if last is None or (start and last.start() < start + self._longest):
            # None in the window, or one that may be the rest of a longer one.
            for match in self._parting.finditer(text):
                last = match
        return text if last is None else text[last.start() :]

    def _pair(
        self, pieces: Sequence[_Piece], found: Sequence[Ids | None], apart: _Texts, alone: Encoded
    ) -> EncodedPair:
        parts = [
            self._without_eos(alone[apart.add(self._eos + piece.text)]) if ids is None else ids
            for piece, ids in zip(pieces, found, strict=True)
        ]
        *prompts, chosen, rejected = parts
        merged = sum(ids is None for ids in found)
        masks = [np.full(len(ids), piece.trained) for ids, piece in zip(prompts, pieces, strict=False)]
        if self._bos is not None and (not len(prompts[0]) or prompts[0][0] != self._bos):
            prompts.insert(0, np.array([self._bos], np.int32))
            masks.insert(0, np.zeros(1, np.bool_))
        return EncodedPair(np.concatenate(prompts), chosen, rejected, np.concatenate(masks), merged)

    def _without_eos(self, ids: Ids) -> Ids:
        return ids[1:] if len(ids) and ids[0] == self._eos_id else ids


def _behind(encoded: Encoded, pieces: Sequence[_Piece]) -> list[Ids | None]:
    """Each piece's ids behind its context; None where the context's own ids change with it."""
    whole = np.array([piece.whole for piece in pieces], np.int64)
    starts, ends = encoded.offsets[whole], encoded.offsets[whole + 1]
    # A piece without context stands behind the very beginning.
    context = np.array([-1 if piece.context is None else piece.context for piece in pieces], np.int64)
    context_starts = np.where(context < 0, 0, encoded.offsets[context])
    lengths = np.where(context < 0, 0, encoded.offsets[context + 1] - context_starts)
    longer = (ends - starts > lengths) | (context < 0)
    compared = np.where(longer, lengths, 0)
    # All ids to compare, one piece after the other.
    places = np.arange(compared.sum()) - np.repeat(np.cumsum(compared) - compared, compared)
    differ = (
        encoded.ids[np.repeat(starts, compared) + places]
        != encoded.ids[np.repeat(context_starts, compared) + places]
    )
    changed = np.bincount(np.repeat(np.arange(len(pieces)), compared)[differ], minlength=len(pieces)) > 0
    return [
        encoded.ids[start:end] if kept else None
        for start, end, kept in zip(
            (starts + lengths).tolist(), ends.tolist(), (longer & ~changed).tolist(), strict=True
        )
    ]
