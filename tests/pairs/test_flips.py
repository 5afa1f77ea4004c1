"""Labels swapped on purpose: which pairs, what changes in them, and that held-out pairs never do."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.files import content_id
from pipeline.pairs.flips import flip_labels
from pipeline.params import SplitParams, parse_params
from pipeline.schema import FLIPPED_PAIRS, SPLIT_PAIRS
from pipeline.validation import validate

Frame = Callable[..., pl.DataFrame]


@pytest.fixture(scope="module")
def placed(pairs: Frame) -> pl.DataFrame:
    """600 pairs, a third in each split."""
    rows = (
        {
            "pair_id": content_id(str(n)),
            "cluster_id": "c",
            "chosen_score": 4.0,
            "rejected_score": 1.5,
            "margin": 2.5,
        }
        for n in range(600)
    )
    splits = pl.Series("split", ["train", "validation", "test"] * 200)
    return pairs(*rows).with_columns(splits).select(list(SPLIT_PAIRS.columns))


def params(share: float, seed: int = 1) -> SplitParams:
    return parse_params({"split": {"flip_train": share, "seed": seed}}).split


def drawn(pair_id: str, seed: int = 1) -> float:
    return int(content_id(f"flip {seed}", pair_id), 16) / 2**64


def test_which_pairs_is_a_hash_of_seed_and_pair_id(placed: pl.DataFrame) -> None:
    _, flipped = flip_labels(params(0.2), placed)
    validate(flipped, FLIPPED_PAIRS)
    train = placed.filter(split="train")["pair_id"].to_list()
    assert flipped["pair_id"].to_list() == [pair_id for pair_id in train if drawn(pair_id) < 0.2]
    assert flipped["draw"].to_list() == [drawn(pair_id) for pair_id in flipped["pair_id"]]
    assert 25 < flipped.height < 55
    other = flip_labels(params(0.2, seed=2), placed)[1]
    assert other["pair_id"].to_list() == [pair_id for pair_id in train if drawn(pair_id, 2) < 0.2]


def test_flipped_pairs_are_turned_round_and_the_others_untouched(placed: pl.DataFrame) -> None:
    found, flipped = flip_labels(params(0.5), placed)
    validate(found, SPLIT_PAIRS)
    is_flipped = found["pair_id"].is_in(flipped["pair_id"].implode())
    assert found.filter(~is_flipped).equals(placed.filter(~is_flipped))
    assert found.filter(pl.col("split") != "train").equals(placed.filter(pl.col("split") != "train"))
    now, before = found.filter(is_flipped), placed.filter(is_flipped)
    for part in ("", "_score", "_model"):
        assert now[f"chosen{part}"].to_list() == before[f"rejected{part}"].to_list()
        assert now[f"rejected{part}"].to_list() == before[f"chosen{part}"].to_list()
    assert now["margin"].to_list() == [-2.5] * now.height
    kept = [name for name in SPLIT_PAIRS.columns if not name.startswith(("chosen", "rejected", "margin"))]
    assert now.select(kept).drop("aspect_margin").equals(before.select(kept).drop("aspect_margin"))


@given(small=st.floats(0, 1), large=st.floats(0, 1))
def test_a_smaller_share_is_a_part_of_a_larger_one(placed: pl.DataFrame, small: float, large: float) -> None:
    less, more = (set(flip_labels(params(share), placed)[1]["pair_id"]) for share in sorted((small, large)))
    assert less <= more


def test_the_ends(placed: pl.DataFrame) -> None:
    same, none = flip_labels(params(0.0), placed)
    assert same.equals(placed) and none.height == 0
    assert flip_labels(params(1.0), placed)[1].height == 200


def test_blocks_are_flipped_as_the_whole(placed: pl.DataFrame) -> None:
    whole, flipped = flip_labels(params(0.3), placed)
    parts = [flip_labels(params(0.3), block) for block in placed.iter_slices(70)]
    assert pl.concat([part for part, _ in parts]).equals(whole)
    assert pl.concat([part for _, part in parts]).equals(flipped)
