"""What is shown of a pair is what its tokens read as, and what is marked is what its masks say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from rich.console import Console
from transformers import PreTrainedTokenizerFast

from pipeline.inspection.example_page import example_parts
from pipeline.inspection.examples import Example, Segment, plain_examples, token_examples
from pipeline.inspection.lengths import measure_tokens
from pipeline.params import TokenizeParams

Frame = Callable[..., pl.DataFrame]

TURNS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hé"},
    {"role": "user", "content": "Go"},
]
OPENING = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
CLOSING = "\n<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n"


def shown(tokenizer: PreTrainedTokenizerFast, pairs: pl.DataFrame, **params: Any) -> list[Example]:
    return token_examples(measure_tokens(pairs, tokenizer, TokenizeParams(**params)).kept, tokenizer)


def printed(examples: list[Example], tokenizer: str | None = "models/base", colour: bool = False) -> str:
    console = Console(width=60, force_terminal=colour, color_system="truecolor" if colour else None)
    with console.capture() as capture:
        for part in example_parts(examples, tokenizer, colour):
            console.print(part, markup=False, soft_wrap=True)
    return capture.get()


def test_the_responses_are_trained_on_with_their_eos(
    tokenizer: PreTrainedTokenizerFast, pairs: Frame
) -> None:
    [example] = shown(tokenizer, pairs({"prompt": TURNS, "chosen": "Yés", "rejected": "No"}))
    assert example.prompt == (Segment(f"{OPENING}Hé<|im_end|>{CLOSING}", False),)
    assert example.chosen == (Segment("Yés<|im_end|>", True),)
    assert example.rejected == (Segment("No<|im_end|>", True),)
    assert example.tokens[1:] == (5, 3)


def test_earlier_turns_are_marked_where_they_are_trained_on(
    tokenizer: PreTrainedTokenizerFast, pairs: Frame
) -> None:
    rows = pairs({"prompt": TURNS, "chosen": "Yes", "rejected": "No"})
    [example] = shown(tokenizer, rows, loss_on="all_assistant_turns")
    assert example.prompt == (Segment(OPENING, False), Segment("Hé<|im_end|>", True), Segment(CLOSING, False))


def test_a_cut_response_is_shown_cut(tokenizer: PreTrainedTokenizerFast, pairs: Frame) -> None:
    rows = pairs({"prompt": "q", "chosen": "y" * 50, "rejected": "No"})
    [example] = shown(tokenizer, rows, max_length=30, truncation="truncate_response")
    assert example.chosen == (Segment("y" * (30 - example.tokens[0]), True),)


def test_three_are_shown(tokenizer: PreTrainedTokenizerFast, pairs: Frame) -> None:
    rows = pairs(*({"chosen": f"c{number}"} for number in range(5)))
    assert [each.pair_id for each in shown(tokenizer, rows)] == rows["pair_id"].head(3).to_list()
    assert [each.pair_id for each in plain_examples(rows)] == rows["pair_id"].head(3).to_list()


def test_without_a_tokenizer_roles_and_texts_are_shown(pairs: Frame) -> None:
    [example] = plain_examples(pairs({"prompt": TURNS, "chosen": "Yes", "rejected": "No"}))
    assert example.prompt == (Segment("user: Hi\nassistant: Hé\nuser: Go\n", False),)
    assert (example.chosen, example.tokens) == ((Segment("Yes", True),), ())
    text = printed([example], tokenizer=None)
    assert "`dvc repro pull_model`" in text and "    ⟦Yes⟧\n" in text


def test_plain_text_has_marks_and_signs_for_what_steers_a_terminal() -> None:
    texts = (Segment("a\x1b[31m\u202eb ⟦c⟧", False), Segment("d\x07\n⟦e", True))
    text = printed([Example("p", texts, (Segment("y", True),), (Segment("n", True),), (1, 2, 3))])
    assert (
        text == "By the chat template of models/base; what is trained on stands between ⟦ and ⟧.\n"
        "1. prompt, 1 tokens\n"
        "    a␛[31m⟨U+202E⟩b ⟨U+27E6⟩c⟨U+27E7⟩⟦d␇\n"
        "    ⟨U+27E6⟩e⟧\n"
        "1. chosen, 2 tokens\n"
        "    ⟦y⟧\n"
        "1. rejected, 3 tokens\n"
        "    ⟦n⟧\n"
    )


def test_on_a_terminal_colour_is_the_mark() -> None:
    sides = ((Segment("y", True),), (Segment("n", True),))
    text = printed([Example("p", (Segment("a", False),), *sides)], colour=True)
    assert "\x1b[1;32my\x1b[0m" in text and "\x1b[1;32ma" not in text and "⟦" not in text


@pytest.mark.parametrize(("length", "left"), [(600, None), (601, 1), (40_000, 39_400)])
def test_long_texts_are_shortened_in_the_middle(length: int, left: int | None) -> None:
    segment = (Segment("z" * length, True),)
    text = printed([Example("p", segment, segment, segment)])
    assert text.count("z") == 3 * min(length, 600)
    assert (text.count("characters more"), left is not None) in {(0, False), (3, True)}
    assert left is None or f"z [... {left:,} characters more ...] z" in text
