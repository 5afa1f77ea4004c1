"""The score that ranks a completion: UltraFeedback's 10s that were 1s, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from pipeline.pairs.binarize import binarize
from pipeline.pairs.scoring import count_scores, score_completions
from pipeline.params import BinarizeParams

Frame = Callable[..., pl.DataFrame]
DEFAULT = BinarizeParams()


def entries(ledger: Any) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = ledger.frame().select("row_id", "reason").rows()
    return rows


SUSPECTS = {
    "one": [("x", 10.0, 1.75), ("y", 4.0, 3.0)],
    "edge_one": [("x", 10.0, 2.0), ("y", 4.0, 3.0)],
    "doubtful": [("x", 10.0, 3.0), ("y", 4.0, 3.0)],
    "spare": [("x", 10.0, 2.5), ("y", 4.0, 3.0), ("z", 7.0, 4.5)],
    "edge_ten": [("x", 10.0, 4.0), ("y", 4.0, 3.0)],
    "unrated": [("x", 10.0, None), ("y", 4.0, None)],
    "near": [("x", 9.5, 1.0), ("y", 4.0, 3.0)],
}


@pytest.mark.parametrize(
    ("repair", "chosen", "aside"),
    [
        (
            "by_fine_grained",
            {"one": "y", "edge_one": "y", "spare": "z", "edge_ten": "x", "unrated": "x", "near": "x"},
            {"doubtful"},
        ),
        (
            "drop",
            {"spare": "z", "edge_ten": "x", "unrated": "x", "near": "x"},
            {"one", "edge_one", "doubtful"},
        ),
        ("none", dict.fromkeys(SUSPECTS, "x"), set()),
    ],
)
def test_overall_repair(completions: Frame, repair: Any, chosen: dict[str, str], aside: set[str]) -> None:
    pairs, ledger = binarize(BinarizeParams(overall_repair=repair), completions(SUSPECTS))
    assert dict(pairs.select("row_id", "chosen").rows()) == chosen
    assert {(row, reason) for row, reason in entries(ledger)} == {
        (row, "undecidable_overall_score") for row in aside
    }


def test_a_repaired_score_is_a_one(completions: Frame) -> None:
    pairs, _ = binarize(DEFAULT, completions({"a": SUSPECTS["one"]}))
    assert pairs.select("chosen_score", "rejected_score", "margin").row(0) == (4.0, 1.0, 3.0)


def test_repair_is_for_overall_scores_only(completions: Frame) -> None:
    frame = completions(SUSPECTS)
    scored = score_completions(BinarizeParams(score="fine_grained", overall_repair="drop"), frame)
    assert not scored["repaired"].any() and not scored["undecidable"].any()
    assert scored["score"].equals(frame["fine_grained_score"])


@pytest.mark.parametrize(
    "items", [[("", 10.0, 3.0), ("y", 4.0)], [("x", 10.0, 3.0), ("y", None)], [("x", 10.0, 3.0)]]
)
def test_a_row_with_too_few_anyway_does_not_blame_the_repair(completions: Frame, items: list[Any]) -> None:
    _, ledger = binarize(DEFAULT, completions({"a": items}))
    assert entries(ledger) == [("a", "too_few_completions")]


def test_scores_are_counted(completions: Frame) -> None:
    frame = completions({**SUSPECTS, "more": [("", None), ("x", None)]})
    assert count_scores(DEFAULT, frame) == {
        "completions": 17,
        "unscored_completions": 2,
        "repaired_scores": 2,
        "undecidable_scores": 2,
        "blank_completions": 1,
    }


def test_the_mean_of_the_ratings_there_are(completions: Frame) -> None:
    frame = completions({"r": [("x", 9.0, 1.0), ("y", 2.0, 5.0)]}).with_columns(
        instruction_following=pl.Series([5.0, None]), truthfulness=pl.Series([4.0, None]), helpfulness=1.5
    )
    scored = score_completions(BinarizeParams(score="aspect_mean"), frame)
    assert scored["score"].to_list() == [3.5, 1.5]
    unrated = score_completions(BinarizeParams(score="aspect_mean"), completions({"r": [("x", 9.0)]}))
    assert unrated["score"].to_list() == [None]
