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
from pipeline.ledger import Ledger
from pipeline.pairs import split as module
from pipeline.pairs.split import split, split_blocks
from pipeline.params import SplitParams
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import HeldTable, write_table
from pipeline.validation import validate

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
        ({"test": 0.0, "validation": 0.9999}, "split"),
        ({"test": 0.0001, "validation": 0.9998}, "split"),
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


@pytest.mark.parametrize("clusters", [3, 5, 20])
def test_a_share_of_few_rows_is_not_empty(pairs: Frame, clusters: int) -> None:
    frame = pairs(*({"cluster_id": content_id(str(number))} for number in range(clusters)))
    params = SplitParams(test=0.0001, validation=0.0001)
    placed, _ = split(params, frame)
    order = [name for name, _, _ in by_hash(params, frame)]
    found = dict(placed.select("cluster_id", "split").rows())
    assert [found[name] for name in order] == ["test", "validation", *["train"] * (clusters - 2)]


def test_two_clusters_are_too_few_for_three_splits(pairs: Frame) -> None:
    frame = pairs(*({"cluster_id": content_id(str(number))} for number in range(2)))
    with pytest.raises(PipelineError, match="The validation split is empty"):
        split(SplitParams(test=0.0001, validation=0.0001), frame)


def test_a_share_of_zero_may_be_empty(pairs: Frame) -> None:
    frame = pairs({"cluster_id": "c"})
    placed, _ = split(SplitParams(test=0.0, validation=0.0), frame)
    assert placed["split"].to_list() == ["train"]


def test_a_cluster_on_two_sides_is_refused(many: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_pair(params: SplitParams, cluster_ids: pl.Series) -> pl.Series:
        return pl.Series([PARTS[number % 3] for number in range(len(cluster_ids))])

    monkeypatch.setattr(module, "_places", by_pair)
    with pytest.raises(PipelineError, match="lies in two splits"):
        split(PARAMS, many)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
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


# --- counts ---------------------------------------------------------------------------------------------


def by_hash(params: SplitParams, frame: pl.DataFrame) -> list[tuple[str, int, float]]:
    """Clusters in the order of their hashes, each with its pairs and where its hash lies in [0, 1)."""
    sizes = frame["cluster_id"].value_counts().rows()
    drawn = {name: int(content_id(f"cluster {params.seed}", name), 16) / 2**64 for name, _ in sizes}
    return sorted(((name, size, drawn[name]) for name, size in sizes), key=lambda item: item[2])


def counted(params: SplitParams, frame: pl.DataFrame) -> dict[str, str]:
    """The split of each cluster, by plain loops."""
    places, free, claimed = {}, [], 0.0
    for name, share in (("test", params.test), ("validation", params.validation)):
        if share < 1:
            for cluster, _, drawn in by_hash(params, frame):
                if claimed <= drawn < claimed + share:
                    places[cluster] = name
            claimed += share
    free = [(cluster, size) for cluster, size, drawn in by_hash(params, frame) if drawn >= claimed]
    for name, count in (("test", params.test), ("validation", params.validation)):
        taken = 0
        while count >= 1 and free and taken + free[0][1] <= count:
            cluster, size = free.pop(0)
            places[cluster] = name
            taken += size
    return {cluster: places.get(cluster, "train") for cluster, _, _ in by_hash(params, frame)}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    clusters=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    validation=st.one_of(st.integers(1, 30), st.sampled_from([0.0, 0.1, 0.3])),
    test=st.one_of(st.integers(1, 30), st.sampled_from([0.0, 0.1, 0.3])),
    seed=st.integers(0, 3),
)
def test_counts_and_shares_against_plain_loops(
    pairs: Frame, clusters: list[int], validation: float, test: float, seed: int
) -> None:
    frame = pairs(*({"cluster_id": content_id(str(number))} for number in clusters))
    params = SplitParams(validation=validation, test=test, seed=seed)
    expected = counted(params, frame)
    wanted = {"train"} | {name for name in ("validation", "test") if getattr(params, name) > 0}
    by_name = {name: place for name, _, _ in by_hash(params, frame) for place in [expected[name]]}
    for name in ("test", "validation"):
        in_train = [cluster for cluster, place in by_name.items() if place == "train"]
        if 0 < getattr(params, name) < 1 and name not in by_name.values() and len(in_train) > 1:
            by_name[in_train[0]] = expected[in_train[0]] = name
    if not wanted <= set(expected.values()):
        with pytest.raises(PipelineError, match="split is empty"):
            split(params, frame)
        return
    placed, _ = split(params, frame)
    assert dict(placed.select("cluster_id", "split").rows()) == expected
    sizes = dict(placed["split"].value_counts().rows())
    for name in ("validation", "test"):
        if getattr(params, name) >= 1:
            assert sizes[name] <= getattr(params, name)


def test_counts_of_single_pairs_are_met_to_the_pair(pairs: Frame) -> None:
    frame = pairs(*({"cluster_id": content_id(str(number))} for number in range(200)))
    placed, _ = split(SplitParams(validation=30, test=50), frame)
    assert dict(placed["split"].value_counts().rows()) == {"train": 120, "validation": 30, "test": 50}
    order = [name for name, _, _ in by_hash(SplitParams(), frame)]
    assert set(placed.filter(pl.col("split") == "test")["cluster_id"]) == set(order[:50])
    assert set(placed.filter(pl.col("split") == "validation")["cluster_id"]) == set(order[50:80])


def test_a_cluster_larger_than_the_count_ends_it(pairs: Frame) -> None:
    frame = pairs(*({"cluster_id": content_id("one")} for _ in range(20)))
    with pytest.raises(PipelineError, match="test split is empty") as caught:
        split(SplitParams(validation=0.0, test=5), frame)
    assert caught.value.key == "split.test"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(clusters=st.lists(st.integers(0, 400), min_size=60, max_size=120), added=st.integers(1, 40))
def test_added_rows_move_nothing_between_shares_and_little_between_counts(
    pairs: Frame, clusters: list[int], added: int
) -> None:
    before = pairs(*({"cluster_id": content_id(str(number))} for number in clusters))
    new = ({"prompt": f"new {number}", "cluster_id": content_id(f"new {number}")} for number in range(added))
    after = pl.concat([before, pairs(*new)])
    shares = SplitParams(validation=0.2, test=0.3, seed=0)
    try:
        was = dict(split(shares, before)[0].select("pair_id", "split").rows())
    except PipelineError:
        return
    now = dict(split(shares, after)[0].select("pair_id", "split").rows())
    assert {pair_id: now[pair_id] for pair_id in was} == was
    # With a count, new clusters push others out over the edge: into it comes none that was there.
    counts = SplitParams(validation=0.0, test=20, seed=0)
    was, now = (
        dict(split(counts, frame)[0].select("cluster_id", "split").rows()) for frame in (before, after)
    )
    order = [name for name, _, _ in by_hash(counts, before)]
    stayed = [name for name in order if now[name] == "test"]
    assert stayed == order[: len(stayed)] and all(was[name] == "test" for name in stayed)


@pytest.mark.parametrize("block_rows", [1, 64, 999])
def test_the_size_of_blocks_changes_nothing(many: pl.DataFrame, block_rows: int) -> None:
    params = SplitParams(validation=100, test=0.2, max_train=300)
    frame = many.sort("pair_id")
    expected, entries = split(params, frame)
    ledger = Ledger("split")
    placed = pl.concat(split_blocks(params, HeldTable(frame, block_rows), ledger))
    assert placed["pair_id"].is_sorted() and placed.sort("split", "pair_id").equals(expected)
    assert ledger.frame().equals(entries.frame()) and ledger.counts()["over_split_limit"] > 0
