"""`python -m pipeline check`: the page, the JSON and the exit status, of sound and of broken sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.__main__ import app

ROWS = [
    {
        "prompt": f"Name a fruit that starts with letter number {n}",
        "chosen": f"good {n}",
        "rejected": f"no {n}",
    }
    for n in range(40)
]
SECTIONS: dict[str, Any] = {
    "decontaminate": {"benchmarks": []},
    "dedupe": {"threshold": 1.0},
    "split": {"validation": 0.0, "test": 0.0},
    "train": {"dtype": "float32", "micro_batch_tokens": 64},
}
KEYS = {
    *("kind", "would_run", "stops", "files", "rows", "usable", "dropped", "first_rows", "errors", "columns"),
    *("why", "notes", "tokens", "filters", "estimates", "observations", "changes"),
}

Checked = tuple[int, str, dict[str, Any]]
Check = Callable[..., Checked]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> Path:
    """A project folder with params and a tiny base model; the current folder."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/base").symlink_to(model_folder)
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path)
    write_rows(tmp_path / "mine.jsonl", ROWS)
    return tmp_path


@pytest.fixture
def check(project: Path) -> Check:
    """Run check with arguments: exit status, page and JSON; nothing else may be written."""

    def run(*arguments: str) -> Checked:
        (project / "out").mkdir(exist_ok=True)
        before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
        result = CliRunner().invoke(app, ["check", *arguments, "--json", "out/found.json"])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        after = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
        assert {path for path in after if after[path] != before.get(path)} == {project / "out/found.json"}
        assert set(before) <= set(after)
        found = json.loads((project / "out/found.json").read_text())
        assert set(found) == KEYS
        assert found["rows"] == found["usable"] + sum(found["dropped"].values())
        return result.exit_code, result.stdout, found

    return run


def write_params(folder: Path, **source: Any) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump({**SECTIONS, "source": source}))


def write_rows(path: Path, rows: list[Any]) -> None:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def test_a_sound_file(check: Check) -> None:
    status, page, found = check("mine.jsonl")
    assert (status, found["kind"], found["would_run"], found["rows"], found["usable"]) == (
        0,
        "pairs",
        True,
        40,
        40,
    )
    assert found["columns"] == {"chosen": "chosen", "rejected": "rejected", "prompt": "prompt"}
    assert set(found["columns"]) <= set(found["why"])
    assert found["files"] == [
        {"name": "mine.jsonl", "format": "JSON Lines", "bytes": Path("mine.jsonl").stat().st_size, "rows": 40}
    ]
    assert (found["errors"], found["dropped"], found["stops"]) == ([], {}, [])
    assert {stage: part["kept"] for stage, part in found["filters"]["stages"].items()} == dict.fromkeys(
        ("binarize", "filter", "decontaminate", "dedupe", "split"), 40
    )
    assert (found["tokens"]["pairs"], found["tokens"]["tokenizer"]) == (40, "models/base")
    # "good 7" and its EOS, one token a byte.
    assert found["tokens"]["percentiles"]["chosen"] == {"p50": 8, "p90": 8, "p95": 8, "p99": 8, "max": 8}
    assert all(found["estimates"][stage]["seconds"] > 0 for stage in ("pull", "dedupe", "tokenize", "train"))
    assert [(change["key"], change["value"]) for change in found["changes"]] == [
        ("source.kind", "pairs"),
        ("source.path", "mine.jsonl"),
    ]
    assert page.startswith("What was understood\nsource.kind: pairs")
    assert "40 rows, of which pull would keep 40 (100.0%)" in page
    assert page.count("    ⟦good ") == 3 and "<|im_end|>⟧" in page and "<|im_start|>user\n" in page
    assert "Tokens of 40 pairs; tokenize.max_length is 1,024" in page
    assert page.endswith("The pipeline would run: `dvc repro`\n")


def test_the_source_of_params(check: Check, project: Path) -> None:
    write_params(
        project, kind="pairs", path="mine.jsonl", columns={"chosen": "rejected", "rejected": "chosen"}
    )
    status, page, found = check()
    assert (status, found["columns"]["chosen"], found["why"]["chosen"]) == (
        0,
        "rejected",
        "named in source.columns",
    )
    assert found["changes"] == []
    assert page.count("⟦no ") == 3


def test_the_sample(check: Check, project: Path) -> None:
    write_params(project, kind="sample", sample={"rows": 60, "seed": 3})
    status, _, found = check()
    assert (status, found["kind"], found["rows"], found["usable"]) == (0, "sample", 60, 60)
    assert found["files"][0]["name"] == "sample.jsonl"


def test_a_known_kind_by_name(check: Check) -> None:
    status, _, found = check("mine.jsonl", "--kind", "ultrafeedback")
    assert status == 1 and found["kind"] == "ultrafeedback"
    assert (found["usable"], found["dropped"]) == (0, {"missing_field": 40})


def test_bad_rows_are_counted_and_named(check: Check, project: Path) -> None:
    rows: list[Any] = [*ROWS]
    rows[2] = '{"prompt": "q", "chosen": '
    rows[10] = {"prompt": "q", "chosen": 5, "rejected": "b"}
    rows[37] = {"prompt": "q", "rejected": "b"}
    write_rows(project / "mine.jsonl", rows)
    status, page, found = check("mine.jsonl")
    assert (status, found["rows"], found["usable"], sum(found["dropped"].values())) == (1, 40, 37, 3)
    assert [(error["file"], error["row"]) for error in found["errors"]] == [
        ("mine.jsonl", 3),
        ("mine.jsonl", 11),
        ("mine.jsonl", 38),
    ]
    assert all(error["hint"] and error["problem"] and error["reason"] for error in found["errors"])
    assert found["errors"][2]["column"] == "chosen"
    assert found["filters"]["sampled_rows"] == 37
    assert "The pipeline would stop: " in page and "file mine.jsonl, row 3" in page


def test_few_bad_rows_may_be_left_out(check: Check, project: Path) -> None:
    rows = [*ROWS, {"prompt": "q", "rejected": "b"}]
    write_rows(project / "mine.jsonl", rows)
    _, _, found = check("mine.jsonl")
    advised = {change["key"]: change["value"] for change in found["changes"]}
    assert (advised["source.on_bad_row"], advised["source.max_bad_share"]) == ("drop", 0.025)
    write_params(project, kind="pairs", path="mine.jsonl", on_bad_row="drop", max_bad_share=0.025)
    status, _, found = check()
    assert (status, found["usable"], found["would_run"], found["changes"]) == (0, 40, True, [])
    write_params(project, kind="pairs", path="mine.jsonl", on_bad_row="drop")
    status, _, found = check()
    assert status == 1 and found["stops"][0].startswith("Too many rows cannot be read")


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        pytest.param("nowhere.jsonl", None, None, id="missing"),
        pytest.param("empty.jsonl", b"", None, id="empty"),
        pytest.param("cut.jsonl.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", None, id="cut_off"),
        pytest.param("broken.parquet", b"PAR1 and nothing", None, id="broken_footer"),
        pytest.param("odd.jsonl", b'{"x": 1, "y": 2}\n', None, id="not_understood"),
        pytest.param("sheet.xlsx", b"PK", None, id="other_format"),
    ],
)
def test_what_cannot_be_read_is_said_in_json_too(
    check: Check, project: Path, path: str, content: bytes | None, kind: str | None
) -> None:
    if content is not None:
        (project / path).write_bytes(content)
    status, page, found = check(path)
    assert (status, found["kind"], found["rows"], found["usable"]) == (1, kind, 0, 0)
    [error] = found["errors"]
    assert error["problem"] and error["hint"] and found["stops"]
    assert "The pipeline would stop: " in page


def test_a_file_that_is_cut_off_late_gives_no_rows(check: Check, project: Path) -> None:
    import gzip
    import random

    noise = random.Random(0)
    rows = [{**row, "rejected": noise.randbytes(3000).hex()} for row in ROWS * 20]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    (project / "cut.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    status, _, found = check("cut.jsonl.gz")
    assert (status, found["usable"]) == (1, 0)
    assert "cut off" in found["errors"][0]["problem"]


def test_params_that_are_wrong_are_said_in_json_too(check: Check, project: Path) -> None:
    (project / "params.yaml").write_text("source: {kind: pears}")
    status, page, found = check()
    assert (status, found["kind"], found["errors"][0]["reason"]) == (1, None, "params")
    assert "source.kind" in page


def test_a_kind_there_is_not(check: Check) -> None:
    status, _, found = check("mine.jsonl", "--kind", "pears")
    assert (status, found["errors"][0]["found"]) == (1, "pears")


def test_without_params_the_defaults_hold(check: Check, project: Path) -> None:
    (project / "params.yaml").unlink()
    status, page, found = check("mine.jsonl")
    # The benchmark list of the defaults lies in the project, which this folder is not.
    assert (status, found["kind"], found["usable"]) == (1, "pairs", 40)
    assert "sample_benchmark.jsonl" in page


def test_without_a_model_texts_are_shown_bare(check: Check, project: Path) -> None:
    (project / "models/base").unlink()
    status, page, found = check("mine.jsonl")
    assert (status, found["tokens"]["tokenizer"], found["tokens"]["percentiles"]) == (0, None, {})
    assert page.count("    user: Name a fruit") == 3 and "`dvc repro pull_model`" in page
    assert found["estimates"]["train"]["seconds"] is None


def test_singles_are_paired_by_prompt(check: Check, project: Path) -> None:
    rows = [
        {"prompt": f"question {n // 2}?", "response": f"answer {n}", "rating": 1 + 4 * (n % 2)}
        for n in range(40)
    ]
    write_rows(project / "rated.jsonl", [*rows, {"prompt": "alone", "response": "a", "rating": 3}])
    status, _, found = check("rated.jsonl")
    assert (status, found["kind"], found["rows"], found["usable"]) == (0, "rated_single", 41, 40)
    assert found["dropped"] == {"one_answer_to_its_prompt": 1}
    assert found["first_rows"] == {"one_answer_to_its_prompt": [{"file": "rated.jsonl", "row": 41}]}
    assert found["filters"]["stages"]["binarize"]["kept"] == 20
    assert found["filters"]["sampled_rows"] == found["filters"]["of_rows"] == 20


def test_texts_cannot_steer_the_terminal(check: Check, project: Path) -> None:
    evil = "\x1b]0;title\x07\u202e[red]bold[/red]"
    write_rows(project / "mine.jsonl", [{**row, "chosen": evil} for row in ROWS[:3]] + ROWS)
    write_params(project, kind="pairs", path="mine.jsonl")
    _, page, _ = check()
    assert "\x1b" not in page and "\u202e" not in page
