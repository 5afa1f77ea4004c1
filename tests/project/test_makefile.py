"""Making the virtualenv fails with a sentence that says what to do."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def fake_python(folder: Path, refuses: str) -> str:
    """A stand-in for Python that fails whatever code names ``refuses``."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\ncase "$*" in -V) echo "Python 3.9.2";; *{refuses}*) exit 1;; esac\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("refuses", "said"),
    [
        ("version_info", "Python 3.11 or newer is needed"),
        ("ensurepip", "sudo apt install python3-venv"),
    ],
)
def test_a_python_that_will_not_do(tmp_path: Path, refuses: str, said: str) -> None:
    done = make("setup", f"VENV={tmp_path}/venv", f"PYTHON={fake_python(tmp_path, refuses)}")
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all(tmp_path: Path) -> None:
    done = make("setup", f"VENV={tmp_path}/venv", "PYTHON=python-that-is-not-there")
    assert done.returncode != 0 and "python-that-is-not-there was not found" in done.stderr


def test_nothing_is_installed_again_when_nothing_changed(tmp_path: Path) -> None:
    (tmp_path / ".installed").touch()
    done = make("--dry-run", "setup", f"VENV={tmp_path}")
    assert done.returncode == 0 and "pip install" not in done.stdout


def test_the_argilla_server_is_installed_for_tests_only_where_redis_is(tmp_path: Path) -> None:
    """PATH is all that tells: what a shell needs, and a redis-server or none."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "make"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tmp_path / ".installed").touch()
    command = [
        str(tools / "make"),
        "--dry-run",
        "test",
        f"VENV={tmp_path}",
        f"ARGILLA_VENV={tmp_path}/argilla",
    ]

    def planned() -> str:
        environment = {"PATH": str(tools)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True).stdout

    assert "python -m pytest" in planned() and "argilla_server/requirements.txt" not in planned()
    (tools / "redis-server").write_text("#!/bin/sh\n")
    (tools / "redis-server").chmod(0o755)
    assert "argilla_server/requirements.txt" in planned()


def test_help_names_every_target() -> None:
    text = make("help").stdout
    for target in ("setup", "repro", "test", "argilla-server", "test-argilla", "lint", "fix", "types"):
        assert f"make {target}" in text


def fakes(folder: Path, recipe: str) -> str:
    """A virtualenv whose programs write down how they are called; ``recipe`` is what that command does."""
    programs, calls = folder / "venv/bin", folder / "calls"
    programs.mkdir(parents=True)
    (folder / "venv/.installed").touch()
    note = f'{{ printf "%s|" "${{0##*/}}" "$@"; echo; }} >> {calls}\n'
    (programs / "dvc").write_text(f"#!/bin/sh\n{note}")
    (programs / "python").write_text(f'#!/bin/sh\n{note}case "$3" in recipe) {recipe};; esac\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    # The Makefile puts its own folder before it.
    return os.path.relpath(folder / "venv", ROOT)


def test_repro_without_a_recipe(tmp_path: Path) -> None:
    done = make("repro", f"VENV={fakes(tmp_path, 'false')}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().split() == ["dvc|repro|", "python|-m|pipeline|summary|"]


def test_a_recipe_runs_as_an_experiment(tmp_path: Path) -> None:
    """Words that the command quoted for a shell arrive as one."""
    (tmp_path / "options").write_text(shlex.join(["-S", "++a.b='c d'", "-S", "++e=1"]))
    venv = fakes(tmp_path, f"cat {tmp_path}/options")
    done = make("repro", f"VENV={venv}", "RECIPE=phi-2", "SET=train.processes=4 train.parallel=fsdp")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == [
        "python|-m|pipeline|recipe|phi-2|train.processes=4|train.parallel=fsdp|",
        "dvc|exp|run|-S|++a.b='c d'|-S|++e=1|",
        "python|-m|pipeline|summary|",
    ]


def test_a_recipe_that_is_refused_runs_nothing(tmp_path: Path) -> None:
    done = make("repro", f"VENV={fakes(tmp_path, 'exit 1')}", "RECIPE=nope")
    assert done.returncode != 0
    assert (tmp_path / "calls").read_text().splitlines() == ["python|-m|pipeline|recipe|nope|"]
