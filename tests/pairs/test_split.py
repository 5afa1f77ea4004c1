"""Splits by cluster: where a pair lies, and that it stays there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.files import content_id
from pipeline.pairs import split as module
from pipeline.pairs.split import split
from pipeline.params import SplitParams
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import validate, write_table

Frame = Callable[..., pl.DataFrame]
PARAMS = SplitParams(validation=0.1, test=0.2)


@pytest.fixture(scope="module")
def many(pairs: Frame) -> pl.DataFrame:
    """1,000 pairs in 700 clusters."""
    return pairs(*({"cluster_id": content_id(str(number % 700))} for number in range(1000)))


def place(params: SplitParams, cluster_id: str) -> str:
    drawn = int(content_id(f"cluster {params.seed}", cluster_id), 16) / 2**64
    return (
        "test"
        if drawn < params.test
        else "validation"
        if drawn < params.test + params.validation
        else "train"
    )


def test_the_place_is_a_hash_of_seed_and_cluster(many: pl.DataFrame) -> None:
    placed, ledger = split(PARAMS, many)
    validate(placed, SPLIT_PAIRS)
    assert ledger.counts() == {}
    assert placed["split"].to_list() == [place(PARAMS, cluster) for cluster in placed["cluster_id"]]
    assert placed.equals(placed.sort("split", "pair_id"))


def test_shares_are_those_of_params(many: pl.DataFrame) -> None:
    placed, _ = split(PARAMS, many)
    counts = dict(placed["split"].value_counts().rows())
    assert 620 < counts["train"] < 780 and 60 < counts["validation"] < 140 and 150 < counts["test"] < 250


def test_no_cluster_lies_in_two_splits(many: pl.DataFrame) -> None:
    placed, _ = split(PARAMS, many)
    assert placed.group_by("cluster_id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_another_seed_places_otherwise(many: pl.DataFrame) -> None:
    one, other = (split(SplitParams(seed=seed), many)[0].sort("pair_id")["split"] for seed in (1, 2))
    assert (one != other).sum() > 200


def test_adding_rows_moves_none(many: pl.DataFrame) -> None:
    part = many.filter(pl.col("cluster_id") < "a")
    before = dict(split(PARAMS, part)[0].select("pair_id", "split").rows())
    after = dict(split(PARAMS, many)[0].select("pair_id", "split").rows())
    assert {pair_id: after[pair_id] for pair_id in before} == before


def test_limits_keep_the_smallest_hashes_and_nest(many: pl.DataFrame) -> None:
    full, _ = split(PARAMS, many)
    kept: dict[int, set[str]] = {}
    for most in (10, 25):
        placed, ledger = split(PARAMS.model_copy(update={"max_train": most, "max_test": 3}), many)
        parts = {name: set(placed.filter(pl.col("split") == name)["pair_id"]) for name in PARTS}
        assert (len(parts["train"]), len(parts["test"])) == (most, 3)
        assert parts["validation"] == set(full.filter(pl.col("split") == "validation")["pair_id"])
        train = full.filter(pl.col("split") == "train")["pair_id"].to_list()
        assert parts["train"] == set(sorted(train, key=lambda pair_id: content_id("pair 1", pair_id))[:most])
        assert placed.height + ledger.counts()["over_split_limit"] == many.height
        entries = ledger.frame().filter(pl.col("detail") == "train")
        assert entries["threshold"].unique().to_list() == [most]
        assert sorted(entries["value"]) == [float(rank) for rank in range(most + 1, len(train) + 1)]
        kept[most] = parts["train"]
    assert kept[10] < kept[25]


PARTS = ("train", "validation", "test")


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"test": 0.0001, "validation": 0.3}, "split.test"),
        ({"test": 0.3, "validation": 0.0001}, "split.validation"),
        ({"test": 0.0, "validation": 0.9999}, "split"),
    ],
)
def test_an_empty_split_is_a_fault(pairs: Frame, params: dict[str, Any], key: str) -> None:
    frame = pairs(*({"cluster_id": f"c{number}"} for number in range(20)))
    with pytest.raises(PipelineError, match="split is empty") as caught:
        split(SplitParams(**params), frame)
    error = caught.value
    assert error.key == key
    assert str(error.found).startswith("20 pairs in 20 clusters: ")
    assert error.expected and error.hint


def test_a_share_of_zero_may_be_empty(pairs: Frame) -> None:
    frame = pairs({"cluster_id": "c"})
    placed, _ = split(SplitParams(test=0.0, validation=0.0), frame)
    assert placed["split"].to_list() == ["train"]


def test_a_cluster_on_two_sides_is_refused(many: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_pair(params: SplitParams, pairs: pl.DataFrame) -> pl.Series:
        return pl.Series([PARTS[number % 3] for number in range(pairs.height)])

    monkeypatch.setattr(module, "_places", by_pair)
    with pytest.raises(PipelineError, match="lies in two splits"):
        split(PARAMS, many)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clusters=st.lists(st.integers(0, 9), min_size=1, max_size=20), most=st.integers(1, 5))
def test_conserved_and_blind_to_order(pairs: Frame, clusters: list[int], most: int) -> None:
    frame = pairs(*({"cluster_id": f"c{number}"} for number in clusters))
    params = SplitParams(test=0.0, validation=0.0, max_train=most)
    placed, ledger = split(params, frame)
    out = placed["pair_id"].to_list() + ledger.frame()["pair_id"].to_list()
    assert sorted(out) == sorted(frame["pair_id"])
    shuffled, other = split(params, frame.sample(fraction=1, shuffle=True, seed=6))
    assert shuffled.equals(placed) and other.frame().equals(ledger.frame())


def test_the_order_of_rows_does_not_change_a_byte(many: pl.DataFrame, tmp_path: Path) -> None:
    for seed in range(3):
        placed, _ = split(SplitParams(max_train=100), many.sample(fraction=1, shuffle=True, seed=seed))
        write_table(placed, tmp_path / str(seed), SPLIT_PAIRS)
    assert len({(tmp_path / str(seed)).read_bytes() for seed in range(3)}) == 1
