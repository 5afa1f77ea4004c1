"""Answers beside a plain loop, turn by turn, and independent of the batch they are made in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from pipeline.evaluation.benchmarks.generate import (
    Decoding,
    Response,
    answer_prompts,
    generate,
)
from pipeline.evaluation.benchmarks.interface import BenchmarkAnswer, BenchmarkPrompt
from pipeline.tokens.chat import encode, render_prompt
from pipeline.tokens.templates import Conversation
from tests.conftest import make_model

EOS = 2


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    """Weights large enough that random logits are far apart, and an EOS that comes up now and then."""
    model = make_model(seed=1)
    model.eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0)
    return model


def user(text: str) -> Conversation:
    return [{"role": "user", "content": text}]


@torch.no_grad()
def plainly(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, talk: Conversation, limit: int
) -> Response:
    """Greedy decoding one token at a time, without cache, batch or padding."""
    ids = encode(tokenizer, [render_prompt(tokenizer, talk)])[0]
    new: list[int] = []
    while len(new) < limit and EOS not in new:
        new.append(int(model(torch.tensor([ids + new])).logits[0, -1].argmax()))
    return Response(str(tokenizer.decode(new, skip_special_tokens=True)), len(new), EOS in new)


def test_a_batch_is_as_the_plain_loop(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    talks = [
        user("a"),
        user("a longer question?"),
        [*user("x"), {"role": "assistant", "content": "y"}, *user("z")],
    ]
    found = generate(model, tokenizer, talks, [None] * 3, 12)
    assert found == [plainly(model, tokenizer, talk, 12) for talk in talks]


def test_settings_of_the_model_directory_do_not_apply_but_its_eos_ids_do(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = make_model(seed=1).eval()
    plain = generate(model, tokenizer, [user("a")], [None], 8)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.do_sample = True
    assert generate(model, tokenizer, [user("a")], [None], 8) == plain
    assert model.generation_config.repetition_penalty == 5.0
    ids = model(torch.tensor([encode(tokenizer, [render_prompt(tokenizer, user("a"))])[0]])).logits[0, -1]
    first = int(ids.argmax())
    model.generation_config.eos_token_id = [EOS, first]
    assert generate(model, tokenizer, [user("a")], [None], 8)[0].tokens == 1
    assert generate(model, tokenizer, [user("a")], [None], 8)[0].finished


def answers(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[BenchmarkPrompt],
    batch: int,
) -> tuple[dict[str, BenchmarkAnswer], list[int]]:
    kept: list[BenchmarkAnswer] = []
    sizes: list[int] = []

    def keep(batch: Sequence[BenchmarkAnswer]) -> None:
        kept.extend(batch)
        sizes.append(len(batch))

    answer_prompts(model, tokenizer, prompts, Decoding(6, batch), keep, "test")
    return {answer.key: answer for answer in kept}, sizes


def test_each_turn_is_asked_after_the_answer_before(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    prompts = [BenchmarkPrompt("one", ("What?",)), BenchmarkPrompt("two", ("Who are you?", "And then?"))]
    found, _ = answers(model, tokenizer, prompts, 2)
    first = plainly(model, tokenizer, user("Who are you?"), 6)
    talk = [*user("Who are you?"), {"role": "assistant", "content": first.text}, *user("And then?")]
    second = plainly(model, tokenizer, talk, 6)
    assert found["two"] == BenchmarkAnswer(
        "two",
        ("Who are you?", "And then?"),
        (first.text, second.text),
        (first.tokens, second.tokens),
        (first.finished, second.finished),
    )
    assert len(found["one"].responses) == 1


def test_batches_neither_change_answers_nor_wait_for_each_other(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    prompts = [
        BenchmarkPrompt(str(key), ("w" * key, "more"), temperature)
        for key in range(1, 6)
        for temperature in [key % 2]
    ]
    alone, _ = answers(model, tokenizer, prompts, 1)
    together, sizes = answers(model, tokenizer, prompts[::-1], 3)
    assert together == alone
    assert sizes == [3, 2]
    assert list(together) == ["5", "4", "3", "2", "1"]
