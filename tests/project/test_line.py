"""The line under DVC, in a clone of its own with a tiny model: repro, repro again, an experiment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.project.test_readme import artifacts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """The project's files in a new git repository, set to a small sample and a tiny model."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in done.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["source"]["sample"]["rows"] = 60
    params["model"] |= {"source": "path", "path": str(model_folder)}
    params["train"] |= {"epochs": 1, "dtype": "float32"}
    params["evaluate"] |= {"max_new_tokens": 4, "max_prompts": 4}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        git(folder, *command)
    return folder


def environment(folder: Path) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    found["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{found['PATH']}"
    found["PYTHONPATH"] = str(folder)
    # The site's own folder of DVC must not be touched by a test.
    return found | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def dvc(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["dvc", *words], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


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
    dvc(clone, "exp", "run", "-S", "train.lambda=0.1")
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
