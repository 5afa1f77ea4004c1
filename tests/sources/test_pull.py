"""The stage pull: files to completions, with lineage, counts and the ledger."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from huggingface_hub import constants

from pipeline.errors import PipelineError
from pipeline.files import content_id, read_json, sha256_file
from pipeline.params import SampleParams, SourceParams
from pipeline.schema import COMPLETIONS, LEDGER, TRUTH
from pipeline.sources import hub, sample, ultrafeedback
from pipeline.sources.pull import ADAPTERS, pull, read_source
from pipeline.sources.reading import read_file
from pipeline.tables import read_lineage, read_table


def raw(instruction: str, *responses: str | None) -> dict[str, Any]:
    return {
        "source": "s",
        "instruction": instruction,
        "completions": [
            {
                "model": f"m{index}",
                "response": response,
                "overall_score": index,
                "annotations": {"honesty": {"Rating": "N/A" if index else "3"}},
            }
            for index, response in enumerate(responses)
        ],
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pulled(tmp_path: Path, **source: Any) -> tuple[Path, dict[str, Any]]:
    folder, metrics = tmp_path / "data/pull", tmp_path / "metrics/pull.json"
    pull(SourceParams(**source), folder, metrics)
    return folder, read_json(metrics)


def test_completions_ledger_counts_and_lineage_of_files(tmp_path: Path) -> None:
    rows = [raw("a", "x", " "), raw("b"), raw("c", None, "y", "z")]
    paths = [write(tmp_path / "one.jsonl", rows[:2]), write(tmp_path / "two.jsonl", rows[2:])]
    folder, metrics = pulled(tmp_path, kind="ultrafeedback", path=[str(path) for path in paths])
    completions = read_table(folder / "completions.parquet", COMPLETIONS)
    # Ids are hashes of what a row says: each row alone has the same one.
    alone = [write(tmp_path / f"{place}.jsonl", [row]) for place, row in enumerate(rows)]
    ids = [next(read_file(path, ultrafeedback.adapter())).hashes[0] for path in alone]
    assert len(set(ids)) == 3
    assert completions.select("row_id", "completion_index", "completion", "file", "line").rows() == [
        (ids[0], 0, "x", "one.jsonl", 1),
        (ids[0], 1, " ", "one.jsonl", 1),
        (ids[2], 0, None, "two.jsonl", 1),
        (ids[2], 1, "y", "two.jsonl", 1),
        (ids[2], 2, "z", "two.jsonl", 1),
    ]
    ledger = read_table(folder / "ledger.parquet", LEDGER)
    assert ledger.select("stage", "reason", "row_id").rows() == [("pull", "no_completions", ids[1])]
    assert metrics == {
        "unit_in": "rows",
        "in": 3,
        "unit_out": "rows with completions",
        "kept": 2,
        "dropped": {"no_completions": 1},
        "completions": 5,
        "na_ratings": 5 * 4 - 2,
        "empty_responses": 2,
        "rows_read_singly": 1,
    }
    assert read_lineage(folder / "completions.parquet") == {
        "kind": "ultrafeedback",
        "files": [{"name": path.name, "sha256": sha256_file(path)} for path in paths],
    }
    assert sorted(path.name for path in folder.iterdir()) == ["completions.parquet", "ledger.parquet"]


def test_equal_rows_have_ids_of_their_own_in_every_block_and_file(tmp_path: Path) -> None:
    rows = [raw("a", "x", "y")] * 3 + [raw("b", "x", "y")]
    paths = [write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", rows[1:][::-1])]
    files = {path.name: path for path in paths}
    source = read_source(files, ultrafeedback.adapter(), block_bytes=300)
    first, other = source.tally.row_ids[0], source.tally.row_ids[3]
    assert source.tally.row_ids.to_list() == [
        first,
        content_id(first, "2"),
        content_id(first, "3"),
        other,
        content_id(other, "2"),
        content_id(first, "4"),
        content_id(first, "5"),
    ]
    turned = read_source(dict(reversed(files.items())), ultrafeedback.adapter())
    assert set(turned.tally.row_ids) == set(source.tally.row_ids)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_bytes_depend_on_neither_block_size_nor_threads_nor_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: threads)
    rows = [raw(f"q{n % 40}", *(f"r{n * k}" for k in range(n % 5))) for n in range(100)]
    plain = write(tmp_path / "plain.jsonl", rows)
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        pack: dict[str, Callable[[bytes], bytes]] = {
            "jsonl": bytes,
            "jsonl.gz": gzip.compress,
            "jsonl.zst": zstandard.ZstdCompressor().compress,
        }
        path.write_bytes(pack[kind](plain.read_bytes()))
    params = SourceParams(kind="ultrafeedback", path=str(path))
    written = set()
    for block_bytes in (1, 1000, 1 << 20):
        pull(params, tmp_path / "out", tmp_path / "metrics.json", block_bytes)
        found = (tmp_path / "metrics.json", *sorted((tmp_path / "out").iterdir()))
        written.add(tuple(sha256_file(one) for one in found))
    assert len(written) == 1
    folder, _ = pulled(tmp_path / "plain", kind="ultrafeedback", path=str(plain))
    tables = [read_table(one / "completions.parquet", COMPLETIONS) for one in (tmp_path / "out", folder)]
    assert tables[0].drop("file").equals(tables[1].drop("file"))
    ledgers = [read_table(one / "ledger.parquet", LEDGER) for one in (tmp_path / "out", folder)]
    assert ledgers[0].equals(ledgers[1])
    assert ledgers[0].height == 20


def test_reading_into_memory_gives_the_same_table(tmp_path: Path) -> None:
    rows = [raw("a", "x", " "), raw("b"), raw("c", None, "y", "z")]
    path = write(tmp_path / "one.jsonl", rows)
    folder, metrics = pulled(tmp_path, kind="ultrafeedback", path=str(path))
    source = read_source({"one.jsonl": path}, ADAPTERS["ultrafeedback"](None), block_bytes=1)
    assert source.completions.equals(read_table(folder / "completions.parquet", COMPLETIONS))
    assert source.ledger.counts() == metrics["dropped"] == {"no_completions": 1}


# --- the named score ------------------------------------------------------------------------------------


def scored(*scores: float | None) -> list[dict[str, Any]]:
    rows = [raw(f"q{place}", "x") for place in range(len(scores))]
    for row, score in zip(rows, scores, strict=True):
        row["completions"][0]["my score"] = score
    return rows


def test_the_named_score_is_kept_and_its_column_stands_in_the_lineage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", scored(0.5, None, 3))
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=str(path), score_column="my score")
    table = read_table(folder / "completions.parquet", COMPLETIONS)
    assert table["named_score"].to_list() == [0.5, None, 3.0]
    assert read_lineage(folder / "completions.parquet")["score_column"] == "my score"
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=str(path))
    assert read_table(folder / "completions.parquet", COMPLETIONS)["named_score"].null_count() == 3


@pytest.mark.parametrize("column", ["my_score", "nothing"])
def test_a_score_that_no_completion_has_is_refused(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "a.jsonl", scored(0.5, None))
    with pytest.raises(PipelineError, match="No completion has the named score") as caught:
        pulled(tmp_path, kind="ultrafeedback", path=str(path), score_column=column)
    assert caught.value.key == "source.score_column"
    assert repr(column) in str(caught.value.found)
    assert not (tmp_path / "data/pull").exists()


def test_a_text_is_no_score(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", scored(0.5))
    with pytest.raises(PipelineError, match="number or null") as caught:
        pulled(tmp_path, kind="ultrafeedback", path=str(path), score_column="response")
    assert (caught.value.row, caught.value.column) == (1, "completions[0].response")


@pytest.mark.parametrize("kind", ["ultrafeedback_binarized", "argilla_binarized", "hh_rlhf"])
def test_pairs_have_no_score_column(tmp_path: Path, kind: str) -> None:
    with pytest.raises(PipelineError, match="pairs have no score column") as caught:
        pulled(tmp_path, kind=kind, path="a.jsonl", score_column="x")
    assert caught.value.key == "source.score_column"


# --- files ----------------------------------------------------------------------------------------------


def test_a_file_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    data = "".join(json.dumps(raw(f"q{n}", f"r{n * 7919}")) + "\n" for n in range(3000)).encode()
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(data, mtime=0)[:-20])
    with pytest.raises(PipelineError, match="cut off or damaged"):
        pull(
            SourceParams(kind="ultrafeedback", path=str(path)),
            tmp_path / "pull",
            tmp_path / "m.json",
            block_bytes=10_000,
        )
    assert not list(tmp_path.glob("pull*"))


def test_a_file_that_is_not_there_is_refused_before_any_is_read(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.jsonl", [{}]), tmp_path / "b.jsonl"]
    with pytest.raises(PipelineError, match="is missing") as caught:
        pulled(tmp_path, kind="ultrafeedback", path=[str(path) for path in paths])
    assert caught.value.file == str(paths[1])
    with pytest.raises(PipelineError, match="is missing"):
        read_source({"b.jsonl": paths[1]}, ultrafeedback.adapter())


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n \n")
    with pytest.raises(PipelineError, match="has no rows"):
        pulled(tmp_path, kind="hh_rlhf", path=str(path))


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a/x.jsonl", [raw("a", "x")]),
        write(tmp_path / "b/x.jsonl", [raw("b", "x")]),
    ]
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=[str(path) for path in paths])
    files = read_table(folder / "completions.parquet", COMPLETIONS)["file"].to_list()
    assert files == ["a/x.jsonl", "b/x.jsonl"]


def test_a_file_named_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [raw("a", "x")])
    with pytest.raises(PipelineError, match="named twice") as caught:
        pulled(tmp_path, kind="ultrafeedback", path=[str(path), str(path)])
    assert caught.value.key == "source.path"


def test_a_source_without_any_completion_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [raw("a"), raw("b")])
    with pytest.raises(PipelineError, match="left with no completions") as caught:
        pulled(tmp_path, kind="ultrafeedback", path=str(path))
    assert caught.value.found == "no_completions: 2"
    assert not (tmp_path / "data/pull").exists()
    assert not (tmp_path / "metrics").exists()


def test_a_bad_row_leaves_the_old_artifact(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [raw("a", "x")])
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=str(path))
    before = sha256_file(folder / "completions.parquet")
    write(path, [raw("a", "x"), {"source": "s"}])
    with pytest.raises(PipelineError) as caught:
        pulled(tmp_path, kind="ultrafeedback", path=str(path))
    assert (caught.value.file, caught.value.row, caught.value.column) == (str(path), 2, "instruction")
    assert sha256_file(folder / "completions.parquet") == before
    assert not folder.with_name("pull.partial").exists()


def test_the_wrong_kind_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [raw("a", "x")])
    with pytest.raises(PipelineError, match=r"lacks a field.*source\.kind"):
        pulled(tmp_path, kind="ultrafeedback_binarized", path=str(path))


def test_the_hubs_commit_stands_in_the_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "3949bf5f8c17c394422ccfab0c31ea9c20bdeb85"
    home = tmp_path / "hub/datasets--HuggingFaceH4--ultrafeedback_binarized/snapshots" / commit / "data"
    home.mkdir(parents=True)
    sides = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}] for text in "ab"]
    frame = pl.DataFrame({"prompt": ["Hi"], "chosen": [sides[0]], "rejected": [sides[1]], "messages": [[1]]})
    frame.write_parquet(home / "train_prefs-00000-of-00001.parquet")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder, metrics = pulled(tmp_path, kind="ultrafeedback_binarized")
    lineage = read_lineage(folder / "completions.parquet")
    assert (lineage["repo"], lineage["commit"]) == ("HuggingFaceH4/ultrafeedback_binarized", commit)
    assert [file["name"] for file in lineage["files"]] == ["data/train_prefs-00000-of-00001.parquet"]
    assert (metrics["in"], metrics["completions"]) == (1, 2)
    labels = read_table(folder / "completions.parquet", COMPLETIONS).select("completion", "label").rows()
    assert labels == [("a", "chosen"), ("b", "rejected")]


USER = {"role": "user", "content": "Hi"}
HUB_ROWS = {
    "ultrafeedback": [raw("Hi", "a", "b")],
    "ultrafeedback_binarized": [
        {
            "prompt": "Hi",
            **{side: [USER, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")},
        }
    ],
    "argilla_binarized": [
        {
            "source": "flan",
            "prompt": "Hi",
            **{side: [USER, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")},
            **{f"{side}-rating": 3.5 for side in ("chosen", "rejected")},
            **{f"{side}-model": "m" for side in ("chosen", "rejected")},
        }
    ],
    "hh_rlhf": [{side: f"\n\nHuman: Hi\n\nAssistant: {side}" for side in ("chosen", "rejected")}],
}


@pytest.mark.parametrize("kind", HUB_ROWS)
def test_every_kind_is_read_from_the_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    home = hub.HOMES[kind]
    folder = tmp_path / f"hub/datasets--{home.repo.replace('/', '--')}/snapshots/{home.revision}"
    names = sorted(pattern.replace("*", "part") for pattern in home.patterns)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in HUB_ROWS[kind]).encode()
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(HUB_ROWS[kind]), folder / name)
        else:
            (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    out, metrics = pulled(tmp_path, kind=kind)
    lineage = read_lineage(out / "completions.parquet")
    assert (lineage["repo"], lineage["commit"]) == (home.repo, home.revision)
    assert [file["name"] for file in lineage["files"]] == names
    assert (metrics["in"], metrics["kept"], metrics["completions"]) == (
        len(names),
        len(names),
        2 * len(names),
    )
    table = read_table(out / "completions.parquet", COMPLETIONS)
    assert table["file"].unique(maintain_order=True).to_list() == names
    assert set(table["prompt"].list.first().struct.field("content")) == {"Hi"}


def test_the_sample_is_read_back_like_any_file(tmp_path: Path) -> None:
    folder, metrics = pulled(tmp_path, kind="sample", sample=SampleParams(rows=30, seed=3))
    assert sorted(path.name for path in folder.iterdir()) == [
        "completions.parquet",
        "ledger.parquet",
        "sample.jsonl",
        "truth.parquet",
    ]
    generated = list(sample.generate(30, 3))
    lines = (folder / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [row.raw for row in generated]
    truth = read_table(folder / "truth.parquet", TRUTH)
    assert truth["index"].to_list() == list(range(30))
    assert truth["defects"].to_list() == [row.truth["defects"] for row in generated]
    ids = dict(read_table(folder / "completions.parquet", COMPLETIONS).select("line", "row_id").rows())
    assert truth["row_id"].to_list() == [ids[line] for line in range(1, 31)]
    assert metrics["in"] == 30
    as_file, _ = pulled(tmp_path / "x", kind="ultrafeedback", path=str(folder / "sample.jsonl"))
    assert read_table(as_file / "completions.parquet", COMPLETIONS).equals(
        read_table(folder / "completions.parquet", COMPLETIONS)
    )


def test_the_sample_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    first, _ = pulled(tmp_path / "1", sample=SampleParams(rows=20))
    second, _ = pulled(tmp_path / "2", sample=SampleParams(rows=20))
    for path in first.iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256_file(second / path.name)


def test_a_path_beside_the_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="generated, not read") as caught:
        pulled(tmp_path, kind="sample", path="my.jsonl")
    assert caught.value.key == "source.path"


@pytest.mark.parametrize(
    ("name", "kind", "rows", "dropped", "completions", "na", "empty", "singly"),
    [
        ("alpaca_uf_dev.jsonl.gz", "ultrafeedback", 2416, {}, 9664, 38656, 5, 0),
        ("ultrafeedback_binarized_1000.jsonl.gz", "ultrafeedback_binarized", 1000, {}, 2000, 8000, 2, 0),
        ("uf_raw_2rows.jsonl", "ultrafeedback", 2, {}, 8, 12, 0, 2),
        (
            "hh_rlhf_helpful_base_test.jsonl.gz",
            "hh_rlhf",
            2354,
            {"roles_do_not_alternate": 15},
            4678,
            18712,
            4,
            0,
        ),
    ],
)
def test_real_files(
    tmp_path: Path,
    real_file: Callable[[str], Path],
    name: str,
    kind: str,
    rows: int,
    dropped: dict[str, int],
    completions: int,
    na: int,
    empty: int,
    singly: int,
) -> None:
    _, metrics = pulled(tmp_path, kind=kind, path=str(real_file(name)))
    assert metrics == {
        "unit_in": "rows",
        "in": rows,
        "unit_out": "rows with completions",
        "kept": rows - sum(dropped.values()),
        "dropped": dropped,
        "completions": completions,
        "na_ratings": na,
        "empty_responses": empty,
        "rows_read_singly": singly,
    }


def test_the_named_score_of_real_rows_is_kept(tmp_path: Path, real_file: Callable[[str], Path]) -> None:
    path = real_file("alpaca_uf_dev.jsonl.gz")
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=str(path), score_column="overall_score")
    table = read_table(folder / "completions.parquet", COMPLETIONS)
    assert table["named_score"].to_list() == table["overall_score"].to_list()
    assert table["named_score"].null_count() == 0
