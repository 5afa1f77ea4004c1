"""What no file of the project may hold."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# In pieces, so that this file passes its own test.
HOSTS = tuple(
    f"{name}.{end}" for name, end in (("pypi", "org"), ("pythonhosted", "org"), ("download.pytorch", "org"))
)
HOME = re.compile(r"(?<![\w.~])/(?:home|Users|root|work)" + r"/\w")
PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+")


def project_files() -> list[Path]:
    """Files git tracks, and those it would."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [
        path for path in (ROOT / name for name in sorted(set(listed.split("\0"))) if name) if path.is_file()
    ]


def lines() -> list[tuple[str, str]]:
    """Every line of every text file, with its place."""
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT).as_posix()
        found += [(f"{name}:{number}", line) for number, line in enumerate(text.splitlines(), start=1)]
    return found


def test_no_index_host_is_named() -> None:
    """Which index packages come from is the business of whoever installs them."""
    wrong = [place for place, line in lines() if any(host in line for host in HOSTS)]
    assert wrong == []


def test_no_path_of_one_machine() -> None:
    wrong = [place for place, line in lines() if HOME.search(line)]
    assert wrong == []


def test_no_conflict_marks() -> None:
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    assert [place for place, line in lines() if line.startswith(marks)] == []


def test_artifacts_are_not_in_git() -> None:
    names = [path.relative_to(ROOT).as_posix() for path in project_files()]
    assert [name for name in names if name.startswith(("data/", "models/", "reports/", ".venv/"))] == []
    assert [name for name in names if name.endswith((".partial", ".old", ".pkl", ".safetensors"))] == []


def test_constraints_pin_every_line() -> None:
    """No local versions such as +cpu, no paths, no URLs: anyone's index has them."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in text if not line.startswith("#")]
    assert pins and all(PINNED.fullmatch(line) for line in pins)
    assert "torch==2.13.0" in pins
