"""Tiny copies of the project under DVC, for tests of the line, of remotes and of damaged artifacts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def copy_project(
    folder: Path, params: Mapping[str, Mapping[str, Any]], stages: Collection[str] | None = None
) -> Path:
    """The project's files in a new git repository, committed, without anything a run has made.

    Args:
        folder: Where to; made.
        params: Sections of params.yaml, and the keys to set there.
        stages: Those that dvc.yaml keeps; None: all.
    """
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in done.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    values = yaml.safe_load((folder / "params.yaml").read_text())
    for section, changes in params.items():
        values[section] |= changes
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    if stages is not None:
        line = yaml.safe_load((folder / "dvc.yaml").read_text())
        kept = {name: stage for name, stage in line["stages"].items() if name in stages}
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}, sort_keys=False))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        git(folder, *command)
    return folder


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs in a copy of the project see: its own code, and a site folder of DVC beside it."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    found["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{found['PATH']}"
    found["PYTHONPATH"] = os.pathsep.join([str(folder), *_added_paths()])
    # The site's own folder of DVC must not be touched by a test.
    own = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}
    return found | own | dict(more or {})


def _added_paths() -> list[str]:
    """Folders of packages that whoever runs the tests has added, but no checkout of the project."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [path for path in paths if path and not (Path(path) / "pipeline").is_dir()]


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def dvc(
    folder: Path, *words: str, check: bool = True, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run DVC there; ``more`` goes into its environment."""
    return run(folder, "dvc", *words, check=check, more=more)


def pipeline(folder: Path, *words: str) -> str:
    """What a command of the copy itself prints; it must succeed."""
    return run(folder, sys.executable, "-m", "pipeline", *words).stdout


def run(
    folder: Path, *command: str, check: bool = True, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run any command there; ``more`` goes into its environment."""
    done = subprocess.run(
        command, cwd=folder, env=environment(folder, more), capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
