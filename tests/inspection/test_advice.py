"""What the sample speaks for: each piece of advice with the numbers it rests on, and silence below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.inspection.advice import Change, observations, sample_changes
from pipeline.inspection.facts import PairFacts, pair_facts
from pipeline.inspection.lengths import TokenFindings
from pipeline.inspection.trial import StageTrial, Trial
from pipeline.params import BinarizeParams, Params

Frame = Callable[..., pl.DataFrame]

QUIET = PairFacts(
    chosen_longer=0.5,
    responses_chars=(10.0, 10.0),
    margins=100,
    short_margins=0,
    fitting_margin=1.0,
    commonest_score=3.0,
    commonest_share=0.2,
    has_aspects=True,
)


def facts(**changed: Any) -> PairFacts:
    return PairFacts(**{**QUIET.__dict__, **changed})


def trial(stage: str = "filter", taken: int = 100, **dropped: int) -> Trial:
    kept = taken - sum(dropped.values())
    return Trial(taken, [StageTrial(stage, "pairs", taken, kept, dropped, 0.1)])


def tokens(*lengths: int) -> TokenFindings:
    whole = np.array(lengths, np.int64)
    parts = {"prompt": whole, "chosen": whole, "rejected": whole, "pair": whole}
    return TokenFindings(parts, {}, 0, {}, [], 0.1)


def changes(
    asked: Params | None = None,
    tried: Trial | None = None,
    seen: PairFacts = QUIET,
    measured: TokenFindings | None = None,
    longest: int | None = 8192,
) -> list[tuple[str, Any]]:
    found = sample_changes(asked or Params(), tried or Trial(0), seen, measured, longest)
    return [(change.key, change.value) for change in found]


def test_facts_of_a_sample(completions: Frame, pairs: Frame) -> None:
    rated = completions(
        {
            "r1": [("a", 5.0, None, None, {"honesty": 3.0}), ("b", 5.0)],
            "r2": [("c", 5.0, None, None, {"honesty": 3.0}), ("d", None)],
        }
    )
    made = pairs(
        {"chosen": "four", "rejected": "no"},
        {"chosen": "seven..", "rejected": "no"},
        {"chosen": "a", "rejected": "nine....."},
        {"chosen": "same", "rejected": "long"},
    )
    margins = pl.Series("margin", [0.0, 0.249, 0.3, 2.0, 3.0])
    assert pair_facts(BinarizeParams(), rated, made, margins) == PairFacts(
        chosen_longer=2 / 3,
        responses_chars=(4.0, 4.25),
        margins=4,
        short_margins=2,
        fitting_margin=0.24,
        commonest_score=5.0,
        commonest_share=1.0,
        has_aspects=True,
    )


def test_facts_of_a_sample_without_scores(completions: Frame, pairs: Frame) -> None:
    labelled = completions({"r1": [("a", None, None, "chosen"), ("b", None, None, "rejected")]})
    empty = pl.Series("margin", [], pl.Float64)
    assert pair_facts(BinarizeParams(), labelled, pairs().clear(), empty) == PairFacts(
        None, None, 0, 0, None, None, 0.0, False
    )


def test_all_is_well() -> None:
    assert changes(tried=trial(role_leakage=19), measured=tokens(*[100] * 99, 2000)) == []
    assert observations(QUIET) == []


@pytest.mark.parametrize(("short", "expected"), [(49, []), (50, [("binarize.min_margin", 0.1)])])
def test_a_minimum_that_many_margins_miss(short: int, expected: list[tuple[str, float]]) -> None:
    assert changes(seen=facts(short_margins=short, fitting_margin=0.1)) == expected


def test_a_preset_has_its_own_minimum() -> None:
    asked = Params(binarize={"preset": "h4"})
    assert changes(asked, trial("binarize", tie=90), facts(short_margins=90)) == []


def test_ties_that_aspects_could_part() -> None:
    assert changes(tried=trial("binarize", tie=20)) == [("binarize.ties", "keep_by_secondary_score")]
    assert changes(tried=trial("binarize", tie=20), seen=facts(has_aspects=False)) == []
    assert changes(tried=trial("binarize", tie=19)) == []


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("role_leakage", ("filter.role_leakage", "chosen")),
        ("constant_response", ("filter.max_prompts_per_response", None)),
        ("other_language", ("filter.languages", [])),
    ],
)
def test_a_rule_that_drops_much(reason: str, change: tuple[str, Any]) -> None:
    dropped: dict[str, Any] = {reason: 20}
    assert changes(tried=trial(**dropped)) == [change]
    [found] = sample_changes(Params(), trial(**dropped), QUIET, None, None)
    assert found == Change(*change, f"{reason} drops 20 of 100 pairs")


def test_every_switch_is_a_key_with_a_valid_value() -> None:
    from pipeline.inspection import advice
    from pipeline.pairs.filters import RULES

    for reason, (key, value) in advice._SWITCHES.items():
        assert reason in RULES
        section, name = key.split(".")
        assert getattr(getattr(Params(**{section: {name: value}}), section), name) == value


def test_prompts_that_come_again_and_again() -> None:
    many = trial("dedupe", near_duplicate_prompt=10, exact_duplicate_prompt=10)
    assert changes(tried=many) == [("dedupe.by", "prompt_and_responses")]
    assert changes(Params(dedupe={"by": "prompt_and_responses"}), many) == []


LONG = [*[500] * 90, *[1500] * 9, 3000]


@pytest.mark.parametrize(
    ("longest", "asked", "expected"),
    [
        # The 99th of 100 sorted lengths with method "higher" is the longest: 3,000, in steps of 128.
        pytest.param(8192, {}, [("tokenize.max_length", 3072)], id="room"),
        pytest.param(None, {}, [("tokenize.max_length", 3072)], id="unknown"),
        pytest.param(2048, {}, [("tokenize.max_length", 2048)], id="as_far_as_the_model"),
        pytest.param(1024, {}, [("tokenize.truncation", "truncate_response")], id="no_room"),
        pytest.param(1024, {"truncation": "truncate_prompt"}, [], id="cut_already"),
    ],
)
def test_pairs_longer_than_the_limit(
    longest: int | None, asked: dict[str, Any], expected: list[tuple[str, Any]]
) -> None:
    assert changes(Params(tokenize=asked), measured=tokens(*LONG), longest=longest) == expected


def test_lengths_that_tell_the_sides_apart_are_told() -> None:
    [longer] = observations(facts(chosen_longer=0.8))
    assert longer.startswith("Chosen is longer than rejected in 80% of the pairs")
    [shorter] = observations(facts(chosen_longer=0.25))
    assert shorter.startswith("Chosen is shorter than rejected in 75% of the pairs")


def test_scores_that_hardly_differ_are_told() -> None:
    [said] = observations(facts(commonest_share=0.85, commonest_score=4.0))
    assert said.startswith("Scores hardly differ: 85% of the scored responses have 4.")
