"""A run that is killed goes on to the very weights and curves of one that is not."""

from __future__ import annotations

import json
import os
import signal
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
EVERY = {"checkpoint_every": 2, "keep_checkpoints": 2, "eval_every": 3, "epochs": 3}
CASES: list[tuple[int, dict[str, Any]]] = [
    (1, {}),
    (
        2,
        {
            "dtype": "bf16",
            "best_metric": "loss",
            "lr": 0.05,
            "schedule": "inverse_sqrt",
            "keep_checkpoints": 1,
        },
    ),
    # Dropout draws from torch's generator in every step.
    (3, {"lora": {"enabled": True, "r": 2, "dropout": 0.3}, "best_metric": "log_odds", "early_stopping": 4}),
    (4, {"objective": "dpo", "best_metric": "loss"}),
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], str]:
    """The folders of the cases after their runs, and what these said on standard error."""
    if not hasattr(os, "fork"):
        pytest.skip("attempts are forked, which this system cannot")
    folders = [tmp_path_factory.mktemp("killed") for _ in CASES]
    for folder, (seed, changes) in zip(folders, CASES, strict=True):
        shard_set(folder / "shards", make_pairs(12), make_pairs(5))
        (folder / "case.json").write_text(json.dumps([seed, {**EVERY, **changes}]))
    command = [sys.executable, "-m", "tests.training.killed", *map(str, folders)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return folders, done.stderr


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, killed: tuple[list[Path], str], case: int
) -> None:
    folder = killed[0][case]
    ends = json.loads((folder / "ends.json").read_text())
    assert [code for *_, code in ends[:-1]] == [-signal.SIGKILL] * (len(ends) - 1) and ends[-1][-1] == 0, ends
    assert len(ends) >= 4 and f"training goes on from {folder}" in killed[1].replace("\n", "")
    shard_set(tmp_path / "shards", make_pairs(12), make_pairs(5))
    log = Recorder()
    module, _ = trained(tmp_path, log, **{**EVERY, **CASES[case][1]})
    expected, found = full_weights(module), load_file(folder / "weights.safetensors")
    assert list(found) == sorted(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert json.loads((folder / "curves.json").read_text()) == json.loads(json.dumps(log.curves()))


def test_a_run_that_was_done_is_not_done_again(tmp_path: Path) -> None:
    """Killed after training and before the model was written: the last checkpoint is not far."""
    log = Recorder()
    whole, result = trained(tmp_path, log, checkpoint_every=5)
    again = Recorder()
    module, repeated = trained(tmp_path, again, checkpoint_every=5)
    assert (repeated.steps, repeated.pairs) == (result.steps, result.pairs) == (12, 24)
    assert again.curves() == log.curves() and repeated.validation == result.validation
    # Steps up to the checkpoint are told as they were, with the time they took then.
    assert [s["tokens_per_second"] for s in again.steps[:10]] == [
        s["tokens_per_second"] for s in log.steps[:10]
    ]
    for name, value in full_weights(whole).items():
        assert torch.equal(value, full_weights(module)[name])
