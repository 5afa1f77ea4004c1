"""What made the numbers: commit, artifact hashes, models, package versions, and what each stage cost."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from pipeline.report import words
from pipeline.report.grid import Cell, Grid, Head, text
from pipeline.runs import Run

PACKAGES = (
    "dvc",
    "polars",
    "pyarrow",
    "numpy",
    "datasets",
    "tokenizers",
    "torch",
    "transformers",
    "peft",
    "safetensors",
    "huggingface_hub",
    "matplotlib",
)
"""Packages whose versions may change a number or the look of one."""

_GIT_SECONDS = 20


@dataclass(frozen=True)
class Commit:
    """The project's git commit.

    Attributes:
        commit: Its hash; None where the project is no git repository, or has no commit yet.
        changed: Tracked files that differ from it.
    """

    commit: str | None
    changed: list[str]


@dataclass(frozen=True)
class Output:
    """An artifact in dvc.lock: the stage that made it, its path, its MD5 and its size in bytes."""

    stage: str
    path: str
    md5: str
    size: int | None


def read_commit(root: Path) -> Commit:
    """The commit checked out in ``root``; a repository that ``root`` merely lies in does not count."""
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top.strip()).resolve() != root.resolve():
        return Commit(None, [])
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "diff", "--name-only", "HEAD", "--") or ""
    return Commit(commit and commit.strip(), changed.split("\n")[:-1])


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def read_lock(path: Path) -> list[Output]:
    """The outs in a dvc.lock in its order; none where there is no such file or it cannot be read.

    DVC brings the file up to date after each stage, so while the report is drawn it lists every stage before.
    """
    try:
        stages = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))[
            "stages"
        ]
        return [
            Output(stage, out["path"], str(out.get("md5", "")), out.get("size"))
            for stage, entry in stages.items()
            for out in entry.get("outs", [])
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return []


def versions() -> dict[str, str]:
    """Python's version and those of :data:`PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def run_grid(runs: Mapping[str, Run], order: list[str]) -> Grid:
    """What each stage's last run took, in the order of the flow."""
    longest = max((run.seconds for run in runs.values()), default=0.0)
    rows: list[list[Cell]] = []
    for stage in sorted(runs, key=lambda name: (order.index(name) if name in order else len(order), name)):
        run = runs[stage]
        fill = run.seconds / longest if longest else 0.0
        rows.append(
            [
                Cell(stage, float(len(rows))),
                Cell(words.duration(run.seconds), run.seconds, fill=fill),
                Cell(words.size(run.peak_memory_bytes), run.peak_memory_bytes),
                Cell(run.finished, note=""),
            ]
        )
    return Grid([Head("Stage"), Head("Wall time"), Head("Peak memory", True), Head("Finished")], rows)


def lock_grid(outputs: list[Output]) -> Grid:
    """The artifacts in dvc.lock with their hashes."""
    columns = [Head("Stage"), Head("Artifact"), Head("MD5"), Head("Size", True)]
    rows = [
        [
            text(out.stage),
            Cell(out.path, code=True),
            Cell(out.md5, code=True),
            Cell(words.size(out.size), out.size),
        ]
        for out in outputs
    ]
    return Grid(columns, rows)


def commit_facts(commit: Commit) -> list[tuple[str, str]]:
    """The commit in words."""
    if commit.commit is None:
        return [("git commit", "none: the project is not under git here")]
    changed = ", ".join(commit.changed) or "none"
    return [("git commit", commit.commit), ("changed since", changed)]


def dataset_facts(lineage: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the raw rows came from, file by file with their hashes."""
    files = [(f"sha256 of {file.get('name')}", str(file.get("sha256"))) for file in lineage.get("files", [])]
    return words.flat({key: value for key, value in lineage.items() if key != "files"}) + files
