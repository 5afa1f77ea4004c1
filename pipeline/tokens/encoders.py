"""Encoders: transformers' own tokenizer as the measure, and faster ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

FAST = ("tokie", "fastokens")
"""Packages of the extra ``fast``, the one tried first in front."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of several texts in one array; those of text i are ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: Ids
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Ids:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def equals(self, other: Encoded) -> bool:
        """Whether both hold the same ids, text by text."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.offsets, other.offsets)


class Encoder(Protocol):
    """Texts to ids, without special tokens of the tokenizer's own."""

    @property
    def name(self) -> str:
        """The package it comes from."""

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text."""


def _offsets(lengths: npt.ArrayLike) -> Offsets:
    """Where each text's ids begin, and where the last one's end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _from_lists(lists: Sequence[Sequence[int]]) -> Encoded:
    offsets = _offsets([len(ids) for ids in lists])
    ids = np.fromiter(chain.from_iterable(lists), np.int32, int(offsets[-1]))
    return Encoded(ids, offsets)


class TransformersEncoder:
    """The tokenizer's own backend (the package tokenizers), which runs on all cores."""

    name = "transformers"

    def __init__(self, tokenizer: PreTrainedTokenizerFast | Tokenizer) -> None:
        self._backend = tokenizer if isinstance(tokenizer, Tokenizer) else backend_of(tokenizer)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text."""
        encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return _from_lists([encoding.ids for encoding in encodings])


class FastokensEncoder:
    """The package fastokens."""

    name = "fastokens"

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        import fastokens

        self._backend: Any = fastokens.Tokenizer.from_json_str(_definition(tokenizer))

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text."""
        ids, offsets = self._backend.encode_batch_flat(list(texts))
        return Encoded(
            np.frombuffer(ids, np.dtype("<u4")).astype(np.int32),
            np.frombuffer(offsets, np.dtype("<u8")).astype(np.int64),
        )


_ODD_FOR_TOKIE = r"\t'|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[[\p{Alphabetic}\p{N}]--[\p{L}0-9]]"
"""Where tokie 0.1.4 parts words otherwise: at a tab before an apostrophe, at control characters, at digits
that are not ASCII, and at marks that it takes for letters.
"""


class TokieEncoder:
    """The package tokie, but for texts on which it is known to differ: transformers' encodes those."""

    name = "tokie"

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        import tokie

        self._reference = TransformersEncoder(tokenizer)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            path.write_text(_definition(tokenizer), encoding="utf-8")
            self._backend: Any = tokie.Tokenizer.from_json(str(path))

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text."""
        ids, lengths = self._backend.encode_batch_flat(list(texts), add_special_tokens=False)
        encoded = Encoded(np.asarray(ids, np.int32), _offsets(lengths))
        odd = pl.Series(texts, dtype=pl.String).str.contains(_ODD_FOR_TOKIE).arg_true().to_list()
        return _replaced(encoded, odd, self._reference.encode([texts[place] for place in odd]))


def _replaced(encoded: Encoded, places: Sequence[int], others: Encoded) -> Encoded:
    """What is encoded, with the ids of some texts, in ascending order, taken from elsewhere."""
    if not places:
        return encoded
    parts: list[Ids] = []
    end = 0
    for number, place in enumerate(places):
        parts += [encoded.ids[encoded.offsets[end] : encoded.offsets[place]], others[number]]
        end = place + 1
    lengths = np.diff(encoded.offsets)
    lengths[list(places)] = np.diff(others.offsets)
    return Encoded(np.concatenate([*parts, encoded.ids[encoded.offsets[end] :]]), _offsets(lengths))


def backend_of(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """The tokenizer's backend; a copy without padding and truncation where its file sets them."""
    backend: Tokenizer = tokenizer.backend_tokenizer
    if backend.padding is None and backend.truncation is None:
        return backend
    backend = Tokenizer.from_str(backend.to_str())
    backend.no_padding()
    backend.no_truncation()
    return backend


def _definition(tokenizer: PreTrainedTokenizerFast) -> str:
    """The tokenizer's JSON without padding and truncation."""
    return str(backend_of(tokenizer).to_str())


MAKERS: dict[str, Callable[[PreTrainedTokenizerFast], Encoder]] = {
    "tokie": TokieEncoder,
    "fastokens": FastokensEncoder,
}
"""How each of :data:`FAST` is loaded."""
