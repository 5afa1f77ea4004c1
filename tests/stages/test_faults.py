"""Stages that are killed, find no room, no permission or no memory, or run twice at once.

``benchmarks/faults.py`` does the same to every stage, and longer; here it is tried on a few.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.fault_kills import fingerprint
from benchmarks.fault_project import CASES, leftovers
from tests.project.tiny import dvc, git

ROOT = Path(__file__).parents[2]
OUTS = ("data/pull", "metrics/pull.json")
KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.params import load_params
from pipeline.sources import pull
from stages import _stage, pull as stage
if Path("die").exists():
    pull.write_funnel = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
_stage.run(stage.main)
"""
"""Stage pull, which dies between its two outs where there is a file ``die``."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stage pull has run, and whose params have changed since."""
    folder = tmp_path / "project"
    folder.mkdir()
    set_rows(folder, 40)
    assert pull(folder).returncode == 0
    set_rows(folder, 50)
    return folder


def set_rows(folder: Path, rows: int) -> None:
    (folder / "params.yaml").write_text(
        yaml.safe_dump({"source": {"kind": "sample", "sample": {"rows": rows}}})
    )


def start(folder: Path, limit: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stages.pull"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def pull(folder: Path, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    process = start(folder, limit)
    output, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def state(folder: Path) -> dict[str, str]:
    return {name: fingerprint(folder / name) for name in OUTS}


def stopped(folder: Path, words: str, limit: Callable[[], None] | None = None) -> None:
    """Pull stops with a paragraph, what it made before stands, and nothing else is left."""
    before = state(folder)
    done = pull(folder, limit)
    said = done.stderr.strip().splitlines()
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert said[-1].startswith(f"error: {words}"), done.stderr
    assert state(folder) == before and leftovers(folder) == []


def ends_well(folder: Path) -> None:
    assert pull(folder).returncode == 0
    assert json.loads((folder / "metrics/pull.json").read_text())["in"] == 50 and leftovers(folder) == []


def test_the_script_knows_every_out() -> None:
    """Its cases are the stages of dvc.yaml, and their outs lie in what DVC takes."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == [name for name, case in CASES.items() if not case.arguments]
    for name, stage in stages.items():
        outs = [next(iter(out)) for key in ("outs", "metrics", "plots") for out in stage.get(key, ())]
        assert all(any(Path(out).is_relative_to(own) for own in CASES[name].outs) for out in outs), name


def test_killed_stages_leave_old_or_nothing_and_go_on(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("runs are forked, which this system cannot")
    stages = [word for name in ("pull", "curate_import") for word in ("--stage", name)]
    result = tmp_path / "faults.json"
    command = [sys.executable, "benchmarks/faults.py", *stages, "--kills", "1", "--boundaries", "3"]
    done = subprocess.run(
        [*command, "--json", str(result)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(result.read_text())
    assert [outcome["name"] for outcome in outcomes] == ["pull", "curate_import"]
    for outcome in outcomes:
        # The first change is always before the outs are touched: the old ones are found.
        assert outcome["faults"] == [] and outcome["boundary_kills"] == 3 and outcome["found_old"] >= 2


def test_a_limit_on_files_is_a_full_disk(project: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    stopped(project, "The file would grow over its limit (file data/pull). Found: ", limit)
    ends_well(project)


@pytest.fixture
def mounted(project: Path) -> Iterator[Path]:
    """The project on a small file system of its own."""
    mount = project.with_name("small")
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mount)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: that takes root")
    shutil.copytree(project, mount / "project")
    yield mount / "project"
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk(mounted: Path) -> None:
    ballast = mounted / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for room in (0, 40_000, 120_000):  # In its sample, in its table, in neither.
        os.truncate(ballast, ballast.stat().st_size - room)
        stopped(mounted, "The disk is full (file data/pull). Found: ")
        with pytest.raises(OSError, match="No space left"), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    ballast.unlink()
    ends_well(mounted)


def test_a_read_only_disk(mounted: Path) -> None:
    options = ["mount", "-o", "remount,ro", str(mounted.parent)]
    subprocess.run(options, check=True)
    stopped(mounted, "The folder is read-only (file data/runs/pull.lock). Found: Read-only file system.")
    subprocess.run([word.replace("remount,ro", "remount,rw") for word in options], check=True)
    ends_well(mounted)


def test_a_file_in_place_of_a_folder(project: Path) -> None:
    (project / "metrics").rename(project / "moved")
    (project / "metrics").write_text("mine")
    done = pull(project)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: Something else is where a folder belongs (file metrics)." in done.stderr
    assert (project / "metrics").read_text() == "mine" and leftovers(project) == []
    (project / "metrics").unlink()
    ends_well(project)


def test_two_runs_at_once_never_mix(project: Path) -> None:
    runs = [start(project) for _ in range(3)]
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert run.returncode == 0 or "error: Stage pull is running in this folder already" in errors, errors
    assert 0 in [run.returncode for run in runs] and leftovers(project) == []
    found = state(project)
    ends_well(project)
    assert state(project) == found


def test_dvc_runs_a_stage_again_that_died_between_its_outs(tmp_path: Path) -> None:
    set_rows(tmp_path, 40)
    (tmp_path / "killed.py").write_text(KILLED)
    (tmp_path / ".gitignore").write_text("/site\n")
    outs = {"outs": [{"data/pull": {"persist": True}}]}
    metrics = {"metrics": [{"metrics/pull.json": {"cache": False, "persist": True}}]}
    stage = {"cmd": "python killed.py", "params": ["source"], **outs, **metrics}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"pull": stage}}))
    code = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    git(tmp_path, "init", "-q")
    dvc(tmp_path, "init", "-q")
    dvc(tmp_path, "repro", "-q", more=code)
    old = state(tmp_path)
    set_rows(tmp_path, 50)
    (tmp_path / "die").touch()
    failed = dvc(tmp_path, "repro", check=False, more=code)
    # A shell that waits for the stage tells its death by a signal as 137, one that became it as -9.
    assert failed.returncode != 0 and re.search(r"exited with (-9|137)$", failed.stderr, re.MULTILINE)
    # One out is new and the other old: dvc.lock knows neither so, and the stage is run again.
    found = state(tmp_path)
    assert found["data/pull"] != old["data/pull"] and found["metrics/pull.json"] == old["metrics/pull.json"]
    (tmp_path / "die").unlink()
    assert "Running stage 'pull'" in dvc(tmp_path, "repro", more=code).stdout
    assert state(tmp_path)["data/pull"] == found["data/pull"]
    assert json.loads((tmp_path / "metrics/pull.json").read_text())["in"] == 50
