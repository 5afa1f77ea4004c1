"""The project in a git repository of its own, as somebody who cloned it has it, and commands run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def make_clone(folder: Path, changes: Mapping[str, Mapping[str, Any]]) -> Path:
    """The project's files without a recorded run, committed.

    Args:
        folder: Made here.
        changes: What params have beside the defaults, by section.
    """
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in done.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in changes.items():
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        git(folder, *command)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """What commands see: this Python, the clone's own code."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    found["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{found['PATH']}"
    found["PYTHONPATH"] = str(folder)
    # The site's own folder of DVC must not be touched by a test.
    return found | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}


def git(folder: Path, *words: str) -> str:
    """What a git command prints; it must succeed."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def dvc(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command of DVC."""
    return run(folder, "dvc", *words, check=check)


def pipeline(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command of the clone itself."""
    return run(folder, sys.executable, "-m", "pipeline", *words, check=check)


def run(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Any command, in the clone."""
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
