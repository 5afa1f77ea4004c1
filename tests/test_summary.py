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
from pipeline.results import FUNNEL_STAGES, Change, Interval, read_funnel, read_scores
from pipeline.score_tables import p_value, points
from pipeline.summary import PLAIN_WIDTH, print_summary

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
    assert "preference accuracy 50.0% 62.5% +12.5 points –" in words
    assert "instruction success 25.0% 20.0% -5.0 points –" in words
    assert "1,200 pairs, 60 checked prompts" in words
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
    assert "instruction success – – – –" in " ".join(text.getvalue().split())


def compared(project: Path) -> None:
    """Metrics as the present evaluate writes them, with a further model."""
    base, trained, dpo = model(0.5, 0.25), model(0.625, 0.2), model(0.55, 0.1)
    ends = {"accuracy": {"low": 0.412, "high": 0.588}, "log_odds_margin": {"low": -0.001, "high": 12.3}}
    for values in (base, trained, dpo):
        values |= {"rejected_nll": 2.0, "odds_ratio_term": 0.7, "intervals": ends}
    change = {"difference": 0.125, "low": 0.02, "high": 0.231, "p_value": 0.0001}
    success = {"difference": -0.05, "low": None, "high": None, "p_value": 0.25}
    counted = {"win": 3, "tie": 50, "loss": 7}
    comparison = {
        "trained_vs_base": {"accuracy": change, "instruction_success": success, "outcomes": counted},
        "dpo_vs_trained": {"accuracy": {"difference": -0.075, "low": -0.2, "high": 0.05, "p_value": 0.1234}},
    }
    share = {"low": 0.5, "high": 0.7}
    baseline = {"choose_longer": 0.6, "choose_shorter": 0.4, "intervals": {"choose_longer": share}}
    scores = {"split": "test", "base": base, "trained": trained, "dpo": dpo}
    scores |= {"comparison": comparison, "length_baseline": baseline}
    write_json(project / "metrics" / "evaluate.json", scores)


def test_scores_are_read_whole(project: Path) -> None:
    compared(project)
    scores = read_scores(project)
    assert list(scores.further) == ["dpo"] and scores.further["dpo"].accuracy == 0.55
    assert scores.trained.intervals["accuracy"] == Interval(0.412, 0.588)
    assert (scores.trained.prompts, scores.trained.rejected_nll, scores.trained.odds_ratio_term) == (
        64,
        2,
        0.7,
    )
    assert scores.change("trained", "base", "accuracy") == Change(0.125, Interval(0.02, 0.231), 0.0001)
    assert scores.change("trained", "base", "instruction_success") == Change(-0.05, None, 0.25)
    assert scores.change("base", "trained", "accuracy") is None
    assert scores.outcomes == {"trained_vs_base": {"win": 3, "tie": 50, "loss": 7}}
    assert scores.length_baseline is not None
    assert scores.length_baseline.intervals == {"choose_longer": Interval(0.5, 0.7)}


def test_intervals_changes_and_what_stands_beside_are_shown(project: Path) -> None:
    compared(project)
    text = io.StringIO()
    print_summary(project, Console(file=text, width=PLAIN_WIDTH))
    words = " ".join(text.getvalue().split())
    for said in (
        "preference accuracy 50.0% [41.2, 58.8] 62.5% [41.2, 58.8] +12.5 points [+2.0, +23.1] <0.001",
        "instruction success 25.0% 20.0% -5.0 points 0.250",
        "log-odds margin 0.10 [0.00, 12.30] 0.10 [0.00, 12.30] +0.00 –",
        "rejected NLL 2.00 2.00 +0.00 –",
        "dpo 55.0% [41.2, 58.8] -7.5 points [-20.0, +5.0] 0.123",
        "always the longer response 60.0% [50.0, 70.0]",
        "always the shorter response 40.0%",
    ):
        assert said in words
    assert max(map(len, text.getvalue().splitlines())) <= PLAIN_WIDTH


def test_a_missing_model_is_named(project: Path) -> None:
    write_json(project / "metrics" / "evaluate.json", {"base": model(0.5, None)})
    with pytest.raises(PipelineError, match=r"lacks a value.*trained"):
        read_scores(project)


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


def test_changes_and_p_values_as_words() -> None:
    assert points(-0.00001) == "+0.0 points"
    assert points(-0.051) == "-5.1 points"
    assert [p_value(Change(0.0, None, value)) for value in (0.00099, 0.001, 1.0)] == [
        "<0.001",
        "0.001",
        "1.000",
    ]
    assert p_value(None) == "–"
