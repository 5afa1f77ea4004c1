"""One training step over several ranks: which pairs each takes, and how their gradients become one.

Each rank packs its own pairs into micro-batches, so that their number differs from rank to rank. A forward
pass is a collective under FSDP, and the last backward pass of a step under DDP: the ranks first agree on a
number of passes, and one that has fewer micro-batches fills up with a batch whose loss is multiplied by 0.
No rank can then wait for a pass that another does not make.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import PipelineError
from pipeline.params import TrainParams
from pipeline.tokens.shards import TokenPair
from pipeline.training import ranks
from pipeline.training.batch import Batch
from pipeline.training.model import decoder_layers
from pipeline.training.objective import LossTerms
from pipeline.training.optimizer import Optimizer
from pipeline.training.step_model import StepModel, trained_parameters
from pipeline.training.totals import StepTotals


@dataclass(frozen=True)
class Pass:
    """One forward pass of a step on this rank.

    Attributes:
        batch: What to run.
        counts: Whether its loss and metrics are the step's; else it only keeps this rank in step.
        last: Whether it is the step's last on all ranks.
    """

    batch: Batch
    counts: bool
    last: bool


def share(pairs: Sequence[TokenPair], rank: int, count: int) -> list[TokenPair]:
    """The pairs of a step that fall to one rank, in the step's order.

    The longest pair goes first, each to the rank with the fewest tokens so far (Graham's LPT rule: the
    fullest rank has at most 4/3 - 1/(3 count) of the least possible). Over all ranks every pair comes once; a
    rank may get none.

    Args:
        pairs: The whole step's, the same on every rank.
        rank: This rank, from 0.
        count: Ranks in all.
    """
    sizes = [pair.tokens for pair in pairs]
    loads = [0] * count
    mine: list[int] = []
    for index in sorted(range(len(pairs)), key=lambda index: -sizes[index]):
        least = loads.index(min(loads))
        loads[least] += sizes[index]
        if least == rank:
            mine.append(index)
    return [pairs[index] for index in sorted(mine)]


def passes(step_model: StepModel, pairs: Sequence[TokenPair]) -> list[Pass]:
    """What this rank runs for a step or a validation pass: on every rank equally many, none without pairs.

    A collective: all ranks call it.

    Args:
        step_model: Lays the pairs out; the one that :func:`parallelize` was given.
        pairs: All ranks' pairs, the same on every rank; each takes its :func:`share`.

    Raises:
        RuntimeError: If a rank does not answer.
    """
    if not pairs:
        return []
    batches = list(step_model.micro_batches(share(pairs, ranks.rank(), ranks.count())))
    own = len(batches)
    most = ranks.largest(own)
    if own < most:
        shortest = min(pairs, key=lambda pair: pair.longest)
        batches += list(step_model.micro_batches([shortest])) * (most - own)
    return [Pass(batch, index < own, index == most - 1) for index, batch in enumerate(batches)]


def parallelize(step_model: StepModel, params: TrainParams) -> nn.Module:
    """The module to call in the place of the step model.

    Without a process group the step model itself. ``ddp``: a whole model on each rank
    (``DistributedDataParallel``). ``fsdp``: each decoder layer sharded by ``fully_shard`` (FSDP2), and the
    rest at the root; with dtype bf16 the shards are float32, cast as they are gathered, so that they are
    their own masters. All ranks start from rank 0's trained parameters.

    Args:
        step_model: On this rank's device, or on the CPU for ``fsdp``, which moves it layer by layer and
            changes it in place.
        params: The ``train`` section.

    Raises:
        PipelineError: If the model's weights are quantised and should be sharded.
    """
    if not dist.is_initialized():
        return step_model
    if params.parallel == "fsdp":
        _shard(step_model, params)
        return step_model
    # A rank's buffers (rotary frequencies) never change: to send them about would only cost.
    return DistributedDataParallel(step_model, forward_sync_buffers=False)


def step_model_of(module: nn.Module) -> StepModel:
    """The step model within what :func:`parallelize` gives.

    Raises:
        TypeError: If there is none in it.
    """
    inner = module.module if isinstance(module, DistributedDataParallel) else module
    if not isinstance(inner, StepModel):
        raise TypeError(f"expected a StepModel, bare, sharded or replicated, found {type(inner).__name__}")
    return inner


def make_optimizer(module: nn.Module, params: TrainParams) -> Optimizer:
    """The optimizer over the trained parameters of a module of :func:`parallelize`; one for each module.

    Replicas whose weights are bf16 exchange the float32 gradients of its masters from then on.
    """
    reshard(module)
    optimizer = Optimizer(trained_parameters(module), params)
    if isinstance(module, DistributedDataParallel) and optimizer.has_masters:
        # DDP looks at the hook's annotations and does not take postponed ones; a lambda has none.
        module.register_comm_hook(optimizer, lambda state, bucket: _average_masters(state, bucket))
    elif not dist.is_initialized():
        optimizer.accumulate_early()
    return optimizer


def reshard(module: nn.Module) -> None:
    """Let go of what a pass without gradients left gathered, so that parameters are shards again.

    FSDP keeps the root's weights for the backward pass, and after a validation pass there is none. Any other
    module is as it was.
    """
    if isinstance(module, FSDPModule):
        module.reshard()


def forward_backward(module: nn.Module, optimizer: Optimizer, each: Pass, totals: StepTotals) -> LossTerms:
    """A forward and backward pass, its gradient handed to the optimizer.

    The terms, detached, are the micro-batch's own: leave those of a pass that does not count out of the sums.
    After the last pass the gradients are those of the whole step on all ranks, ready for
    :meth:`Optimizer.step`.

    Args:
        module: Of :func:`parallelize`.
        optimizer: Of :func:`make_optimizer`.
        each: Of :func:`passes`.
        totals: The whole step's, over all ranks.
    """
    # DDP and FSDP average over the ranks; the shares of the step's loss are to be added up.
    weight = ranks.count() if each.counts else 0
    with _without_exchange(module, each):
        terms: LossTerms = module(each.batch, totals)
        (terms.loss * weight).backward()
    optimizer.accumulate()
    # What is left of the graph is no use any more, and keeps memory through the next pass.
    return terms.detach()


def _without_exchange(module: nn.Module, each: Pass) -> AbstractContextManager[None]:
    """DDP adds up gradients on each rank until the last pass; FSDP keeps only its shard after each."""
    if isinstance(module, DistributedDataParallel) and not each.last:
        return module.no_sync()
    return nullcontext()


def _average_masters(
    optimizer: Optimizer,
    bucket: dist.GradBucket,  # type: ignore[name-defined]  # torch has it under a condition
) -> Future[Tensor]:
    """Communication hook of DDP: average in float32 what the masters hold, and the last pass's gradient.

    DDP alone would average the bf16 gradients of the last pass only: those of the passes before are in the
    masters already.
    """
    masters = [optimizer.master(parameter) for parameter in bucket.parameters()]
    sums = [
        gradient.float() if master.grad is None else master.grad + gradient
        for master, gradient in zip(masters, bucket.gradients(), strict=True)
    ]
    flat = torch.cat([part.flatten() for part in sums]).div_(dist.get_world_size())

    def hand_over(done: Future[list[Tensor]]) -> Tensor:
        parts = done.value()[0].split([master.numel() for master in masters])
        for master, part in zip(masters, parts, strict=True):
            master.grad = part.view_as(master)
        # What DDP hands back to the parameters is added to the masters once more.
        handed_back: Tensor = bucket.buffer().zero_()
        return handed_back

    work = dist.all_reduce(flat, async_op=True)
    assert work is not None  # only ranks outside the group get none
    averaged: Future[Tensor] = work.get_future().then(hand_over)
    return averaged


def _shard(step_model: StepModel, params: TrainParams) -> None:
    """Shard the step model in place, layer by layer."""
    if params.lora.quantize is not None:
        raise PipelineError(
            "Quantised weights cannot be sharded",
            key="train.parallel",
            found="fsdp with train.lora.quantize",
            expected="ddp",
            hint="Set train.parallel to ddp, or train.lora.quantize to null",
        )
    # Shards are the optimizer's own weights; from bf16 this is exact, as it is for a master.
    step_model.float()
    for parameter in trained_parameters(step_model):
        dist.broadcast(parameter.detach(), src=0)
    policy = MixedPrecisionPolicy()
    if params.dtype == "bf16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    mesh = init_device_mesh("cuda" if torch.cuda.is_available() else "cpu", (dist.get_world_size(),))
    for layer in decoder_layers(step_model.model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(step_model, mesh=mesh, mp_policy=policy)
