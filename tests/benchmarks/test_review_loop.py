"""The loop's decisions by hand, and that swapping in curate puts a flipped label right."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from benchmarks.review_loop import comparison, decision_lines, reviews
from pipeline.curation.decisions import read_decisions
from pipeline.evaluation.variants import read_comparison, trained_variants
from pipeline.files import write_text
from pipeline.labels import swap_labels
from pipeline.pairs.flips import flip_labels
from pipeline.params import SplitParams
from pipeline.schema import SPLIT_PAIRS

IDS = [f"{number:016x}" for number in range(6)]


def test_each_way_to_review_by_hand() -> None:
    found = pl.DataFrame({"pair_id": IDS})
    ways = reviews(found, {IDS[0], IDS[2], IDS[5]}, 3, 0)
    assert ways["blind-drop"] == {IDS[0]: "drop", IDS[1]: "drop", IDS[2]: "drop"}
    assert ways["blind-swap"] == {IDS[0]: "swap", IDS[1]: "swap", IDS[2]: "swap"}
    assert ways["suspects-swap"] == {IDS[0]: "swap", IDS[2]: "swap"}
    assert ways["suspects-drop"] == {IDS[0]: "drop", IDS[2]: "drop"}
    assert set(ways["random-swap"]) == set(ways["random-drop"]) <= {IDS[0], IDS[2], IDS[5]}
    everything = reviews(found, {IDS[0], IDS[2], IDS[5]}, 6, 0)
    assert set(everything["random-swap"]) == {IDS[0], IDS[2], IDS[5]} == set(everything["suspects-drop"])


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "suspects-swap.jsonl"
    write_text(path, decision_lines({IDS[0]: "swap", IDS[1]: "drop"}, "suspects-swap"))
    assert [(each.pair_id, each.action) for each in read_decisions(path).values()] == [
        (IDS[0], "swap"),
        (IDS[1], "drop"),
    ]


def test_the_comparison_differs_in_decisions_and_noise_alone(tmp_path: Path) -> None:
    told = comparison(["suspects-swap"], Path("build/review"), 0.2, "curation/decisions.jsonl")
    write_text(tmp_path / "compare.yaml", yaml.safe_dump(told))
    variants = trained_variants(read_comparison(tmp_path / "compare.yaml"), {})
    assert [(each.name, each.params.split.flip_train, each.params.curate.decisions) for each in variants] == [
        ("flipped", 0.2, "curation/decisions.jsonl"),
        ("clean", 0.0, "curation/decisions.jsonl"),
        ("suspects-swap", 0.2, "build/review/suspects-swap.jsonl"),
    ]


@pytest.mark.parametrize("flip_train", [0.5, 1.0])
def test_a_pair_swapped_before_the_flip_is_right_after_it(flip_train: float) -> None:
    row = {
        "cluster_id": "c",
        "prompt": [{"role": "user", "content": "Hi"}],
        "conflict": None,
        "split": "train",
    }
    rows = [{**row, "pair_id": name, "row_id": name, "chosen": "good", "rejected": "bad"} for name in IDS]
    pairs = pl.DataFrame(rows, schema=SPLIT_PAIRS.schema())
    params = SplitParams(seed=1, flip_train=flip_train)
    _, flipped = flip_labels(params, pairs)
    assert flipped.height > 0
    reviewed = swap_labels(pairs, pl.col("pair_id").is_in(flipped["pair_id"].implode()))
    found, again = flip_labels(params, reviewed)
    assert again["pair_id"].to_list() == flipped["pair_id"].to_list()
    assert found["chosen"].to_list() == ["good"] * len(IDS)
