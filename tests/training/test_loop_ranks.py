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
from tests.training.conftest import make_pairs
from tests.training.runs import Recorder, shard_set, trained

ROOT = Path(__file__).parents[2]
# Steps of five pairs, one of which has two and one pair in its last: a rank gets fewer, or none.
SETTING: dict[str, Any] = {
    "batch_pairs": 11,
    "epochs": 4,
    "lr": 0.02,
    "micro_batch_tokens": 64,
    "eval_every": 2,
    "best_metric": "log_odds",
    "checkpoint_every": 3,
}


def launch(folder: Path, case: list[Any]) -> subprocess.CompletedProcess[str]:
    (folder / "case.json").write_text(json.dumps(case))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "-m", "tests.training.loop_ranks", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_ranks_take_the_course_of_one_process_though_killed(tmp_path: Path, parallel: str) -> None:
    shard_set(tmp_path / "shards", make_pairs(12), make_pairs(5))
    setting = {**SETTING, "processes": 2, "parallel": parallel}
    # The second rank dies in step 5 of 8, after the checkpoint of step 3.
    killed = launch(tmp_path, [setting, 1, 4])
    assert killed.returncode != 0 and "SIGKILL" in killed.stderr, killed.stderr
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]
    assert not (tmp_path / "told.json").exists()
    done = launch(tmp_path, [setting, None, 0])
    assert done.returncode == 0, done.stderr
    # Both ranks read it, one says so.
    assert done.stderr.count("training goes on from") == 1

    alone = tmp_path / "alone"
    log = Recorder()
    module, result = trained(alone, log, **SETTING)
    # The best pass is not the last, so that what is compared was gathered, kept and put back.
    assert 0 < result.weights_step < result.steps == 8
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["weights_step"] == result.weights_step
    assert told["validation"] == pytest.approx(result.validation, rel=1e-4, abs=1e-6)
    for found, expected in zip(told["curves"][:8], log.steps, strict=True):
        assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-4, abs=1e-6)
    expected_weights, found_weights = full_weights(module), load_file(tmp_path / "weights.safetensors")
    assert sorted(found_weights) == sorted(expected_weights)
    for name, value in expected_weights.items():
        torch.testing.assert_close(found_weights[name], value, rtol=0, atol=1e-4, msg=name)
