"""Intervals, paired differences and the length baseline, on tables small enough to work out by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pipeline.evaluation.comparison import (
    INSTRUCTION_SUCCESS,
    checked,
    compare,
    differences,
    intervals,
    length_baseline,
)
from pipeline.evaluation.preference import MEASURES, pair_facts, summarise_pairs
from pipeline.evaluation.statistics import Resampling
from pipeline.intervals import wilson_interval
from pipeline.schema import SPLIT_PAIRS

RESAMPLING = Resampling(1000, seed=0)


def scored(correct: list[bool], prompts: list[str], shift: float = 0.0) -> pl.DataFrame:
    """Pairs that are right or wrong; every other number follows from the place of the pair."""
    return pl.DataFrame(
        {
            "pair_id": [f"pair{place}" for place in range(len(correct))],
            "prompt_id": prompts,
            "correct": correct,
            "log_odds_margin": [1.0 if right else -1.0 for right in correct],
            "odds_ratio_term": [0.25 if right else 1.25 for right in correct],
            "chosen_logp": [-1.0 - place + shift for place in range(len(correct))],
            "rejected_logp": [-2.0 - place for place in range(len(correct))],
        }
    )


def answers(success: list[bool | None]) -> pl.DataFrame:
    ids = [f"p{place}" for place in range(len(success))]
    columns = {"prompt_id": ids, "success": success}
    rows = pl.DataFrame(columns, schema_overrides={"success": pl.Boolean})
    return rows.with_columns(decoding=pl.lit("greedy"), sample=pl.lit(0))


def test_every_measure_has_an_interval_around_its_mean() -> None:
    rows = scored([True, False, True, True, False, True], list("aabbcd"))
    found, means = intervals(rows, MEASURES, RESAMPLING), summarise_pairs(rows)
    assert list(found) == list(MEASURES)
    for name, ends in found.items():
        assert ends["low"] < means[name] < ends["high"], name


def test_intervals_do_not_depend_on_the_order_of_the_pairs() -> None:
    rows = scored([True, False, True, True, False, True], list("aabbcd"))
    turned = intervals(rows.reverse(), MEASURES, RESAMPLING)
    for name, ends in intervals(rows, MEASURES, RESAMPLING).items():
        assert ends == pytest.approx(turned[name])


def test_all_right_is_not_taken_for_certain() -> None:
    rows = scored([True] * 6, list("abcdef"))
    found = intervals(rows, MEASURES, RESAMPLING)
    low, high = wilson_interval(1.0, 6)
    assert found["accuracy"] == {"low": pytest.approx(low), "high": pytest.approx(high)}
    assert low < 0.7 and high == 1.0


def test_one_prompt_has_no_interval() -> None:
    assert intervals(scored([True, False], ["a", "a"]), MEASURES, RESAMPLING) == {}
    assert intervals(checked(answers([None, None])), INSTRUCTION_SUCCESS, RESAMPLING) == {}


def test_differences_are_paired() -> None:
    """Chosen NLLs differ by the same 0.5 on each pair: no spread, whatever that of the NLLs themselves."""
    prompts = list("abcdef")
    first = scored([True] * 5 + [False], prompts, shift=0.5)
    second = scored([False, False, True, True, True, False], prompts)
    found = differences(first, second.reverse(), ["pair_id"], MEASURES, RESAMPLING)
    assert found["chosen_nll"] == {"difference": -0.5, "low": -0.5, "high": -0.5, "p_value": 2 / 64}
    assert found["rejected_nll"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0}
    # Two pairs gained, none lost: both flips of two that are as far from 0, of four.
    assert found["accuracy"]["difference"] == pytest.approx(2 / 6)
    assert found["accuracy"]["p_value"] == 0.5
    assert found["log_odds_margin"]["difference"] == pytest.approx(4 / 6)


def test_pairs_of_a_prompt_count_together() -> None:
    """Six gained pairs of two prompts are no more evidence against chance than two would be."""
    first, second = (scored([right] * 6, list("aaabbb")) for right in (True, False))
    assert differences(first, second, ["pair_id"], MEASURES, RESAMPLING)["accuracy"]["p_value"] == 0.5


def test_one_prompt_has_a_difference_without_an_interval() -> None:
    first, second = (scored([right], ["a"]) for right in (True, False))
    found = differences(first, second, ["pair_id"], MEASURES, RESAMPLING)
    assert found["accuracy"] == {"difference": 1.0, "low": None, "high": None, "p_value": 1.0}


def test_each_model_is_compared_with_those_before_it() -> None:
    prompts = list("abcd")
    rows = {
        "base": scored([False, False, True, False], prompts),
        "trained": scored([True, True, True, False], prompts),
        "dpo": scored([True, True, True, True], prompts),
    }
    said = {
        "base": answers([False, False, None]),
        "trained": answers([True, False, None]),
        "dpo": answers([True, True, None]),
    }
    found = compare(rows, said, RESAMPLING)
    assert list(found) == ["trained_vs_base", "dpo_vs_base", "dpo_vs_trained"]
    gains = {name: change["accuracy"]["difference"] for name, change in found.items()}
    assert gains == {"trained_vs_base": 0.5, "dpo_vs_base": 0.75, "dpo_vs_trained": 0.25}
    assert found["trained_vs_base"]["instruction_success"]["difference"] == 0.5
    assert found["dpo_vs_base"]["instruction_success"]["difference"] == 1.0
    unchecked = {name: answers([None]) for name in rows}
    assert "instruction_success" not in compare(rows, unchecked, RESAMPLING)["dpo_vs_base"]


def test_the_length_baseline_by_hand() -> None:
    rows = pl.DataFrame(
        {"prompt_id": list("abcd"), "chosen_tokens": [9, 5, 2, 7], "rejected_tokens": [3, 5, 6, 1]}
    )
    # Longer twice, shorter once, alike once.
    found = length_baseline(rows, RESAMPLING)
    assert (found["choose_longer"], found["choose_shorter"]) == (0.625, 0.375)
    ends = found["intervals"]
    assert ends["choose_longer"]["low"] < 0.625 < ends["choose_longer"]["high"]
    always = length_baseline(rows.filter(pl.col("chosen_tokens") > pl.col("rejected_tokens")), RESAMPLING)
    assert (always["choose_longer"], always["choose_shorter"]) == (1.0, 0.0)
    low, _ = wilson_interval(1.0, 2)
    assert always["intervals"]["choose_longer"] == {"low": pytest.approx(low), "high": 1.0}


def test_turns_are_the_users_messages() -> None:
    prompts = [
        [("system", "s"), ("user", "u")],
        [("user", "u"), ("assistant", "a"), ("user", "u")],
        [("system", "s")],
    ]
    rows: list[dict[str, Any]] = [
        {
            **dict.fromkeys(SPLIT_PAIRS.columns),
            "pair_id": f"pair{place}",
            "prompt": [{"role": role, "content": text} for role, text in prompt],
            "chosen_model": "m",
        }
        for place, prompt in enumerate(prompts)
    ]
    found = pair_facts(pl.DataFrame(rows, schema=SPLIT_PAIRS.schema()))
    assert found["turns"].to_list() == [1, 2, 0]
    assert found["chosen_model"].to_list() == ["m"] * 3
