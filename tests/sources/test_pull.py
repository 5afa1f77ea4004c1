"""The stage pull: files to completions, with lineage, counts and the ledger."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from huggingface_hub import constants

from pipeline.errors import PipelineError
from pipeline.files import canonical_json, content_id, read_json, sha256_file
from pipeline.params import SampleParams, SourceParams
from pipeline.schema import COMPLETIONS, LEDGER, TRUTH
from pipeline.sources import sample
from pipeline.sources.pull import pull
from pipeline.tables import read_lineage, read_table

DATA = Path(__file__).parents[2] / "../shared/data"


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
    ids = [content_id(canonical_json(row)) for row in rows]
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
    }
    assert read_lineage(folder / "completions.parquet") == {
        "kind": "ultrafeedback",
        "files": [{"name": path.name, "sha256": sha256_file(path)} for path in paths],
    }
    assert sorted(path.name for path in folder.iterdir()) == ["completions.parquet", "ledger.parquet"]


def test_equal_rows_have_ids_of_their_own(tmp_path: Path) -> None:
    rows = [raw("a", "x", "y")] * 3 + [raw("b", "x", "y")]
    path = write(tmp_path / "a.jsonl", rows)
    folder, metrics = pulled(tmp_path, kind="ultrafeedback", path=str(path))
    ids = read_table(folder / "completions.parquet", COMPLETIONS)["row_id"]
    assert (ids.n_unique(), metrics["kept"]) == (4, 4)
    write(path, rows[::-1])
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=str(path))
    again = read_table(folder / "completions.parquet", COMPLETIONS)["row_id"]
    assert set(again) == set(ids)


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a/x.jsonl", [raw("a", "x")]),
        write(tmp_path / "b/x.jsonl", [raw("b", "x")]),
    ]
    folder, _ = pulled(tmp_path, kind="ultrafeedback", path=[str(path) for path in paths])
    files = read_table(folder / "completions.parquet", COMPLETIONS)["file"].to_list()
    assert files == [path.as_posix() for path in paths]


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
    ("name", "kind", "rows", "completions", "na", "empty"),
    [
        ("alpaca_uf_dev.jsonl.gz", "ultrafeedback", 2416, 9664, 38656, 5),
        ("ultrafeedback_binarized_1000.jsonl.gz", "ultrafeedback_binarized", 1000, 2000, 8000, 2),
        ("uf_raw_2rows.jsonl", "ultrafeedback", 2, 8, 12, 0),
    ],
)
def test_real_files(
    tmp_path: Path, name: str, kind: str, rows: int, completions: int, na: int, empty: int
) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here: real rows lie beside the project")
    _, metrics = pulled(tmp_path, kind=kind, path=str(path))
    assert (metrics["in"], metrics["kept"], metrics["dropped"]) == (rows, rows, {})
    assert (metrics["completions"], metrics["na_ratings"], metrics["empty_responses"]) == (
        completions,
        na,
        empty,
    )
