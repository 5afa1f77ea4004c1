"""The loop over two gloo ranks takes the course of one process, also when it is killed and goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.training.gather import full_weights
from pipeline.training.loop import TrainResult
from tests.training.conftest import make_pairs
from tests.training.runs import Recorder, shard_set, trained

ROOT = Path(__file__).parents[2]
# Steps of eleven pairs, and of one: then a rank has none.
SETTING: dict[str, Any] = {
    "batch_pairs": 11,
    "epochs": 4,
    "lr": 0.02,
    "micro_batch_tokens": 64,
    "eval_every": 2,
    "best_metric": "log_odds",
    "checkpoint_every": 3,
}


PARALLEL = ("ddp", "fsdp")


def launch(folder: Path, ends: dict[str, list[int | None]]) -> subprocess.CompletedProcess[str]:
    """Run each way of parallel training over two ranks, as far as its end says."""
    for parallel, end in ends.items():
        case = [{**SETTING, "processes": 2, "parallel": parallel}, *end]
        (folder / parallel / "case.json").write_text(json.dumps(case))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [*command, "-m", "tests.training.loop_ranks", *(str(folder / parallel) for parallel in ends)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks wrote, in a folder for each way; both runs ended in step 5 of 8, then went on."""
    folder = tmp_path_factory.mktemp("ranks")
    for parallel in PARALLEL:
        shard_set(folder / parallel / "shards", make_pairs(12), make_pairs(5))
    killed = launch(folder, {"ddp": [4, None], "fsdp": [4, 1]})
    assert killed.returncode != 0 and "SIGKILL" in killed.stderr, killed.stderr
    for parallel in PARALLEL:
        assert [path.name for path in (folder / parallel / "checkpoints").iterdir()] == ["step-00000003"]
        assert not (folder / parallel / "told.json").exists()
    done = launch(folder, {"ddp": [None, None], "fsdp": [None, None]})
    assert done.returncode == 0, done.stderr
    # Both ranks read it, one says so.
    assert done.stderr.count("training goes on from") == len(PARALLEL)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], TrainResult, Recorder]:
    """The same run in one process, without an end before its time."""
    log = Recorder()
    module, result = trained(tmp_path_factory.mktemp("alone"), log, **SETTING)
    return full_weights(module), result, log


@pytest.mark.parametrize("parallel", PARALLEL)
def test_two_ranks_take_the_course_of_one_process_though_stopped(
    folder: Path, alone: tuple[dict[str, torch.Tensor], TrainResult, Recorder], parallel: str
) -> None:
    weights, result, log = alone
    # The best pass is not the last: what is compared was gathered, kept in a checkpoint and put back.
    assert 0 < result.weights_step < result.steps == 8
    told = json.loads((folder / parallel / "told.json").read_text())
    assert told["weights_step"] == result.weights_step
    assert told["validation"] == pytest.approx(result.validation, rel=1e-4, abs=1e-6)
    curves = log.curves()
    assert len(told["curves"]) == len(curves) == 8 + 4
    for found, expected in zip(told["curves"][:8], curves, strict=False):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    for (step, found), (at, expected) in zip(told["curves"][8:], curves[8:], strict=True):
        assert step == at and found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    found_weights = load_file(folder / parallel / "weights.safetensors")
    assert sorted(found_weights) == sorted(weights)
    for name, value in weights.items():
        torch.testing.assert_close(found_weights[name], value, rtol=0, atol=1e-4, msg=name)
