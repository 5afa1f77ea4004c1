"""From what contestants took to the figures, the tables and the page."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import data, files, line, peers, trials
from benchmarks.page import COMMAND, markdown, sections
from pipeline.errors import PipelineError
from pipeline.params import Params, load_params

ROOT = Path(__file__).parents[2]
FIGURES = (
    "binarize_speedup",
    "dedupe_speedup",
    "dedupe_recall",
    "dedupe_precision",
    "seconds_64k",
    "peak_mb_64k",
    "seconds_ratio_640k",
    "peak_mb_640k",
)


def made_line(seconds: float, peak_mb: float) -> line.Line:
    """Stages that take 1, 2, 3 ... times as long; the fifth takes the most memory."""
    return line.Line(
        {stage: seconds * place for place, stage in enumerate(line.STAGES, start=1)},
        {stage: peak_mb - abs(place - 4) for place, stage in enumerate(line.STAGES)},
        {stage: 900 - place for place, stage in enumerate(line.STAGES)},
    )


def trial(seconds: float, **more: Any) -> dict[str, Any]:
    return {"seconds": seconds, "peak_mb": 300.0, **more}


@pytest.fixture
def details() -> dict[str, Any]:
    judged = {"found": 40, "recall": 0.995, "precision": 0.9975, "unplanted": 3}
    return {
        "rows": 1_000,
        "rounds": 3,
        "corpus_mb": 10.0,
        "benchmark_items": 20,
        "machine": {"cores": 2, "processor": "x86_64", "memory_gb": 25.0, "system": "?", "python": "3.11.2"},
        "versions": {"polars": "2.1.0"},
        "line": {"rows": 1_000, **line.summary([made_line(2.0, 1_000), made_line(1.0, 1_100)])},
        "ingest": {name: trial(1.0) for name in data.INGEST},
        "binarize": {
            **{name: trial(3.0, pairs=950) for name in data.BINARIZE},
            "ours_memory": trial(0.5, pairs=950),
            "agreement": {"same": 900, "equals_parted": 50, "different": 0},
        },
        "dedupe": {
            "ours": trial(0.25),
            "datasketch_loop": trial(10.0),
            "datasketch_bulk": trial(5.0),
            "judged": {"planted": 60, "near_misses": 30, **dict.fromkeys(data.DEDUPE, judged)},
            "fold_seconds": 0.5,
            "compile_seconds": 12.5,
        },
        "line_large": None,
    }


def test_the_line_is_summed_up() -> None:
    found = line.summary([made_line(seconds, peak) for seconds, peak in ((3.0, 50), (1.0, 70), (2.0, 60))])
    # Seven stages take 1 + 2 + ... + 7 = 28 times as long as the first.
    assert found["seconds"] == 2.0 * 28
    assert found["rounds"] == [84.0, 28.0, 56.0]
    assert found["peak_mb"] == 70
    assert found["stages"]["dedupe"] == {"seconds": 2.0 * 5, "peak_mb": 70, "kept": 896}
    assert found["stages"]["pull"] == {"seconds": 2.0, "peak_mb": 66, "kept": 900}


def test_figures_without_large(details: dict[str, Any]) -> None:
    figures = data.figures_of(details)
    assert tuple(figures) == FIGURES
    assert figures == {
        "binarize_speedup": 6.0,
        "dedupe_speedup": 20.0,  # over the faster of datasketch's two ways
        "dedupe_recall": 0.995,
        "dedupe_precision": 0.9975,
        "seconds_64k": 1.5 * 28,
        "peak_mb_64k": 1_100,
        "seconds_ratio_640k": None,
        "peak_mb_640k": None,
    }


def test_figures_with_large(details: dict[str, Any]) -> None:
    details["line_large"] = {"rows": 10_000, **line.summary([made_line(15.0, 3_000)])}
    figures = data.figures_of(details)
    assert figures["seconds_ratio_640k"] == 10.0
    assert figures["peak_mb_640k"] == 3_000


def test_the_page_has_every_table(details: dict[str, Any]) -> None:
    figures = {**data.figures_of(details), "details": details}
    page = markdown(figures)
    assert COMMAND in page
    assert "| binarize, rows per second over datasets' | 6.0x | 5x |" in page
    assert "| ten times the rows, peak MB | not measured | 4,000 |" in page
    assert "| dedupe | 7.5 | 1,100 | 896 |" in page
    assert "| all | 42.0 | 1,100 |  |" in page
    assert "| ours, exact | 0.25 | 300 | 40 | 0.9950 | 0.9975 |" in page
    assert "| ours, from memory | 0.50 | 300 | 2,000 |" in page
    assert [heading[3:] for heading in page.splitlines() if heading.startswith("## ")] == [
        section.title for section in sections(figures)
    ]
    for section in sections(figures):
        assert all(len(row) == len(section.header) for row in section.rows)


def test_the_page_shows_the_large_line_beside_the_other(details: dict[str, Any]) -> None:
    details["line_large"] = {"rows": 10_000, **line.summary([made_line(15.0, 3_000)])}
    page = markdown({**data.figures_of(details), "details": details})
    assert "| pull | 1.5 | 1,096 | 900 | 15.0 | 2,996 | 900 |" in page
    assert "| ten times the rows, times the seconds | 10.0x | 11x |" in page


def test_a_project_is_the_default_one_with_another_source(tmp_path: Path) -> None:
    rows, benchmark = tmp_path / files.CORPUS, tmp_path / files.BENCHMARK
    line.make_project(tmp_path, rows, benchmark)
    params = load_params(tmp_path / "params.yaml")
    assert (params.source.kind, params.source.entries) == ("ultrafeedback", [str(rows)])
    assert [listed.path for listed in params.decontaminate.benchmarks] == [str(benchmark)]
    changed = yaml.safe_load((tmp_path / "params.yaml").read_text("utf-8"))
    same = [name for name, section in Params().model_dump(by_alias=True).items() if changed[name] == section]
    assert set(changed) - set(same) == {"source", "decontaminate"}
    assert (tmp_path / "curation" / "decisions.jsonl").read_text("utf-8") == ""


def test_contestants_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([4.0, 10.0, 2.0, 30.0, 3.0, 20.0])
    turns: list[str] = []

    def contest(module: str, function: str, folder: Path) -> dict[str, Any]:
        turns.append(f"{module}.{function}")
        return {"seconds": next(taken), "peak_mb": 100.0 + len(turns), "pairs": 7}

    monkeypatch.setattr(trials, "contest", contest)
    found = trials.alternate("deduping", ["ours", "theirs"], tmp_path, 3)
    assert turns == ["deduping.ours", "deduping.theirs"] * 3
    assert found["ours"].summary() == {
        "pairs": 7,
        "seconds": 3.0,
        "peak_mb": 105.0,
        "rounds": [4.0, 2.0, 3.0],
    }
    assert found["theirs"].summary()["seconds"] == 20.0


def test_a_contestant_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The judge with nothing to judge but two prompts."""
    from polars import DataFrame, UInt32

    DataFrame({"doc": [0, 1], "text": ["a b c", "a b c"]}, schema_overrides={"doc": UInt32}).write_parquet(
        tmp_path / files.PROMPTS
    )
    planted = {"row": [1], "original": [0], "kind": ["exact"], "jaccard": [1.0]}
    DataFrame(planted).write_parquet(tmp_path / files.TRUTH)
    DataFrame({"left": [0], "right": [1]}).write_parquet(tmp_path / "found-someone.parquet")
    figures = trials.contest("deduping", "judge", tmp_path)
    assert figures.pop("peak_mb") > 50
    someone = {"found": 1, "recall": 1.0, "precision": 1.0, "unplanted": 0}
    assert figures == {"planted": 1, "near_misses": 0, "someone": someone}


@pytest.mark.parametrize("package", ["datasketch", "trl"])
def test_a_missing_peer_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    def no_version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(peers, "version", no_version)
    with pytest.raises(PipelineError) as caught:
        peers.need_peer(package, "this")
    assert package in caught.value.problem
    assert caught.value.hint == "Run `pip install -c constraints.txt -e '.[bench]'`"


def test_a_disk_too_small_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        data.measure(tmp_path, rows=10**12, rounds=1, large=False)
    assert caught.value.expected == "60000000.0 GB"
    assert list(tmp_path.iterdir()) == []


def test_the_command_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "data.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in ("--json", "--markdown", "--large", "--rows", "--work"):
        assert option in done.stdout


def test_figures_are_json(details: dict[str, Any]) -> None:
    figures = {**data.figures_of(details), "details": details}
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
