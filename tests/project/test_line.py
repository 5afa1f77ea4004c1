"""The line under DVC, in a clone of its own with a tiny model: repro, repro again, an experiment."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import read_table
from tests.clones import dvc, git, make_clone, run
from tests.project.documented import IN_THE_LINE
from tests.project.test_readme import artifacts


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """The project set to a small sample and a tiny model."""
    changes = {
        "source": {"sample": {"rows": 60, "seed": 7}},
        "model": {"source": "path", "path": str(model_folder)},
        "train": {"epochs": 1, "dtype": "float32"},
        "evaluate": {"max_new_tokens": 4, "max_prompts": 4},
    }
    return make_clone(tmp_path_factory.mktemp("clone") / "project", changes)


def run_documented(clone: Path) -> None:
    """Every command that the guides give and that needs no more than a finished run."""
    pair_id = read_table(clone / "data/split/train.parquet", SPLIT_PAIRS, ["pair_id"])["pair_id"][0]
    for command in IN_THE_LINE:
        given = command.replace("0123456789abcdef", pair_id).replace(" ID", f" {pair_id}")
        words = shlex.split(given.replace("python ", f"{sys.executable} ", 1))
        done = run(clone, *words, check=False)
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])


def test_the_line_under_dvc(clone: Path) -> None:
    first = dvc(clone, "repro").stdout
    stages = yaml.safe_load((clone / "dvc.yaml").read_text())["stages"]
    assert first.count("Running stage") == len(stages)
    for pattern in artifacts():
        assert list(clone.glob(pattern.rstrip("/"))), f"README names {pattern}, which the line does not make"

    second = dvc(clone, "repro").stdout
    assert "Running stage" not in second
    assert "Data and pipelines are up to date" in second

    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "first run")
    assert git(clone, "status", "--short") == ""
    run_documented(clone)
    assert "train.lambda" in dvc(clone, "exp", "show", "--csv").stdout
    assert "metrics/evaluate.json" in dvc(clone, "metrics", "diff").stdout
    assert "metrics/train/metrics.json" in dvc(clone, "metrics", "show").stdout
    assert "report" in dvc(clone, "dag").stdout
    dvc(clone, "plots", "show", "--json")

    # A stage that fails keeps what it had made, says why in one paragraph, and fails the whole run.
    git(clone, "checkout", "-q", ".")
    before = {path: path.stat().st_mtime_ns for path in (clone / "data/filter").iterdir()}
    failed = dvc(clone, "exp", "run", "-S", "filter.min_response_chars=10000", check=False)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "error: Stage filter is left with no pairs" in said and "Traceback" not in said
    assert {path: path.stat().st_mtime_ns for path in (clone / "data/filter").iterdir()} == before
