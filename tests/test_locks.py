"""Processes that write the same artifact: one at a time, and what a killed one left is taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.curation.decisions import read_decisions
from pipeline.errors import PipelineError
from pipeline.files import atomic_folder
from pipeline.locks import locked

ROOT = Path(__file__).parents[1]
HOLD = """
import sys, time
from pathlib import Path
from pipeline.locks import locked
with locked(Path("out"), "Somebody is at it"):
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""
FILL = """
import sys
from pathlib import Path
from pipeline.errors import PipelineError
from pipeline.files import atomic_folder
done = 0
for round in range(40):
    mark = f"{sys.argv[1]} {round}\\n"
    try:
        with atomic_folder(Path("out")) as folder:
            for name in "abc":
                (folder / name).write_text(mark)
        done += 1
    except PipelineError:
        pass
print(done)
"""
DECIDE = """
import sys
from pathlib import Path
from pipeline.curation.decisions import Decision, append_decisions
for number in range(8):
    line = {"pair_id": f"{number:016x}", "action": "keep", "annotators": [sys.argv[1]]}
    append_decisions(Path("decisions.jsonl"), [Decision(**line, when="2000-01-01T00:00:00+00:00")])
"""


def start(folder: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.strip()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    with start(tmp_path, HOLD, "60") as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(PipelineError, match=rf"Somebody is at it .*process {holder.pid} on .*Wait until"),
            locked(tmp_path / "out", "Somebody is at it"),
        ):
            pass
        holder.kill()
    assert holder.returncode == -signal.SIGKILL and (tmp_path / "out.lock").exists()
    with locked(tmp_path / "out", "Somebody is at it"):
        assert (tmp_path / "out.lock").read_text().startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_can_wait(tmp_path: Path) -> None:
    with start(tmp_path, HOLD, "0.3") as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        begun = time.monotonic()
        with locked(tmp_path / "out", "Somebody is at it", wait=60):
            assert 0.1 < time.monotonic() - begun < 60
    assert list(tmp_path.iterdir()) == []


def test_processes_that_fill_a_folder_at_once_never_mix(tmp_path: Path) -> None:
    processes = [start(tmp_path, FILL, str(number)) for number in range(3)]
    while any(process.poll() is None for process in processes):
        try:
            # Opened before it is read: whoever replaces it meanwhile leaves this one whole.
            handles = [(tmp_path / "out" / name).open() for name in "abc"]
        except FileNotFoundError:
            continue  # Between two renames there is none.
        for handle in handles:
            with handle:
                assert handle.read().count("\n") == 1
    # How many times each is refused is chance; whoever holds the lock comes to its end.
    assert sum(int(said(process)) for process in processes) > 0
    assert len({(tmp_path / "out" / name).read_text() for name in "abc"}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_another_fills_is_refused(tmp_path: Path) -> None:
    with (
        atomic_folder(tmp_path / "out") as folder,
        pytest.raises(PipelineError, match="Another process is writing this"),
        atomic_folder(tmp_path / "out"),
    ):
        pass
    assert folder.name == "out.partial" and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_decision_is_lost_when_several_write(tmp_path: Path) -> None:
    for process in [start(tmp_path, DECIDE, name) for name in ("ann", "bob", "cyd")]:
        said(process)
    decisions = read_decisions(tmp_path / "decisions.jsonl").values()
    found = sorted((decision.annotators[0], decision.pair_id) for decision in decisions)
    assert found == [(name, f"{number:016x}") for name in ("ann", "bob", "cyd") for number in range(8)]
    assert [path.name for path in tmp_path.iterdir()] == ["decisions.jsonl"]
