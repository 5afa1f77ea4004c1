"""The length policies and what the masks mark, by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.params import TokenizeParams
from pipeline.tokens.encoders import TransformersEncoder
from pipeline.tokens.pair_tokens import BlockTokens, PairTokenizer, shorter_prompts
from tests.conftest import make_tokenizer

S, U, A = ({"role": role, "content": role[0]} for role in ("system", "user", "assistant"))

EXCHANGE = "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"


def tokenized(
    tokenizer: PreTrainedTokenizerFast, prompt: Any, chosen: str, rejected: str, **params: Any
) -> BlockTokens:
    block = pl.DataFrame(
        {"pair_id": ["p"], "row_id": ["r"], "prompt": [prompt], "chosen": [chosen], "rejected": [rejected]}
    )
    encoder = TransformersEncoder(tokenizer)
    return PairTokenizer(tokenizer, encoder, TokenizeParams(**params)).tokenize(block)


def length(tokenizer: PreTrainedTokenizerFast, text: str) -> int:
    return len(tokenizer(text)["input_ids"])


def test_shorter_prompts_keep_the_system_message_and_begin_with_the_user() -> None:
    assert list(shorter_prompts([S, U, A, U, A, U])) == [[S, U, A, U], [S, U]]
    assert list(shorter_prompts([U, U])) == [[U]]
    assert list(shorter_prompts([S, U])) == []
    assert list(shorter_prompts([])) == []


def test_a_prompt_loses_as_few_of_its_oldest_messages_as_fit(tokenizer: PreTrainedTokenizerFast) -> None:
    last = "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"
    room = length(tokenizer, EXCHANGE + last) + length(tokenizer, "yes<|im_end|>")
    result = tokenized(tokenizer, [U, A, U, A, U], "yes", "no", max_length=room, truncation="truncate_prompt")
    [pair] = result.pairs
    assert tokenizer.decode(pair.prompt_ids) == EXCHANGE + last
    assert tokenizer.decode(pair.chosen_ids) == "yes<|im_end|>"
    assert result.notes["truncated"] == 1
    [shorter] = tokenized(
        tokenizer, [U, A, U, A, U], "yes", "no", max_length=room - 1, truncation="truncate_prompt"
    ).pairs
    assert tokenizer.decode(shorter.prompt_ids) == last


def test_a_last_turn_that_does_not_fit_is_dropped(tokenizer: PreTrainedTokenizerFast) -> None:
    result = tokenized(tokenizer, [U, A, U], "y" * 50, "no", max_length=40, truncation="truncate_prompt")
    assert result.pairs == []
    [row] = result.dropped["over_max_length"]
    assert (row["pair_id"], row["row_id"], row["threshold"]) == ("p", "r", 40)
    assert (
        row["value"]
        == length(tokenizer, EXCHANGE)
        + length(tokenizer, "<|im_start|>user\nu<|im_end|>\n")
        + length(tokenizer, "<|im_start|>assistant\n")
        + 51
    )


def test_a_prompt_over_its_own_limit_is_dropped_whatever_the_policy(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    prompt = length(tokenizer, EXCHANGE + "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n")
    limits = {"max_length": prompt + 2, "truncation": "truncate_response"}
    [pair] = tokenized(tokenizer, [U, A, U], "yes", "no", max_prompt_length=prompt, **limits).pairs
    assert len(pair.prompt_ids) == prompt
    for policy in ("drop", "truncate_prompt", "truncate_response"):
        result = tokenized(
            tokenizer,
            [U, A, U],
            "yes",
            "no",
            **limits | {"truncation": policy, "max_prompt_length": prompt - 1},
        )
        assert result.pairs == []
        [row] = result.dropped["prompt_over_max_length"]
        assert (row["value"], row["threshold"]) == (prompt, prompt - 1)


def test_responses_that_are_the_same_once_cut_are_dropped(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = length(tokenizer, "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n")
    cut = {"max_length": prompt + 3, "truncation": "truncate_response"}
    assert set(tokenized(tokenizer, [U], "yes it is", "yes and no", **cut).dropped) == {
        "same_after_truncation"
    }
    [pair] = tokenized(tokenizer, [U], "yes it is", "no", **cut).pairs
    assert tokenizer.decode(pair.chosen_ids) == "yes"
    assert tokenizer.decode(pair.rejected_ids) == "no<|im_end|>"


def test_loss_on_all_assistant_turns_marks_them_with_their_eos(tokenizer: PreTrainedTokenizerFast) -> None:
    [last] = tokenized(tokenizer, [U, A, U], "yes", "no").pairs
    [every] = tokenized(tokenizer, [U, A, U], "yes", "no", loss_on="all_assistant_turns").pairs
    assert last.prompt_ids.tolist() == every.prompt_ids.tolist()
    assert not last.prompt_mask.any()
    assert tokenizer.decode(every.prompt_ids[every.prompt_mask]) == "a<|im_end|>"
    assert every.chosen_mask.all() and every.rejected_mask.all()


def test_what_was_done_is_noted() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] != 'system' %}"
        "{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
    )
    notes = tokenized(tokenizer, [S, U], "y<|im_end|>s", "no").notes
    assert (notes["systems_folded"], notes["inner_eos"], notes["merged_boundaries"]) == (1, 1, 0)


def test_an_eos_that_is_no_token_is_refused() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    tokenizer._tokenizer = Tokenizer.from_str(
        tokenizer.backend_tokenizer.to_str().replace('"content":"<|im_end|>"', '"content":"<|im_over|>"')
    )
    with pytest.raises(PipelineError, match=r"does not take its own EOS.*pair_id p, column chosen"):
        tokenized(tokenizer, [U], "yes", "no")


@given(
    prompt=st.lists(st.text(alphabet="ab \n", min_size=1, max_size=20), min_size=1, max_size=5),
    chosen=st.text(alphabet="yz \n", min_size=1, max_size=30),
    rejected=st.text(alphabet="yz \n", min_size=1, max_size=30),
    max_length=st.integers(30, 120),
    truncation=st.sampled_from(["drop", "truncate_prompt", "truncate_response"]),
)
def test_no_policy_gives_an_empty_response_or_one_that_is_too_long(
    prompt: list[str], chosen: str, rejected: str, max_length: int, truncation: str
) -> None:
    tokenizer = make_tokenizer()
    roles = ["user" if place % 2 == (len(prompt) - 1) % 2 else "assistant" for place in range(len(prompt))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, prompt, strict=True)]
    result = tokenized(tokenizer, messages, chosen, rejected, max_length=max_length, truncation=truncation)
    assert len(result.pairs) + sum(map(len, result.dropped.values())) == 1
    for pair in result.pairs:
        assert pair.longest <= max_length
        for ids in (pair.chosen_ids, pair.rejected_ids):
            assert len(ids)
            cut = truncation == "truncate_response" and len(pair.prompt_ids) + len(ids) == max_length
            assert ids[-1] == tokenizer.eos_token_id or cut
            assert ids.tolist().count(tokenizer.eos_token_id) <= 1
