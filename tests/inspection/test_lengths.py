"""Lengths and what the policy does with them, with one token per byte and three special ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from transformers import PreTrainedTokenizerFast

from pipeline.inspection.lengths import TokenFindings, measure_tokens
from pipeline.params import TokenizeParams

Frame = Callable[..., pl.DataFrame]

# <|im_start|> user \n, the text, <|im_end|> \n, <|im_start|> assistant \n
AROUND = 1 + 4 + 1 + 1 + 1 + 1 + 9 + 1


def measured(tokenizer: PreTrainedTokenizerFast, pairs: pl.DataFrame, **params: Any) -> TokenFindings:
    return measure_tokens(pairs, tokenizer, TokenizeParams(**params))


@pytest.fixture
def three(pairs: Frame) -> pl.DataFrame:
    return pairs(
        {"pair_id": "a", "prompt": "p" * 3, "chosen": "c" * 10, "rejected": "r" * 4},
        {"pair_id": "b", "prompt": "p" * 5, "chosen": "c" * 2, "rejected": "r" * 30},
        {"pair_id": "c", "prompt": "p" * 40, "chosen": "c" * 6, "rejected": "r" * 7},
    )


def test_lengths_are_those_of_the_template_too(
    tokenizer: PreTrainedTokenizerFast, three: pl.DataFrame
) -> None:
    found = measured(tokenizer, three)
    assert {part: lengths.tolist() for part, lengths in found.lengths.items()} == {
        "prompt": [AROUND + 3, AROUND + 5, AROUND + 40],
        "chosen": [11, 3, 7],
        "rejected": [5, 31, 8],
        "pair": [AROUND + 14, AROUND + 36, AROUND + 48],
    }
    assert (found.pairs, found.cut, dict(found.dropped)) == (3, 0, {})
    assert [pair.pair_id for pair in found.kept] == ["a", "b", "c"]


def test_percentiles_are_lengths_that_occur(tokenizer: PreTrainedTokenizerFast, three: pl.DataFrame) -> None:
    shown = measured(tokenizer, three).percentiles()
    assert shown["chosen"] == {"p50": 7, "p90": 11, "p95": 11, "p99": 11, "max": 11}
    assert shown["pair"]["max"] == AROUND + 48


@pytest.mark.parametrize(
    ("policy", "dropped", "cut", "kept"),
    [
        pytest.param("drop", {"over_max_length": 2}, 0, ["a"], id="drop"),
        # c's prompt alone is longer, and it has no older message to lose; b loses 5 tokens of its rejected.
        pytest.param("truncate_response", {"over_max_length": 1}, 1, ["a", "b"], id="truncate_response"),
        pytest.param("truncate_prompt", {"over_max_length": 2}, 0, ["a"], id="truncate_prompt"),
    ],
)
def test_the_policy_is_the_stage_s_own(
    tokenizer: PreTrainedTokenizerFast,
    three: pl.DataFrame,
    policy: str,
    dropped: dict[str, int],
    cut: int,
    kept: list[str],
) -> None:
    limit = AROUND + 31
    found = measured(tokenizer, three, max_length=limit, truncation=policy)
    assert (dict(found.dropped), found.cut) == (dropped, cut)
    assert [pair.pair_id for pair in found.kept] == kept
    assert found.over(limit) == 2
    assert found.lengths["pair"].tolist() == [AROUND + 14, AROUND + 36, AROUND + 48]
    if policy == "truncate_response":
        assert len(found.kept[1].rejected_ids) == limit - (AROUND + 5)


def test_a_limit_on_prompts_is_kept_too(tokenizer: PreTrainedTokenizerFast, three: pl.DataFrame) -> None:
    found = measured(tokenizer, three, max_prompt_length=AROUND + 5)
    assert dict(found.dropped) == {"prompt_over_max_length": 1}
    assert [pair.pair_id for pair in found.kept] == ["a", "b"]


def test_no_pairs_have_no_percentiles(tokenizer: PreTrainedTokenizerFast, three: pl.DataFrame) -> None:
    found = measured(tokenizer, three.clear())
    assert (found.pairs, found.percentiles(), found.kept) == (0, {}, [])
