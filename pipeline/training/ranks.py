"""The processes that share a run's steps: torchrun's ranks, or this process alone.

What they tell each other is small and lies on the CPU, where gloo carries it also beside NCCL. Each function
that says so is a collective: all ranks call it, in the same order.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this is the one rank that writes and reports: rank 0."""
    return rank() == 0


def say(line: str) -> None:
    """Tell the user something on standard error: once, from the main rank."""
    if is_main():
        print(line, file=sys.stderr)


def summed(metrics: Mapping[str, float]) -> dict[str, float]:
    """Each metric summed over the ranks, which all give the same names in the same order (a collective)."""
    if count() == 1:
        return dict(metrics)
    values = torch.tensor(list(metrics.values()), dtype=torch.float64)
    dist.all_reduce(values, op=dist.ReduceOp.SUM)
    return dict(zip(metrics, values.tolist(), strict=True))


def largest(value: int) -> int:
    """The largest of the ranks' values (a collective)."""
    if count() == 1:
        return value
    found = torch.tensor(value)
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return int(found)


def gathered(value: Any) -> list[Any]:
    """Every rank's value, by rank (a collective)."""
    values: list[Any] = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values
