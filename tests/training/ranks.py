"""What a rank of a process group does in the tests: its part of a step, with the totals of all ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pipeline.params import parse_params
from pipeline.training.step_model import StepModel
from pipeline.training.totals import step_totals, totals_over_ranks
from tests.conftest import make_model
from tests.training.conftest import make_pairs

PAD = 2
PARTS = (slice(0, 3), slice(3, 8))
"""The pairs of each of two ranks: not equally many."""

Step = tuple[float, list[torch.Tensor]]


def part_of_step(part: slice, changes: dict[str, Any]) -> Step:
    """Loss and gradients of some of eight pairs, divided by the totals of all ranks."""
    model = make_model()
    step = StepModel(model, PAD, parse_params({"train": {"dtype": "float32", **changes}}).train)
    pairs = make_pairs(8)[part]
    totals = totals_over_ranks(step_totals(pairs, step.objective.nll_scope, step.objective.nll_reduction))
    loss = step(step.lay_out(pairs), totals).loss
    loss.backward()
    return loss.item(), [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def rank_main(rank: int, folder: str, cases: list[dict[str, Any]]) -> None:
    """Run the cases as one of two gloo ranks; rank 0 writes the sums over both to ``steps.pt``."""
    torch.set_num_threads(1)
    meeting = (Path(folder) / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=len(PARTS))
    steps = []
    for changes in cases:
        loss, gradients = part_of_step(PARTS[rank], changes)
        summed = [torch.tensor(loss), *gradients]
        for value in summed:
            dist.all_reduce(value)
        steps.append((summed[0].item(), summed[1:]))
    if rank == 0:
        torch.save(steps, Path(folder) / "steps.pt")
    dist.destroy_process_group()
