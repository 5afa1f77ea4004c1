"""A stage that asks for ranks hands itself to torchrun, and joins the ranks torchrun starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from pipeline.errors import PipelineError
from pipeline.params import parse_params
from pipeline.training.launch import hand_to_torchrun, process_group, torchrun_command

ROOT = Path(__file__).parents[2]
MODULE = "tests.training.launched"
TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def outside_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)


def launch(folder: Path, processes: int, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the small stage in a folder whose params ask for so many ranks."""
    (folder / "params.yaml").write_text(f"train:\n  processes: {processes}\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **variables}
    command = [sys.executable, "-m", MODULE]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_stage_starts_its_ranks(tmp_path: Path) -> None:
    done = launch(tmp_path, 2)
    assert done.returncode == 0, done.stderr
    threads = max(1, (os.cpu_count() or 1) // 2)
    written = {path.name: path.read_text() for path in tmp_path.glob("rank-*")}
    # Each has the sum of the ranks, 0 + 1.
    assert written == {"rank-0": f"1 {threads}", "rank-1": f"1 {threads}"}


def test_a_fault_of_one_rank_ends_all(tmp_path: Path) -> None:
    done = launch(tmp_path, 2, FAULT_IN="1")
    assert done.returncode != 0
    assert "error: The operating system refused" in done.stderr
    assert not list(tmp_path.glob("rank-*"))


def test_one_process_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("handed over"))
    params = parse_params({}).train
    hand_to_torchrun(params, MODULE)
    with process_group(params):
        assert not dist.is_initialized()


def test_a_rank_is_not_launched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("handed over"))
    monkeypatch.setenv("RANK", "0")
    hand_to_torchrun(parse_params({"train": {"processes": 2}}).train, MODULE)


def test_the_users_thread_count_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda path, command, environment: taken.append(environment))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    hand_to_torchrun(parse_params({"train": {"processes": 3}}).train, MODULE)
    assert taken[0]["OMP_NUM_THREADS"] == "7"


def test_the_command_is_torchruns() -> None:
    expected = "-m torch.distributed.run --standalone --nproc-per-node 3 -m stages.train"
    assert torchrun_command(3, "stages.train") == [sys.executable, *expected.split()]


def test_other_ranks_than_the_params_say_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with (
        pytest.raises(PipelineError, match=r"train\.processes.*Found: 2\. Expected: 4\."),
        process_group(parse_params({"train": {"processes": 2}}).train),
    ):
        pass


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(PipelineError, match=r"fewer GPUs than ranks.*Expected: at most 1\."),
        process_group(parse_params({"train": {"processes": 2}}).train),
    ):
        pass
