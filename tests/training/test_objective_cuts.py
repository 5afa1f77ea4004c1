"""A step's loss and gradient do not depend on how it is cut, into micro-batches or over ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import spawn

from pipeline.training.totals import StepTotals, step_totals, totals_over_ranks
from tests.training.conftest import make_pairs
from tests.training.ranks import PARTS, Step, part_of_step, rank_main
from tests.training.runs import params, step_model

CASES: list[dict[str, Any]] = [
    {},
    *[{"dialect": name} for name in ("paper", "official", "trl", "llamafactory")],
    *[{"objective": name} for name in ("sft", "odds_only", "probability_ratio")],
]


def name_of(case: dict[str, Any]) -> str:
    return "-".join(case.values()) or "defaults"


def step(cuts: int, changes: dict[str, Any]) -> Step:
    """Loss and gradients of one step whose pairs come in several parts."""
    setting = params(**changes)
    module, pairs = step_model(setting), make_pairs(8)
    totals = step_totals(pairs, module.objective.nll_scope, module.objective.nll_reduction)
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
    spawn(rank_main, (str(tmp_path), CASES), nprocs=len(PARTS))
    steps: list[Step] = torch.load(tmp_path / "steps.pt", weights_only=True)
    for case, found in zip(CASES, steps, strict=True):
        assert_same(found, part_of_step(slice(0, 8), case))


def test_without_a_process_group_totals_are_ones_own() -> None:
    totals = StepTotals(pairs=3, nll_divisor=17)
    assert totals_over_ranks(totals) is totals
