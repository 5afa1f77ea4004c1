"""A step's loss and gradient do not depend on how it is cut, into micro-batches or over ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import spawn

from pipeline.training.step import totals_of
from tests.training.conftest import make_pairs
from tests.training.parallel_ranks import RANKS, Step, as_rank, meet, steps_of_objectives
from tests.training.runs import params, step_model

CASES: list[dict[str, Any]] = [
    {},
    *[{"dialect": name} for name in ("paper", "official", "trl", "llamafactory")],
    *[{"objective": name} for name in ("sft", "odds_only", "probability_ratio", "dpo")],
]


def name_of(case: dict[str, Any]) -> str:
    return "-".join(case.values()) or "defaults"


def step(cuts: int, changes: dict[str, Any]) -> Step:
    """Loss and gradients of one step whose pairs come in several parts."""
    setting = params(**changes)
    module, pairs = step_model(setting), make_pairs(8)
    totals = totals_of(module, pairs)
    loss = 0.0
    for part in np.array_split(np.arange(8), cuts):
        for batch in module.micro_batches([pairs[index] for index in part]):
            share = module(batch, totals).loss
            share.backward()
            loss += share.item()
    return loss, [p.grad for p in module.parameters() if p.grad is not None]


def assert_same(found: Step, expected: Step) -> None:
    assert found[0] == pytest.approx(expected[0], abs=1e-6)
    for one, other in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.parametrize("cuts", [2, 3, 4, 8])
def test_a_step_cut_into_micro_batches_is_the_step(cuts: int, case: dict[str, Any]) -> None:
    assert_same(step(cuts, case), step(1, case))


def test_two_ranks_take_the_step_of_one_process(tmp_path: Path) -> None:
    meet(tmp_path)
    torch.save(CASES, tmp_path / "cases.pt")
    spawn(as_rank, (str(tmp_path), steps_of_objectives), nprocs=RANKS)
    steps: list[Step] = torch.load(tmp_path / "found.pt", weights_only=True)
    for case, found in zip(CASES, steps, strict=True):
        assert_same(found, step(1, case))
