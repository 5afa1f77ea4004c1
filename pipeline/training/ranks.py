"""The processes that share a run's steps, as the training loop sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from pipeline.tokens.shards import TokenPair


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together; alone unless a process group is initialised.

    Every method but :meth:`share` is a collective: all ranks call it, in the same order.

    Attributes:
        rank: This process's number, from 0.
        count: How many processes there are.
        device: Where collectives run: the CPU for gloo, this rank's GPU for NCCL.
    """

    rank: int = 0
    count: int = 1
    device: torch.device | None = None

    @classmethod
    def current(cls, device: torch.device | None = None) -> Ranks:
        """The ranks of the initialised process group, or this process alone."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), device)

    @property
    def is_main(self) -> bool:
        """Whether this is the one rank that writes and reports."""
        return self.rank == 0

    def share(self, pairs: Sequence[TokenPair]) -> list[TokenPair]:
        """The pairs of a step that are this rank's, dealt out longest first; each pair goes to one rank.

        A rank has none where a step has fewer pairs than there are ranks.
        """
        if self.count == 1:
            return list(pairs)
        return sorted(pairs, key=lambda pair: -pair.longest)[self.rank :: self.count]

    def sum_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Each metric summed over the ranks; all ranks give the same names."""
        if self.count == 1:
            return dict(metrics)
        names = sorted(metrics)
        values = torch.tensor([metrics[name] for name in names], dtype=torch.float64, device=self.device)
        dist.all_reduce(values, op=dist.ReduceOp.SUM)
        return dict(zip(names, values.tolist(), strict=True))

    def largest(self, value: int) -> int:
        """The largest of the ranks' values."""
        if self.count == 1:
            return value
        values = torch.tensor([value], dtype=torch.int64, device=self.device)
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return int(values.item())

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in the order of the ranks."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.count > 1:
            dist.barrier()


ALONE = Ranks()
"""One process."""
