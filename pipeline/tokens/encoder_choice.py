"""Which encoder is used: a faster one where it proves equal to transformers', else transformers'.

A faster encoder is used only after it gave the same ids as transformers' on a fixed set of hard strings and
on a seeded sample of the very texts that are to be encoded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from transformers import PreTrainedTokenizerFast

from pipeline.tokens.encoders import FAST, MAKERS, Encoded, Encoder, TransformersEncoder
from pipeline.tokens.hard_strings import hard_strings


@dataclass(frozen=True)
class Choice:
    """The encoder to use, and why none of those tried before it is.

    Attributes:
        encoder: The encoder.
        refused: By name of an encoder that was not taken, the reason.
    """

    encoder: Encoder
    refused: dict[str, str]

    def facts(self) -> dict[str, str]:
        """Package and version, for the manifest; transformers' own encoder is the package tokenizers."""
        name = self.encoder.name
        return {"name": name, "version": version("tokenizers" if name == "transformers" else name)}


def choose_encoder(
    tokenizer: PreTrainedTokenizerFast, wanted: str, sample: Callable[[], Sequence[str]]
) -> Choice:
    """The first encoder that proves equal to transformers', or transformers' itself.

    Args:
        tokenizer: The tokenizer.
        wanted: ``auto``: those of :data:`FAST` in turn; or the name of one, or ``transformers``.
        sample: Gives texts of the data to prove it on, besides the hard strings; called where one is tried.
    """
    reference = TransformersEncoder(tokenizer)
    refused: dict[str, str] = {}
    texts: list[str] = []
    expected = reference.encode(texts)
    for name in {"auto": FAST, "transformers": ()}.get(wanted, (wanted,)):
        # Loading takes a while and needs one core: what to expect is found out at the same time.
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(MAKERS[name], tokenizer)
            if not texts:
                texts = [*hard_strings(tokenizer), *sample()]
                expected = reference.encode(texts)
        try:
            candidate = loading.result()
        except ImportError:
            refused[name] = "is not installed (pip install 'preference-pipeline[fast]')"
            continue
        except Exception as error:
            # A tokenizer it does not know; what a foreign package raises then is its own affair.
            refused[name] = f"cannot load this tokenizer: {error}"
            continue
        if (fault := _difference(candidate, texts, expected)) is None:
            return Choice(candidate, refused)
        refused[name] = fault
    return Choice(reference, refused)


def _difference(candidate: Encoder, texts: Sequence[str], expected: Encoded) -> str | None:
    """What shows that an encoder is not equal; None where nothing does."""
    try:
        found = candidate.encode(texts)
    except Exception as error:
        return f"fails on a text: {error}"
    if found.equals(expected):
        return None
    for index, text in enumerate(texts):
        if index >= len(found) or not np.array_equal(found[index], expected[index]):
            return f"gives other ids, first for {text[:40]!r}"
    return "gives ids for more texts than there are"


class ChosenEncoder:
    """The encoder of a choice that is still being made; to encode is to wait for it.

    Loading and proving an encoder takes longer than to render some thousand pairs, which goes on meanwhile.

    Args:
        choice: What :func:`choose_encoder` will give.
    """

    def __init__(self, choice: Future[Choice]) -> None:
        self._choice = choice

    @property
    def name(self) -> str:
        """The package it comes from."""
        return self._choice.result().encoder.name

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text."""
        return self._choice.result().encoder.encode(texts)


def report_choice(choice: Choice, wanted: str) -> None:
    """Say on standard error which encoder is used, where one that was asked for is not.

    That none of the optional packages is installed is no news where none was asked for by name.
    """
    told = {
        name: reason
        for name, reason in choice.refused.items()
        if wanted != "auto" or not reason.startswith("is not installed")
    }
    for name, reason in told.items():
        print(f"encoder {name} {reason}; {choice.encoder.name} is used instead", file=sys.stderr)
