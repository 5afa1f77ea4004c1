"""Folds, ranks and what several signals come to together."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.suspects.combine import STACKED, length_margins, stacked_margins, suspicion
from pipeline.evaluation.suspects.folds import assign_folds
from pipeline.evaluation.suspects.parts import Columns, Parts


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(2, 5), st.integers(0, 3))
def test_folds_keep_clusters_whole_and_are_of_like_size(clusters: list[int], folds: int, seed: int) -> None:
    pairs = pl.DataFrame(
        {
            "pair_id": [f"p{place}" for place in range(len(clusters))],
            "cluster_id": [f"c{cluster}" for cluster in clusters],
        }
    )
    found = assign_folds(pairs, folds, seed)
    assert found["pair_id"].to_list() == pairs["pair_id"].to_list()
    joined = found.join(pairs, on="pair_id")
    assert set(joined.group_by("cluster_id").agg(pl.col("fold").n_unique())["fold"]) == {1}
    sizes = [int((found["fold"] == fold).sum()) for fold in range(folds)]
    largest = max(clusters.count(cluster) for cluster in set(clusters))
    assert max(sizes) - min(sizes) <= largest
    turned = assign_folds(pairs.reverse(), folds, seed)
    assert turned.sort("pair_id").equals(found.sort("pair_id"))


def test_another_seed_deals_other_folds() -> None:
    names = [f"p{number}" for number in range(40)]
    pairs = pl.DataFrame({"pair_id": names, "cluster_id": names})
    assert not assign_folds(pairs, 5, 0).equals(assign_folds(pairs, 5, 1))


def test_suspicion_is_the_mean_of_ranks_from_the_lowest_margin_down() -> None:
    signals = pl.DataFrame({"a": [3.0, -1.0, 2.0, 0.0, 5.0], "b": [1.0, 0.0, 0.0, 7.0, 9.0]})
    # Ranks of a: 3, -1, 2, 0, 5 -> 1/4, 1, 2/4, 3/4, 0; of b, the two zeros level: 2/4, 7/8, 7/8, 1/4, 0.
    assert suspicion(signals, ["a"]).to_list() == [0.25, 1.0, 0.5, 0.75, 0.0]
    assert suspicion(signals, ["a", "b"]).to_list() == [0.375, 0.9375, 0.6875, 0.5, 0.0]
    assert suspicion(signals.head(1), ["a"]).to_list() == [0.0]


def test_length_margins_by_hand() -> None:
    pairs = pl.DataFrame({"chosen": ["abc", "", "ä"], "rejected": ["a", "abc", "b"]})
    assert length_margins(pairs).to_list() == pytest.approx([math.log(4 / 2), math.log(1 / 4), 0.0])


def test_a_signal_that_points_the_wrong_way_is_turned() -> None:
    """Shorter is better here, and the only signal that says anything is the length."""
    lengths = [-1.0 - 0.01 * place for place in range(60)]
    lengths[7] = 2.0
    signals = pl.DataFrame(
        {name: lengths if name == "length_margin" else [0.0] * 60 for name in STACKED}
        | {"fold": [place % 3 for place in range(60)]}
    )
    margins = stacked_margins(signals)
    assert margins.argmin() == 7 and margins[7] < 0 < margins[6]


def test_a_part_is_made_once_and_other_params_make_others(tmp_path: Path) -> None:
    made: list[str] = []

    def make(name: str) -> Columns:
        made.append(name)
        return {"margin": [1.5, -0.1]}

    parts = Parts(tmp_path / "parts", {"seed": 0})
    assert parts.get("fold-0", lambda: make("first")) == {"margin": [1.5, -0.1]}
    again = Parts(tmp_path / "parts", {"seed": 0})
    assert again.get("fold-0", lambda: make("again")) == {"margin": [1.5, -0.1]}
    Parts(tmp_path / "parts", {"seed": 1}).get("fold-0", lambda: make("other"))
    assert made == ["first", "other"]
    parts.clear()
    assert not (tmp_path / "parts").exists()
