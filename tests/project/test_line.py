"""The line under DVC, in a clone of its own with a tiny model: repro, sharing, an experiment, a failure."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import read_table
from tests.project.documented import IN_THE_LINE
from tests.project.secrets import SECRETS, leaks
from tests.project.test_readme import artifacts
from tests.project.tiny import copy_project, dvc, git, run


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """The project's files in a new git repository, set to a small sample and a tiny model."""
    params: dict[str, dict[str, Any]] = {
        "source": {"sample": {"rows": 60, "seed": 7}},
        "model": {"source": "path", "path": str(model_folder)},
        "train": {"epochs": 1, "dtype": "float32"},
        "evaluate": {"max_new_tokens": 4, "max_prompts": 4},
    }
    return copy_project(tmp_path_factory.mktemp("clone") / "project", params)


def outs(folder: Path) -> dict[str, bytes]:
    """Every file of every out, by name."""
    line = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"].values()
    tops = [
        name
        for stage in line
        for kind in ("outs", "metrics")
        for each in stage.get(kind, ())
        for name in each
    ]
    files = [path for top in tops for path in ((folder / top), *(folder / top).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run_documented(clone: Path) -> None:
    """Every command that the guides give and that needs no more than a finished run."""
    pair_id = read_table(clone / "data/split/train.parquet", SPLIT_PAIRS, ["pair_id"])["pair_id"][0]
    for command in IN_THE_LINE:
        given = command.replace("0123456789abcdef", pair_id).replace(" ID", f" {pair_id}")
        words = shlex.split(given.replace("python ", f"{sys.executable} ", 1))
        done = run(clone, *words, check=False)
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])


def test_the_line_under_dvc(clone: Path) -> None:
    # Nothing a run leaves or says may hold them.
    said = [first := dvc(clone, "repro", more=SECRETS).stdout]
    stages = yaml.safe_load((clone / "dvc.yaml").read_text())["stages"]
    assert first.count("Running stage") == len(stages)
    for pattern in artifacts():
        assert list(clone.glob(pattern.rstrip("/"))), f"README names {pattern}, which the line does not make"

    said.append(second := dvc(clone, "repro", more=SECRETS).stdout)
    assert "Running stage" not in second
    assert "Data and pipelines are up to date" in second

    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "first run")
    assert git(clone, "status", "--short") == ""
    shared = share(clone)
    assert leaks(shared.parent) == []

    run_documented(clone)
    assert "train.lambda" in dvc(clone, "exp", "show", "--csv").stdout
    assert "metrics/evaluate.json" in dvc(clone, "metrics", "diff").stdout
    assert "metrics/train/metrics.json" in dvc(clone, "metrics", "show").stdout
    assert "report" in dvc(clone, "dag").stdout
    dvc(clone, "plots", "show", "--json")

    # A stage that fails keeps what it had made, says why in one paragraph, and fails the whole run.
    git(clone, "checkout", "-q", ".")
    before = {path: path.stat().st_mtime_ns for path in (clone / "data/filter").iterdir()}
    failed = dvc(clone, "exp", "run", "-S", "filter.min_response_chars=10000", check=False, more=SECRETS)
    assert failed.returncode != 0
    said.append(last := failed.stdout + failed.stderr)
    assert "error: Stage filter is left with no pairs" in last and "Traceback" not in last
    assert {path: path.stat().st_mtime_ns for path in (clone / "data/filter").iterdir()} == before
    assert not any(value in text for text in said for value in SECRETS.values())


def share(clone: Path) -> Path:
    """Push the whole line, and take it from a fresh clone: all is there, and nothing is made again."""
    remote = clone.parent / "remote"
    dvc(clone, "remote", "add", "--local", "--default", "store", str(remote))
    dvc(clone, "push")
    fresh = clone.parent / "fresh"
    git(clone, "clone", "-q", str(clone), str(fresh))
    dvc(fresh, "remote", "add", "--local", "--default", "store", str(remote))
    dvc(fresh, "pull")
    assert outs(fresh) == outs(clone)
    again = dvc(fresh, "repro").stdout
    assert "Running stage" not in again and "Data and pipelines are up to date" in again
    assert not (fresh / "data/runs").exists() and not (fresh / ".cache").exists()
    assert git(fresh, "status", "--short") == ""
    return fresh
