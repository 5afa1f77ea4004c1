"""A faster encoder is used only where it proves equal."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pipeline.tokens import encoders
from pipeline.tokens.chat import encode
from pipeline.tokens.encoder_choice import Choice, ChosenEncoder, choose_encoder, report_choice
from pipeline.tokens.encoders import Encoded, Encoder, TransformersEncoder
from pipeline.tokens.hard_strings import hard_strings


class Recorded(TransformersEncoder):
    """Equal to transformers', under another name."""

    name = "tokenizers"


class WrongOnce(TransformersEncoder):
    """Wrong on texts with a marker, as an encoder with a fault on rare input is."""

    name = "tokenizers"

    def encode(self, texts: Sequence[str]) -> Encoded:
        return super().encode([text.replace("marker", "marked") for text in texts])


class Failing(TransformersEncoder):
    name = "tokenizers"

    def encode(self, texts: Sequence[str]) -> Encoded:
        raise RuntimeError("no such letter")


def missing(tokenizer: PreTrainedTokenizerFast) -> Any:
    raise ImportError


def test_ids_are_those_of_the_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    texts = [*hard_strings(tokenizer), "hello<|im_end|>"]
    encoded = TransformersEncoder(tokenizer).encode(texts)
    assert len(encoded) == len(texts)
    assert [encoded[index].tolist() for index in range(len(texts))] == encode(tokenizer, texts)
    assert encoded.ids.dtype == np.int32


def test_padding_and_truncation_of_the_file_are_not_applied(tokenizer: PreTrainedTokenizerFast) -> None:
    from tests.conftest import make_tokenizer

    padded = make_tokenizer()
    padded.backend_tokenizer.enable_truncation(2)
    padded.backend_tokenizer.enable_padding(length=9)
    encoded = TransformersEncoder(padded).encode(["hello"])
    assert encoded[0].tolist() == encode(tokenizer, ["hello"])[0]


@pytest.mark.parametrize(
    ("maker", "name", "reason"),
    [
        (Recorded, "tokenizers", None),
        (WrongOnce, "transformers", "gives other ids, first for 'a marker'"),
        (Failing, "transformers", "fails on a text: no such letter"),
        (missing, "transformers", "is not installed"),
    ],
)
def test_what_is_chosen(
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    maker: Any,
    name: str,
    reason: str | None,
) -> None:
    monkeypatch.setitem(encoders.MAKERS, "tokie", maker)
    choice = choose_encoder(tokenizer, "tokie", lambda: ["plain", "a marker"])
    assert choice.encoder.name == name
    assert set(choice.facts()) == {"name", "version"}
    report_choice(choice, "tokie")
    said = capsys.readouterr().err
    if reason is None:
        assert (choice.refused, said) == ({}, "")
    else:
        assert choice.refused["tokie"].startswith(reason)
        assert said == f"encoder tokie {choice.refused['tokie']}; transformers is used instead\n"


def test_nothing_is_sampled_for_transformers_own(tokenizer: PreTrainedTokenizerFast) -> None:
    def no_sample() -> Sequence[str]:
        raise AssertionError

    assert choose_encoder(tokenizer, "transformers", no_sample).encoder.name == "transformers"


@pytest.mark.parametrize("name", encoders.FAST)
def test_the_optional_packages_give_the_same_or_are_refused(
    tokenizer: PreTrainedTokenizerFast, name: str
) -> None:
    pytest.importorskip(name, reason=f"{name} (extra fast) is not installed")
    choice = choose_encoder(tokenizer, name, lambda: ["plain words"])
    if name in choice.refused:
        assert choice.encoder.name == "transformers"
        return
    texts = hard_strings(tokenizer)
    encoded = choice.encoder.encode(texts)
    assert [encoded[index].tolist() for index in range(len(texts))] == encode(tokenizer, texts)


@pytest.fixture(scope="module")
def byte_level() -> PreTrainedTokenizerFast:
    """A byte-level BPE that parts words and digits as SmolLM2's tokenizer does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["it's what they're told: we'll see, don't 's 't 're"] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")


HARD = st.sampled_from(["\t", "'s", "'re", "\x04", "\x0c", ".", "٣", "½", "Ⓨ", "\u0903", " ", "<|end|>", "a"])


@pytest.mark.parametrize("name", encoders.FAST)
@given(texts=st.lists(st.text() | st.lists(HARD, max_size=9).map("".join), max_size=9))
def test_the_optional_packages_give_the_same_on_any_text(
    byte_level: PreTrainedTokenizerFast, name: str, texts: list[str]
) -> None:
    pytest.importorskip(name, reason=f"{name} (extra fast) is not installed")
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    assert encoder_of(name, byte_level).encode(texts).equals(TransformersEncoder(byte_level).encode(texts))


@functools.cache
def encoder_of(name: str, tokenizer: PreTrainedTokenizerFast) -> Encoder:
    return encoders.MAKERS[name](tokenizer)


def test_ids_of_some_texts_are_replaced() -> None:
    encoded = Encoded(np.array([1, 2, 3, 4, 5], np.int32), np.array([0, 2, 2, 3, 5], np.int64))
    others = Encoded(np.array([7, 8, 9], np.int32), np.array([0, 3, 3], np.int64))
    found = encoders._replaced(encoded, [1, 3], others)
    assert [found[index].tolist() for index in range(4)] == [[1, 2], [7, 8, 9], [3], []]


def test_an_encoder_that_is_being_chosen_is_waited_for(tokenizer: PreTrainedTokenizerFast) -> None:
    future: Future[Choice] = Future()
    encoder = ChosenEncoder(future)
    threading.Timer(0.05, lambda: future.set_result(Choice(TransformersEncoder(tokenizer), {}))).start()
    assert encoder.encode(["hello"])[0].tolist() == encode(tokenizer, ["hello"])[0]
    assert encoder.name == "transformers"
