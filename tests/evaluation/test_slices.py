"""Slices: what falls where, and the metrics of each part."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.slices import (
    LENGTH_GAP,
    PROMPT_TOKENS,
    SCORE_MARGIN,
    SLICES,
    TURNS,
    UNKNOWN,
    Buckets,
    slice_pairs,
)
from pipeline.intervals import wilson_interval
from pipeline.schema import EVALUATED_PAIRS, EVALUATED_SLICES
from pipeline.validation import validate


def evaluated(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Evaluated pairs, each a prompt of its own unless it says otherwise."""
    filled = [
        {
            "pair_id": f"pair{place}",
            "model": "trained",
            "prompt_id": f"prompt{place}",
            "source": "s",
            "chosen_model": "a",
            "rejected_model": "b",
            "turns": 1,
            "margin": 1.0,
            "chosen_logp": -1.0,
            "rejected_logp": -2.0,
            "log_odds_margin": 1.0,
            "odds_ratio_term": 0.3,
            "correct": True,
            "prompt_tokens": 10,
            "chosen_tokens": 5,
            "rejected_tokens": 5,
            **row,
        }
        for place, row in enumerate(rows)
    ]
    return pl.DataFrame(filled, schema=EVALUATED_PAIRS.schema())


def parts(found: pl.DataFrame, name: str) -> dict[str, int]:
    return dict(found.filter(slice=name).select("value", "pairs").iter_rows())


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        (
            SCORE_MARGIN,
            {
                "below 0": [-3.0, -0.1],
                "0 to 0.5": [0.0, 0.49],
                "0.5 to 1": [0.5, 0.99],
                "1 to 2": [1.0, 1.99],
                "2 to 4": [2.0, 3.99],
                "4 to 6": [4.0, 5.99],
                "from 6": [6.0, 9.0],
                UNKNOWN: [None],
            },
        ),
        (
            LENGTH_GAP,
            {
                "over 100 shorter": [-900, -101],
                "21 to 100 shorter": [-100, -21],
                "1 to 20 shorter": [-20, -1],
                "same length": [0],
                "1 to 20 longer": [1, 20],
                "21 to 100 longer": [21, 100],
                "over 100 longer": [101, 900],
            },
        ),
        (TURNS, {"1": [1], "2": [2], "3": [3], "4 or more": [4, 9]}),
        (
            PROMPT_TOKENS,
            {
                "under 64": [1, 63],
                "64 to 127": [64, 127],
                "128 to 255": [128, 255],
                "256 to 511": [256, 511],
                "512 to 1023": [512, 1023],
                "1024 or more": [1024, 9000],
            },
        ),
    ],
    ids=["margin", "length", "turns", "prompt"],
)
def test_values_fall_where_their_label_says(
    buckets: Buckets, expected: dict[str, list[float | None]]
) -> None:
    pairs = [(value, label) for label, values in expected.items() for value in values]
    frame = pl.DataFrame({"value": [value for value, _ in pairs]}).select(value=buckets.part(pl.col("value")))
    assert frame["value"].to_list() == [label for _, label in pairs]
    assert set(buckets.labels) == set(expected) - {UNKNOWN}


def test_parts_and_their_metrics_by_hand() -> None:
    found = slice_pairs(
        evaluated(
            [
                {"source": "flan", "chosen_tokens": 40, "log_odds_margin": 2.0, "chosen_logp": -3.0},
                {"source": "flan", "correct": False, "rejected_model": None, "rejected_logp": -4.0},
                {"source": "evol", "margin": None, "turns": 5, "chosen_tokens": 1},
            ]
        )
    )
    validate(found, EVALUATED_SLICES)
    assert found["slice"].unique(maintain_order=True).to_list() == list(SLICES)
    assert parts(found, "source") == {"evol": 1, "flan": 2}
    assert parts(found, "score_margin") == {"1 to 2": 2, UNKNOWN: 1}
    assert parts(found, "length_gap") == {"1 to 20 shorter": 1, "same length": 1, "21 to 100 longer": 1}
    assert parts(found, "model_pair") == {"a over b": 2, "a over unknown": 1}
    assert parts(found, "turns") == {"1": 2, "4 or more": 1}
    assert list(parts(found, "length_gap")) == ["1 to 20 shorter", "same length", "21 to 100 longer"]
    low, high = wilson_interval(0.5, 2)
    assert found.filter(slice="source", value="flan").rows(named=True) == [
        {
            "model": "trained",
            "slice": "source",
            "value": "flan",
            "pairs": 2,
            "accuracy": 0.5,
            "accuracy_low": pytest.approx(low),
            "accuracy_high": pytest.approx(high),
            "log_odds_margin": 1.5,
            "chosen_nll": 2.0,
            "rejected_nll": 3.0,
        }
    ]


def test_pairs_of_one_prompt_widen_the_interval() -> None:
    rows = [{"correct": place < 8, "prompt_id": f"prompt{place // 4}"} for place in range(12)]
    clustered = slice_pairs(evaluated(rows)).filter(slice="source").row(0, named=True)
    low, high = wilson_interval(2 / 3, 3)
    assert (clustered["accuracy_low"], clustered["accuracy_high"]) == pytest.approx((low, high))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "source": st.sampled_from(["a", "b", "unknown"]),
                "margin": st.none() | st.floats(-9, 9),
                "turns": st.integers(1, 6),
                "prompt_tokens": st.integers(1, 3000),
                "chosen_tokens": st.integers(1, 400),
                "rejected_tokens": st.integers(1, 400),
                "chosen_model": st.none() | st.sampled_from(["x", "y"]),
                "correct": st.booleans(),
                "prompt_id": st.sampled_from(["p", "q", "r", "s"]),
            }
        ),
        min_size=1,
        max_size=25,
    )
)
def test_each_slice_parts_all_pairs(rows: list[dict[str, Any]]) -> None:
    scored = evaluated(rows)
    found = slice_pairs(scored)
    validate(found, EVALUATED_SLICES)
    right = scored["correct"].sum()
    for name in SLICES:
        part = found.filter(slice=name)
        assert part["pairs"].sum() == scored.height
        assert (part["pairs"] * part["accuracy"]).sum() == pytest.approx(right)
