"""The output head and the objective in one: logits of a few pairs at a time, their gradient made on the spot.

The vocabulary is the widest thing in a small model. A pair's loss depends on no other pair once the step's
totals are known, so as soon as the logits of a group of pairs exist, so does the gradient with respect to
them: minus the coefficient of each target's log-probability, times (softmax - one-hot). The softmax is
written over the logits, and two products turn it into the gradients of the states and of the head. Full
logits never exist, and nothing is computed twice, but for a pair whose own targets are more than fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pipeline.training.batch import Batch
from pipeline.training.linear import linear, product
from pipeline.training.logps import PairLogps, reduce_logps
from pipeline.training.objective import LossTerms, Objective
from pipeline.training.totals import StepTotals

LOGITS = 2**27
"""Logits that exist at once: 256 MB in bf16, 2,730 targets of a vocabulary of 49,152."""

_IN_CACHE = 2**19
"""float32 log-probabilities that exist at once on the CPU: 2 MB, so that they stay in the cache."""


class Scratch:
    """Room for logits that is kept from batch to batch: new pages cost half as much as the product itself."""

    def __init__(self) -> None:
        self._room = torch.empty(0)

    def take(self, rows: int, like: Tensor) -> Tensor:
        """An uninitialised tensor, shape (rows, len(like)), of a weight's dtype and device.

        Taken once more, it is the same memory.
        """
        size = rows * len(like)
        if self._room.numel() < size or self._room.dtype != like.dtype or self._room.device != like.device:
            self._room = torch.empty(0)
            self._room = like.new_empty(size)
        return self._room[:size].view(rows, len(like))


class Group(NamedTuple):
    """Whole pairs whose logits exist together: pairs ``first_pair:last_pair``, targets ``start:stop``."""

    first_pair: int
    last_pair: int
    start: int
    stop: int


def groups(per_pair: Sequence[int], room: int) -> list[Group]:
    """Pairs, in order, as many at a time as have at most ``room`` targets; one with more goes alone.

    Args:
        per_pair: Targets of each pair.
        room: Targets a group may have.
    """
    found: list[Group] = []
    first = start = stop = 0
    for pair, targets in enumerate(per_pair):
        if pair > first and stop + targets - start > room:
            found.append(Group(first, pair, start, stop))
            first, start = pair, stop
        stop += targets
    return [*found, Group(first, len(per_pair), start, stop)]


@dataclass(frozen=True)
class Task:
    """What is asked of the head: the batch's targets, the step's totals, and the objective."""

    batch: Batch
    totals: StepTotals
    objective: Objective


def head_loss(states: Tensor, head: nn.Linear, task: Task, scratch: Scratch | None = None) -> LossTerms:
    """The objective on a batch, from the states that predict its targets.

    Args:
        states: Shape (targets, hidden).
        head: The output embeddings.
        task: The batch and what to minimise.
        scratch: Kept by who calls again.

    Returns:
        Its terms; calling backward on the loss gives the gradients of the states and of the head.
    """
    terms: list[LossTerms] = []
    operands: list[Tensor | None] = [states, head.weight, head.bias]
    if not torch.is_grad_enabled():
        # A Function is told what requires a gradient, not whether anyone can ask for it.
        operands = [None if operand is None else operand.detach() for operand in operands]
    loss: Tensor = _HeadLoss.apply(*operands, task, scratch or Scratch(), terms)  # type: ignore[no-untyped-call]
    return LossTerms(
        loss=loss,
        nll=torch.stack([part.nll for part in terms]).sum(),
        odds_ratio=torch.stack([part.odds_ratio for part in terms]).sum(),
        preference=torch.stack([part.preference for part in terms]).sum(),
        margin=torch.cat([part.margin for part in terms]),
        chosen=torch.cat([part.chosen for part in terms]),
        rejected=torch.cat([part.rejected for part in terms]),
        rewards=torch.cat([part.rewards for part in terms]),
    )


class _HeadLoss(torch.autograd.Function):
    """See the module. Gradients are made in the forward pass, and scaled in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        task: Task,
        scratch: Scratch,
        terms: list[LossTerms],
    ) -> Tensor:
        wants = ctx.needs_input_grad[:3]
        work = _Head(*_in_compute_dtype(states, weight, bias), task, scratch)
        sums = _Gradients(work, wants)
        room = max(1, LOGITS // len(weight))
        for group in groups(task.batch.per_pair, room):
            terms.append(_group(work, group, room, sums if any(wants) else None))
        ctx.save_for_backward(*sums.results(states, weight, bias))
        return torch.stack([part.loss for part in terms]).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        parts: list[Tensor | None] = list(ctx.saved_tensors)
        # In one process the loss is not scaled; a look at that is worth a pass over the head's gradient.
        if grad.device.type != "cpu" or float(grad) != 1.0:
            parts = [None if part is None else part * grad.to(part.dtype) for part in parts]
        return (*parts, None, None, None)


def _in_compute_dtype(
    states: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The operands as autocast would have them, or as they are."""
    kind = states.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    return states.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)


@dataclass(frozen=True)
class _Head:
    """The operands of the products, and the task."""

    states: Tensor
    weight: Tensor
    bias: Tensor | None
    task: Task
    scratch: Scratch

    def logits(self, start: int, stop: int) -> Tensor:
        """Logits of some targets; they last until the next are made."""
        states = self.states[start:stop]
        if self.weight.dtype != torch.bfloat16:
            return linear(states, self.weight, self.bias)
        out = self.scratch.take(len(states), self.weight)
        torch.mm(states, self.weight.t(), out=out)
        return out if self.bias is None else out.add_(self.bias)


class _Gradients:
    """Sums of the gradients over groups, each kept where it is wanted."""

    def __init__(self, head: _Head, wants: Sequence[bool]) -> None:
        self._head = head
        self._wants = wants
        self._states = torch.empty_like(head.states) if wants[0] else None
        self._weight: Tensor | None = None
        self._bias: Tensor | None = None

    def add(self, start: int, softmax: Tensor, coefficients: Tensor) -> None:
        """Take targets from ``start`` on.

        Args:
            start: The first.
            softmax: Softmax minus one-hot of each, shape (some, vocabulary).
            coefficients: Derivative of the loss by each one's log-probability, float, shape (some,).
        """
        stop = start + len(softmax)
        # Derivative of a log-probability by its logits: one-hot - softmax. The coefficients are as many as
        # there are targets: they scale the narrow operand, not the wide one.
        scale = -coefficients.unsqueeze(1)
        if self._states is not None:
            grad = product(softmax, self._head.weight)
            self._states[start:stop] = grad * scale
        if self._wants[1]:
            scaled = (self._head.states[start:stop] * scale).to(softmax.dtype)
            self._weight = _added(self._weight, product(softmax.t(), scaled))
        if self._wants[2]:
            self._bias = _added(self._bias, scale.squeeze(1).to(softmax.dtype) @ softmax)

    def results(self, *inputs: Tensor | None) -> list[Tensor | None]:
        """The gradients of states, weight and bias in their own dtypes; None where not wanted."""
        found = (self._states, self._weight, self._bias)
        return [
            None if grad is None or of is None else grad.to(of.dtype)
            for grad, of in zip(found, inputs, strict=True)
        ]


def _added(total: Tensor | None, part: Tensor) -> Tensor:
    """The sum so far and a part of it; in float32 from the second part on."""
    if total is None:
        return part
    if total.dtype == torch.bfloat16:
        total = total.float()
    return total.add_(part)


def _group(head: _Head, group: Group, room: int, sums: _Gradients | None) -> LossTerms:
    """The loss of a group of pairs; its gradients go to ``sums`` where there is one."""
    labels = head.task.batch.labels
    places = list(range(group.start, group.stop, room)) or [group.start]
    cuts = [*places, group.stop]
    fits = len(places) == 1
    logps, softmax = [], None
    for start, stop in pairwise(cuts):
        logits = head.logits(start, stop)
        logps.append(_softmax_over(logits, labels[start:stop], keep=sums is not None and fits))
        softmax = logits if fits else None
    terms, coefficients = _objective(torch.cat(logps), group, head.task, sums is not None)
    if sums is None:
        return terms
    for start, stop in pairwise(cuts):
        if softmax is None or not fits:
            softmax = head.logits(start, stop)
            _softmax_over(softmax, labels[start:stop], keep=True)
        sums.add(start, softmax, coefficients[start - group.start : stop - group.start])
    return terms


def _softmax_over(logits: Tensor, labels: Tensor, keep: bool) -> Tensor:
    """Log-probability of each label, float32 or wider, shape (targets,).

    Where ``keep``, (softmax - one-hot) is written over the logits, shape (targets, vocabulary).
    """
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    found = []
    step = max(1, _IN_CACHE // logits.shape[1]) if logits.device.type == "cpu" else max(1, len(logits))
    for start in range(0, len(logits), step):
        rows, row_labels = logits[start : start + step], labels[start : start + step, None]
        logps = torch.log_softmax(rows, dim=-1, dtype=wide)
        picked = logps.gather(1, row_labels)
        found.append(picked.squeeze(1))
        if keep:
            rows.copy_(logps.exp_())
            # exp(logp) - 1 where it is exact: softmax rounded to bf16 has no digits left near 1.
            rows.scatter_(1, row_labels, torch.expm1(picked).to(rows.dtype))
    return torch.cat(found) if found else logits.new_zeros(0, dtype=wide)


def _objective(logps: Tensor, group: Group, task: Task, with_gradient: bool) -> tuple[LossTerms, Tensor]:
    """The group's terms, and the derivative of its loss by each target's log-probability."""
    with torch.set_grad_enabled(with_gradient):
        leaf = logps.detach().requires_grad_(with_gradient)
        reference = task.batch.reference
        if reference is not None:
            reference = reference[:, group.first_pair : group.last_pair]
        terms = _reduced(leaf, group, task.batch).loss_terms(task.totals, task.objective, reference)
        coefficients = torch.autograd.grad(terms.loss, leaf)[0] if with_gradient else logps
    return terms.detach(), coefficients


def _reduced(logps: Tensor, group: Group, batch: Batch) -> PairLogps:
    part = slice(group.start, group.stop)
    pairs = group.last_pair - group.first_pair
    sequences = batch.sequences[part]
    rejected = sequences >= len(batch.pair_ids)
    own = sequences - group.first_pair - torch.where(rejected, len(batch.pair_ids) - pairs, 0)
    return reduce_logps(logps, own, batch.in_response[part], pairs)
