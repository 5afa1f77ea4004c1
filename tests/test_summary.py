import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.errors import PipelineError
from pipeline.files import write_json
from pipeline.results import FUNNEL_STAGES, read_funnel, read_scores
from pipeline.summary import PLAIN_WIDTH, percent_change, print_summary

ROOT = Path(__file__).parents[1]
DROPPED = {"a_rule_with_a_long_name": 4, "tie": 9, "rare": 1, "rarer": 1, "zero": 0}


def model(accuracy: float, success: float | None) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "instruction_success": success,
        "log_odds_margin": 0.1,
        "chosen_nll": 1.5,
        "pairs": 1200,
        "prompts": 64,
        "generation": {"prompts": 62, "finished_share": 1.0, "mean_tokens": 20.0, "checked_prompts": 60},
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for stage in FUNNEL_STAGES:
        counts = {"unit_in": "rows", "in": 1015, "unit_out": "pairs", "kept": 1000, "dropped": DROPPED}
        write_json(tmp_path / "metrics" / f"{stage}.json", counts)
    scores = {"split": "test", "base": model(0.5, 0.25), "trained": model(0.625, 0.2)}
    write_json(tmp_path / "metrics" / "evaluate.json", scores)
    return tmp_path


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_prints_both_tables_whole(project: Path) -> None:
    done = run(project, "summary")
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    for stage in FUNNEL_STAGES:
        assert (
            f"{stage} 1,015 rows 1,000 pairs 15 tie 9, a_rule_with_a_long_name 4, rare 1, others 1" in words
        )
    assert "preference accuracy 50.0% 62.5% +12.5 points 1,200 pairs" in words
    assert "instruction success 25.0% 20.0% -5.0 points 60 checked prompts" in words
    assert "…" not in done.stdout and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= PLAIN_WIDTH


def test_long_reasons_fold_and_are_not_cut(project: Path) -> None:
    long = "a_reason_that_goes_on_and_on_" * 5
    counts = {"unit_in": "rows", "in": 3, "unit_out": "pairs", "kept": 2, "dropped": {long: 1}}
    write_json(project / "metrics" / "filter.json", counts)
    text = io.StringIO()
    print_summary(project, Console(file=text, width=80))
    assert long in "".join(line[40:].strip() for line in text.getvalue().splitlines())


def test_missing_metrics_name_the_stage(project: Path) -> None:
    (project / "metrics" / "dedupe.json").unlink()
    done = run(project, "summary")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and "dvc repro dedupe" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in run(project, "summary", PIPELINE_TRACEBACK="1").stderr


def test_no_checked_prompts_shows_a_dash(project: Path) -> None:
    scores = {"split": "validation", "base": model(0.5, None), "trained": model(0.5, None)}
    write_json(project / "metrics" / "evaluate.json", scores)
    text = io.StringIO()
    print_summary(project, Console(file=text, width=100))
    assert "validation" in text.getvalue()
    assert "instruction success – – –" in " ".join(text.getvalue().split())


def test_reasons_come_most_first_and_extra_counts_are_kept(project: Path) -> None:
    path = project / "metrics" / "split.json"
    counts = {
        "unit_in": "pairs",
        "in": 5,
        "unit_out": "pairs",
        "kept": 2,
        "dropped": {"b": 1, "c": 2},
        "train": 2,
    }
    write_json(path, counts)
    funnel = read_funnel(project, "split")
    assert list(funnel.dropped) == ["c", "b"]
    assert (funnel.dropped_total, funnel.extra) == (3, {"train": 2})


@pytest.mark.parametrize("broken", ["[]", "{", '{"in": 1}', '{"base": {}, "trained": {}}'])
def test_broken_metrics_are_named(project: Path, broken: str) -> None:
    (project / "metrics" / "evaluate.json").write_text(broken)
    with pytest.raises(PipelineError, match=r"evaluate\.json.*dvc repro --force --single-item evaluate"):
        read_scores(project)


def test_percent_change() -> None:
    assert percent_change(0.5, 0.49999) == "+0.0 points"
    assert percent_change(None, 0.5) == "–"
