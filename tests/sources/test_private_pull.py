"""Private kinds through pull: single answers brought together, the fast way, and real files."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.files import content_id, read_json
from pipeline.pairs.binarize import binarize
from pipeline.params import BinarizeParams, SourceParams
from pipeline.schema import COMPLETIONS, LEDGER
from pipeline.sources import hh_rlhf, ultrafeedback, ultrafeedback_binarized
from pipeline.sources.layout import layout_adapter, understand
from pipeline.sources.pull import pull, read_source
from pipeline.sources.reading import Adapter
from pipeline.tables import read_lineage, read_table

Row = dict[str, Any]


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pulled(
    tmp_path: Path, rows: list[Row], **source: Any
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    path = write(tmp_path / "mine.jsonl", rows)
    pull(SourceParams(path=str(path), **source), tmp_path / "out", tmp_path / "pull.json")
    out = tmp_path / "out"
    assert sorted(one.name for one in out.iterdir()) == ["completions.parquet", "ledger.parquet"]
    completions = read_table(out / "completions.parquet", COMPLETIONS)
    return completions, read_table(out / "ledger.parquet", LEDGER), read_json(tmp_path / "pull.json")


def single(prompt: str, response: str, rating: Any) -> Row:
    return {"prompt": prompt, "response": response, "rating": rating}


SINGLES = [
    single("a", "x", 1),
    single("b", "y", 5),
    single("a", "z", 3),
    single("a", "x", 1),
    single("c", "w", 2),
]


def test_single_answers_of_one_prompt_become_one_row(tmp_path: Path) -> None:
    completions, ledger, metrics = pulled(tmp_path, SINGLES, kind="rated_single")
    assert completions["row_id"].n_unique() == 1
    assert set(completions.select("completion", "overall_score", "line").rows()) == {
        ("x", 1.0, 1),
        ("z", 3.0, 3),
        ("x", 1.0, 4),
    }
    assert completions["completion_index"].to_list() == [0, 1, 2]
    assert (
        ledger.select("stage", "reason", "value", "threshold").rows()
        == [("pull", "one_answer_to_its_prompt", 1.0, 2.0)] * 2
    )
    assert (metrics["in"], metrics["kept"], metrics["dropped"]) == (5, 3, {"one_answer_to_its_prompt": 2})
    assert (metrics["groups"], metrics["completions"]) == (1, 3)
    pairs, _ = binarize(BinarizeParams(), completions)
    assert pairs.select("chosen", "rejected", "margin").rows() == [("z", "x", 2.0)]


def test_groups_depend_on_neither_the_order_of_rows_nor_the_spill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [single(f"p{n % 40}", f"r{n % 7}", n % 3) for n in range(200)]
    thin = ["row_id", "completion_index", "completion", "overall_score"]
    first, _, metrics = pulled(tmp_path, rows, kind="rated_single")
    random.Random(1).shuffle(rows)
    monkeypatch.setattr("pipeline.spill.HELD_BYTES", 1_000)
    monkeypatch.setattr("pipeline.sources.pull._ROW_BYTES", 1)
    monkeypatch.setattr("pipeline.spill.PART_ROWS", 64)
    second, _, shuffled = pulled(tmp_path, rows, kind="rated_single")
    assert second.select(thin).equals(first.select(thin))
    assert shuffled == metrics
    assert metrics["groups"] == 40 and metrics["kept"] == 200


def test_the_id_of_a_group_is_a_hash_of_its_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", SINGLES[1:3] + SINGLES[:1])
    params = SourceParams(kind="rated_single")
    source = read_source({"m": path}, layout_adapter(understand({"m": path}, params), params))
    raw = source.tally.row_ids.to_list()
    assert source.completions["row_id"].unique().to_list() == [content_id(",".join(sorted(raw[1:])))]


def test_the_lineage_says_what_was_understood(tmp_path: Path) -> None:
    rows = [{"question": "Hi", "chosen": "x", "rejected": "y", "id": 3}]
    pulled(tmp_path, rows, kind="pairs")
    assert read_lineage(tmp_path / "out" / "completions.parquet")["layout"] == {
        "kind": "pairs",
        "fields": {"chosen": "chosen", "rejected": "rejected", "prompt": "question"},
        "why": {
            "chosen": "`chosen` is a usual name for it",
            "rejected": "`rejected` is a usual name for it",
            "prompt": "`question` is a usual name for it",
            "kind": "named in source.kind",
        },
        "notes": ["Columns that are not read: id."],
        "forms": {},
        "encoded": [],
    }


@pytest.mark.parametrize("key", ["columns", "labels"])
def test_a_known_dataset_takes_no_mapping(tmp_path: Path, key: str) -> None:
    value = {"prompt": "x"} if key == "columns" else {"first": ["x"]}
    with pytest.raises(PipelineError) as caught:
        pull(
            SourceParams(path="x.jsonl", kind="hh_rlhf", **{key: value}),
            tmp_path / "out",
            tmp_path / "m.json",
        )
    assert caught.value.key == f"source.{key}"


def test_a_private_10_is_never_taken_for_a_1(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi", "responses": ["x", "y"], "scores": [10, 4]}]
    completions, _, _ = pulled(tmp_path, rows, kind="completions")
    for repair in ("by_fine_grained", "drop", "none"):
        pairs, _ = binarize(BinarizeParams(overall_repair=repair), completions)
        assert pairs.select("chosen", "chosen_score").rows() == [("x", 10.0)]


# --- the fast way -------------------------------------------------------------------------------------------

USER, SYSTEM = {"role": "user", "content": "Hi"}, {"role": "system", "content": "S"}


def test_plain_pairs_under_any_names_are_read_in_blocks(
    tmp_path: Path, read_both_ways: Callable[..., Any]
) -> None:
    plain = {"question": "Hi", "winner": "x", "loser": "y", "winner_score": 2, "origin": "o"}
    odd: list[Row] = [
        {"winner_score": "4.5"},
        {"question": [{"from": "human", "value": "Hi"}]},
        {"winner": [{"role": "gpt", "content": "x"}]},
        {"origin": 3},
    ]
    rows = [plain, {**plain, "winner": None, "origin": None}, *({**plain, **change} for change in odd)]
    path = write(tmp_path / "mine.jsonl", rows)
    params = SourceParams(kind="pairs")
    adapter = layout_adapter(understand({"m": path}, params), params)
    outcome = read_both_ways(path, adapter)
    # And the null, which in JSON Lines could as well be a field that is missing.
    assert outcome.read_singly == len(odd) + 1
    assert outcome.completions["source"].to_list() == [*"oo", "pairs", "pairs", *"oooooo", "3", "3"]


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " ",
        [],
        [SYSTEM],
        [USER, {"role": "assistant", "content": "a"}],
        [SYSTEM, SYSTEM, USER],
        [USER, SYSTEM, USER],
    ],
    ids=["empty", "blank", "none", "system", "assistant", "two systems", "system inside"],
)
def test_both_ways_refuse_what_is_no_prompt(
    tmp_path: Path, prompt: Any, read_both_ways: Callable[..., Any]
) -> None:
    good = {"prompt": "Hi", "chosen": "x", "rejected": "y"}
    path = write(tmp_path / "mine.jsonl", [good, {**good, "prompt": prompt}])
    params = SourceParams(kind="pairs")
    adapter = layout_adapter(understand({"m": path}, params), params)
    fault = read_both_ways(path, adapter).fault
    assert fault is not None and fault[1:3] == (2, "prompt")


# --- real files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "adapter"),
    [
        ("hh_rlhf_helpful_base_test.jsonl.gz", "pairs", hh_rlhf.ADAPTER),
        ("ultrafeedback_binarized_1000.jsonl.gz", "pairs", ultrafeedback_binarized.ADAPTER),
        ("alpaca_uf_dev.jsonl.gz", "completions", ultrafeedback.adapter()),
    ],
    ids=["hh", "binarized", "ultrafeedback"],
)
def test_real_rows_give_the_pairs_of_the_known_kind(
    name: str, kind: str, adapter: Adapter, real_file: Callable[[str], Path], tmp_path: Path
) -> None:
    with gzip.open(real_file(name), "rb") as whole:
        lines = b"".join(islice(whole, 600))
    files = {"rows": tmp_path / "rows.jsonl"}
    files["rows"].write_bytes(lines)
    layout = understand(files, SourceParams())
    assert layout.kind == kind
    mine = read_source(files, layout_adapter(layout, SourceParams()))
    known = read_source(files, adapter)
    assert mine.tally.ledger.counts() == known.tally.ledger.counts()
    columns = ["pair_id", "chosen", "chosen_score", "rejected_score", "chosen_model"]
    pairs = [binarize(BinarizeParams(), source.completions)[0].select(columns) for source in (mine, known)]
    assert pairs[0].height > 200 and pairs[0].equals(pairs[1])


def test_real_sharegpt_rows(real_file: Callable[[str], Path]) -> None:
    files = {"rows": real_file("llamafactory_dpo_en_demo.jsonl.gz")}
    layout = understand(files, SourceParams())
    assert (layout.kind, layout.fields["prompt"]) == ("pairs", "conversations")
    source = read_source(files, layout_adapter(layout, SourceParams()))
    assert (source.tally.rows_kept, source.completions.height) == (300, 600)
    second = source.completions.filter(pl.col("line") == 2)["prompt"][0].to_list()
    assert [message["role"] for message in second] == ["system", "user"]
