"""The data stages, one after the other in a folder of their own, and how they fail."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from pipeline.curation.texts_hash import texts_hash
from pipeline.errors import TRACEBACK, PipelineError
from pipeline.files import read_json, sha256_file
from pipeline.params import Params, load_params
from pipeline.schema import (
    CHANGED_PAIRS,
    CLUSTERED_PAIRS,
    COMPLETIONS,
    DECISIONS,
    FATES,
    LEDGER,
    PAIRS,
    SPLIT_PAIRS,
)
from pipeline.tables import read_lineage, read_table
from stages import _stage, binarize, curate, decontaminate, dedupe, filter, pull, split

PROJECT = Path(__file__).parents[2]
REAL = PROJECT / "../shared/data"
STAGES: dict[str, Callable[[Params], None]] = {
    "pull": pull.main,
    "binarize": binarize.main,
    "filter": filter.main,
    "decontaminate": decontaminate.main,
    "dedupe": dedupe.main,
    "curate": curate.main,
    "split": split.main,
}
PAIR_FILES = {
    "binarize": ("pairs.parquet", PAIRS),
    "filter": ("pairs.parquet", PAIRS),
    "decontaminate": ("pairs.parquet", PAIRS),
    "dedupe": ("pairs.parquet", CLUSTERED_PAIRS),
    "curate": ("pairs.parquet", CLUSTERED_PAIRS),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, with a small sample as its source; the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TRACEBACK, raising=False)
    set_params(tmp_path, source={"kind": "sample", "sample": {"rows": 80}})
    benchmark = "pipeline/sources/sample_benchmark.jsonl"
    (tmp_path / benchmark).parent.mkdir(parents=True)
    shutil.copy(PROJECT / benchmark, tmp_path / benchmark)
    (tmp_path / "curation").mkdir()
    (tmp_path / "curation/decisions.jsonl").touch()
    return tmp_path


def set_params(project: Path, **sections: Any) -> None:
    (project / "params.yaml").write_text(yaml.safe_dump(sections))


def run_all(first: str = "pull") -> dict[str, dict[str, Any]]:
    names = list(STAGES)
    for name in names[names.index(first) :]:
        STAGES[name](load_params())
    return {name: read_json(Path("metrics") / f"{name}.json") for name in STAGES}


def hashes(project: Path) -> dict[str, str]:
    files = [path for part in ("data", "metrics") for path in (project / part).rglob("*") if path.is_file()]
    return {path.relative_to(project).as_posix(): sha256_file(path) for path in sorted(files)}


def test_every_row_is_accounted_for_from_stage_to_stage(project: Path) -> None:
    metrics = run_all()
    assert metrics["pull"]["in"] == 80
    names = list(STAGES)
    for name in names:
        counts = metrics[name]
        assert counts["in"] == counts["kept"] + sum(counts["dropped"].values())
        ledger = read_table(Path("data") / name / "ledger.parquet", LEDGER)
        assert dict(ledger["reason"].value_counts().rows()) == counts["dropped"]
        assert set(ledger["stage"]) <= {name}
    for earlier, later in itertools.pairwise(names):
        assert metrics[earlier]["kept"] == metrics[later]["in"]
    parts = [read_table(Path(f"data/split/{name}.parquet"), SPLIT_PAIRS) for name in _SPLITS]
    assert [part.height for part in parts] == [metrics["split"][name] for name in _SPLITS]
    for name, part in zip(_SPLITS, parts, strict=True):
        assert set(part["split"]) == {name}
    clusters = [set(part["cluster_id"]) for part in parts]
    assert not clusters[0] & clusters[1] and not clusters[0] & clusters[2] and not clusters[1] & clusters[2]


_SPLITS = ("train", "validation", "test")


def test_ids_and_lineage_lead_back_to_the_source(project: Path) -> None:
    run_all()
    lineage = read_lineage(Path("data/pull/completions.parquet"))
    assert lineage["kind"] == "sample"
    ids = set(read_table(Path("data/pull/completions.parquet"), COMPLETIONS)["row_id"])
    for name, (file, table) in PAIR_FILES.items():
        path = Path("data") / name / file
        assert read_lineage(path).items() >= lineage.items()
        frame = read_table(path, table)
        assert set(frame["row_id"]) <= ids
        assert frame["pair_id"].is_sorted()
    assert read_lineage(Path("data/split/train.parquet")).items() >= lineage.items()


def test_a_second_run_writes_the_same_bytes(project: Path) -> None:
    run_all()
    first = hashes(project)
    run_all()
    assert hashes(project) == first
    assert [name for name in first if ".partial" in name or ".old" in name] == []


def test_decisions_are_replayed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all()
    pairs = read_table(Path("data/dedupe/pairs.parquet"), CLUSTERED_PAIRS)
    about = {"annotator": "kim", "when": "2025-01-01T00:00:00Z", "why": "wrong"}
    by_lee = {"annotators": ["lee"], "when": "2025-01-02T00:00:00Z", "reason": ""}
    first = pairs.row(2, named=True)
    seen = texts_hash(first["prompt"], first["chosen"], first["rejected"])
    decisions = [
        {"pair_id": pairs["pair_id"][0], "action": "drop", **about},
        {"pair_id": pairs["pair_id"][1], "action": "swap", **about},
        {"pair_id": pairs["pair_id"][1], "action": "swap", **about},
        {"pair_id": "0" * 16, "action": "drop", **about},
        {"pair_id": pairs["pair_id"][2], "action": "edit", "chosen": "New.", **by_lee, "texts_sha256": seen},
        {"pair_id": pairs["pair_id"][3], "action": "drop", **about},
        {"pair_id": pairs["pair_id"][3], "action": "keep", **by_lee},
    ]
    path = project / "curation/decisions.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in decisions))
    metrics = run_all("curate")
    counts = metrics["curate"]
    assert counts["dropped"] == {"dropped_by_annotator": 1}
    assert [counts[key] for key in ("decisions", *FATES)] == [7, 3, 1, 0, 2, 1]
    assert [counts[f"pairs_{key}"] for key in ("swapped", "edited", "contested")] == [1, 1, 1]
    warnings = capsys.readouterr().err
    assert "warning: 1 decisions no longer fit a pair and were not applied" in warnings
    assert "warning: 2 decisions contradict each other and were not applied" in warnings
    curated = read_table(Path("data/curate/pairs.parquet"), CLUSTERED_PAIRS)
    assert curated["chosen"][0] == pairs["rejected"][1]
    assert curated["chosen"][1] == "New."
    assert curated.row(2) == pairs.row(3)
    stale = pl.read_ndjson("data/curate/stale.jsonl")
    assert stale.select("line", "pair_id", "problem").rows() == [(4, "0" * 16, "no such pair")]
    contested = pl.read_ndjson("data/curate/contested.jsonl")
    assert contested.select("line", "annotators").rows() == [(6, ["kim"]), (7, ["lee"])]
    read = read_table(Path("data/curate/decisions.parquet"), DECISIONS)
    assert read["line"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    changed = read_table(Path("data/curate/changed.parquet"), CHANGED_PAIRS)
    assert changed.select("pair_id", "action", "annotators", "line").rows() == [
        (pairs["pair_id"][1], "swap", ["kim"], 3),
        (pairs["pair_id"][2], "edit", ["lee"], 5),
    ]
    assert changed["texts_sha256"][1] == seen
    assert read_lineage(Path("data/curate/pairs.parquet"))["decisions_sha256"] == sha256_file(path)


# --- faults ---------------------------------------------------------------------------------------------


def fails(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a stage as its script does; give the one paragraph it leaves on standard error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        _stage.run(STAGES[name])
    assert caught.value.code == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in said) == 1 and "Traceback" not in "".join(said)
    return said[-1]


@pytest.mark.parametrize(
    ("name", "sections", "expected"),
    [
        ("binarize", {"binarize": {"min_margin": 50}}, "Stage binarize is left with no pairs"),
        ("filter", {"filter": {"max_response_chars": 1}}, "response_too_long: "),
        ("split", {"split": {"test": 0.0, "validation": 0.99999}}, "The train split is empty (key split)"),
        ("split", {"split": {"tset": 0.1}}, "split.tset: unknown key"),
        ("curate", {"curate": {"decisions": "none.jsonl"}}, "The decisions cannot be read (file none.jsonl"),
        ("pull", {"source": {"kind": "ultrafeedback", "path": "no.jsonl"}}, "A source file is missing"),
    ],
)
def test_a_fault_is_one_paragraph_and_leaves_the_artifacts(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, sections: dict[str, Any], expected: str
) -> None:
    run_all()
    before = hashes(project)
    set_params(project, **sections)
    assert expected in fails(name, capsys)
    assert hashes(project) == before


@pytest.mark.parametrize("name", [name for name in STAGES if name != "pull"])
def test_a_missing_input_says_what_makes_it(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert "is missing" in (said := fails(name, capsys)) and "dvc repro" in said
    left = [path for path in (project / "data").rglob("*") if path.is_file()]
    assert left == [] and not (project / "metrics").exists()


def test_a_refusal_of_the_system_is_one_paragraph(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(params: Params) -> None:
        raise OSError(28, "No space left on device", "data/pull.partial/completions.parquet")

    monkeypatch.setitem(STAGES, "pull", full)
    said = fails("pull", capsys)
    assert "file data/pull.partial/completions.parquet" in said and "Found: No space left on device." in said


def test_the_traceback_is_there_for_who_asks(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(PipelineError):
        _stage.run(STAGES["split"])


def test_a_fault_in_the_code_goes_through(project: Path) -> None:
    def broken(params: Params) -> None:
        raise KeyError("oops")

    with pytest.raises(KeyError):
        _stage.run(broken)


def test_ctrl_c_is_no_fault(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(params: Params) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        _stage.run(stopped)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "stopped; what the stage made before is as it was\n"


def test_a_stage_runs_as_a_module(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", "stages.split"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: A clustered pairs table is missing (file data/curate/pairs.parquet)"
    )
    assert len(done.stderr.strip().splitlines()) == 1


# --- real data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        (
            "alpaca_uf_dev.jsonl.gz",
            "ultrafeedback",
            {
                "pull": (2416, 2416, {}),
                "binarize": (2416, 1304, {"margin_below_minimum": 1110, "tie": 2}),
                "filter": (1304, 1302, {"role_leakage": 1, "undecodable_text": 1}),
                "decontaminate": (1302, 1302, {}),
                "dedupe": (1302, 546, {"exact_duplicate_prompt": 736, "near_duplicate_prompt": 20}),
                "curate": (546, 546, {}),
                "split": (546, 546, {}),
            },
        ),
        (
            "ultrafeedback_binarized_1000.jsonl.gz",
            "ultrafeedback_binarized",
            {
                "pull": (1000, 1000, {}),
                "binarize": (1000, 884, {"empty_response": 2, "identical_responses": 3, "tie": 111}),
                "filter": (884, 872, {"constant_response": 6, "role_leakage": 6}),
                "decontaminate": (872, 872, {}),
                "dedupe": (872, 870, {"near_duplicate_prompt": 2}),
                "curate": (870, 870, {}),
                "split": (870, 870, {}),
            },
        ),
        (
            "hh_rlhf_helpful_base_test.jsonl.gz",
            "hh_rlhf",
            {
                "pull": (2354, 2339, {"roles_do_not_alternate": 15}),
                "binarize": (2339, 2333, {"empty_response": 4, "identical_responses": 2}),
                "filter": (2333, 2250, {"constant_response": 62, "role_leakage": 21}),
                # 135 share a prompt with AlpacaEval; the rules before had taken five of them.
                "decontaminate": (
                    2250,
                    2071,
                    {"benchmark_prompt_exact": 130, "benchmark_prompt_overlap": 49},
                ),
                "dedupe": (2071, 2054, {"near_duplicate_prompt": 17}),
                "curate": (2054, 2054, {}),
                "split": (2054, 2054, {}),
            },
        ),
    ],
)
def test_real_files_give_known_counts(
    project: Path, name: str, kind: str, expected: dict[str, tuple[int, int, dict[str, int]]]
) -> None:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} is not here: real rows lie beside the project")
    sections: dict[str, Any] = {"source": {"kind": kind, "path": str(path)}}
    if kind == "hh_rlhf":
        alpaca_eval = {"name": "alpaca_eval", "path": str(REAL / "bench/alpacaeval_805.jsonl")}
        sections["decontaminate"] = {"benchmarks": [alpaca_eval]}
    set_params(project, **sections)
    metrics = run_all()
    counted = {stage: (counts["in"], counts["kept"], counts["dropped"]) for stage, counts in metrics.items()}
    assert counted == expected
