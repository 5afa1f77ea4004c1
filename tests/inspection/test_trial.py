"""The data stages on a sample: their own counts, and where they would stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from pipeline.inspection.trial import Trial, try_stages
from pipeline.params import Params

Frame = Callable[..., pl.DataFrame]

RATED: dict[str, list[tuple[Any, ...]]] = {
    "r1": [("a good long answer", 4.0), ("a bad one", 1.0)],
    "r2": [("equal here", 3.0), ("equal there", 3.0)],
    "r3": [("close one", 3.0), ("close two", 2.75)],
    "r4": [("best of two", 5.0), ("<|im_start|>user leak", 2.0)],
    "r5": [("lonely", 5.0), ("", 2.0)],
    "r6": [("again a good answer", 4.5), ("again a bad one", 1.5)],
}
OFF = {"decontaminate": {"benchmarks": []}, "split": {"validation": 0.0, "test": 0.0}}


def tried(completions: pl.DataFrame, whole: bool = True, **sections: Any) -> Trial:
    return try_stages(Params(**{**OFF, **sections}), completions, whole, None)


def test_each_stage_counts_what_it_drops_and_why(completions: Frame) -> None:
    trial = tried(completions(RATED))
    assert [(each.stage, each.unit, each.taken, each.kept, each.dropped) for each in trial.stages] == [
        ("binarize", "rows", 6, 3, {"margin_below_minimum": 1, "tie": 1, "too_few_completions": 1}),
        ("filter", "pairs", 3, 2, {"role_leakage": 1}),
        ("decontaminate", "pairs", 2, 2, {}),
        ("dedupe", "pairs", 2, 2, {}),
        ("split", "pairs", 2, 2, {}),
    ]
    assert trial.stopped is None
    assert sorted(trial.pairs["chosen"].to_list()) == ["a good long answer", "again a good answer"]
    assert sorted(trial.margins.to_list()) == [0.0, 0.25, 3.0, 3.0, 3.0]


def test_a_part_of_the_source_is_not_split(completions: Frame) -> None:
    trial = tried(completions(RATED), whole=False, split={"validation": 500, "test": 500})
    assert [each.stage for each in trial.stages] == ["binarize", "filter", "decontaminate", "dedupe"]
    assert trial.stopped is None and trial.pairs.height == 2


def test_a_stage_left_with_nothing_is_where_it_stops(completions: Frame) -> None:
    trial = tried(completions(RATED), filter={"min_response_chars": 99})
    assert [each.stage for each in trial.stages] == ["binarize", "filter"]
    assert str(trial.stopped) == (
        "Stage filter would be left with no pairs. Found: response_too_short: 3. Expected: at least one pair "
        "of 3 pairs. Look at the reasons, and at what check would change."
    )
    assert (trial.made.height, trial.pairs.height) == (3, 0)


def test_an_empty_split_stops_it(completions: Frame) -> None:
    trial = tried(completions({"r1": RATED["r1"]}), split={"validation": 0.5, "test": 0.0})
    assert trial.stopped is not None and "split is empty" in str(trial.stopped)


def test_a_benchmark_list_that_is_not_there_stops_it(completions: Frame) -> None:
    lists = {"benchmarks": [{"name": "gone", "path": "nowhere.jsonl"}]}
    trial = tried(completions(RATED), decontaminate=lists)
    assert trial.stopped is not None and trial.stopped.file == "nowhere.jsonl"
    assert [each.stage for each in trial.stages] == ["binarize", "filter"]


def test_a_limit_in_tokens_waits_for_the_tokenizer(completions: Frame) -> None:
    trial = tried(completions(RATED), filter={"max_tokens": 1})
    assert trial.notes == ["filter.max_tokens is not tried: the base model's tokenizer is not here yet."]
    assert trial.stopped is None
