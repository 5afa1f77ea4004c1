"""The head and the objective in one pass against autograd over full logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import pipeline.training.head as module
from pipeline.params import parse_params
from pipeline.tokens.shards import TokenPair
from pipeline.training.batch import pack
from pipeline.training.dialects import DIALECTS, objective_of
from pipeline.training.head import Group, Task, groups, head_loss
from pipeline.training.linear import product
from pipeline.training.logps import reduce_logps
from pipeline.training.objective import LossTerms, Objective, ObjectiveName
from pipeline.training.totals import StepTotals, step_totals
from tests.training.conftest import make_pair, make_pairs
from tests.training.largest import Largest

VOCABULARY, HIDDEN = 259, 16

OBJECTIVES: dict[str, Objective] = {
    **{name: Objective(name, 0.3) for name in get_args(ObjectiveName)},
    **{
        name: objective_of(parse_params({"train": {"dialect": name, "lambda": 0.3}}).train)
        for name in DIALECTS
    },
    "ratio over all tokens": Objective("probability_ratio", 0.3, "full", "sequence_mean"),
}


def test_groups_by_hand() -> None:
    assert groups([3, 4, 2, 5], 7) == [Group(0, 2, 0, 7), Group(2, 4, 7, 14)]
    assert groups([3, 5, 2], 7) == [Group(0, 1, 0, 3), Group(1, 3, 3, 10)]
    # One that has more than fits goes alone, wherever it is.
    assert groups([9, 1, 9, 9], 4) == [
        Group(0, 1, 0, 9),
        Group(1, 2, 9, 10),
        Group(2, 3, 10, 19),
        Group(3, 4, 19, 28),
    ]
    assert groups([3], 7) == [Group(0, 1, 0, 3)]


@given(per_pair=st.lists(st.integers(1, 12), min_size=1, max_size=20), room=st.integers(1, 30))
def test_laws_of_groups(per_pair: list[int], room: int) -> None:
    found = groups(per_pair, room)
    assert [found[0].first_pair, *[group.last_pair for group in found]] == [
        *[group.first_pair for group in found],
        len(per_pair),
    ]
    for group in found:
        assert group.start == sum(per_pair[: group.first_pair])
        assert group.stop == sum(per_pair[: group.last_pair])
        pairs = group.last_pair - group.first_pair
        assert pairs == 1 or (pairs > 1 and group.stop - group.start <= room)
    for group, after in pairwise(found):  # the next pair would not have fitted
        assert group.stop - group.start + per_pair[after.first_pair] > room


def task_of(objective: Objective, pairs: int = 6) -> Task:
    """Some pairs of a step that has more."""
    part = make_pairs(pairs)
    totals = step_totals(part, objective.nll_scope, objective.nll_reduction)
    whole = StepTotals(
        totals.pairs + 2, totals.nll_divisor + (2 if objective.nll_reduction == "sequence_mean" else 31)
    )
    batch = pack(part, objective.nll_scope == "full")
    if objective.needs_reference:
        # Near what random weights give, so that no pair's sigmoid is 0 or 1.
        torch.manual_seed(2)
        noise = torch.randn(2, len(part), dtype=torch.float64)
        sums = [[-5.6 * len(ids) for ids in side] for side in zip(*map(responses, part), strict=True)]
        batch = replace(batch, reference=noise + torch.tensor(sums, dtype=torch.float64))
    return Task(batch, whole, objective)


def responses(pair: TokenPair) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    return pair.chosen_ids, pair.rejected_ids


def operands(task: Task, dtype: torch.dtype, bias: bool = True) -> tuple[Tensor, nn.Linear]:
    torch.manual_seed(0)
    head = nn.Linear(HIDDEN, VOCABULARY, bias=bias).to(dtype)
    states = torch.randn(len(task.batch.labels), HIDDEN, dtype=dtype, requires_grad=True)
    return states, head


def by_autograd(states: Tensor, head: nn.Linear, task: Task) -> LossTerms:
    """All logits at once, and autograd through log_softmax."""
    logits = states @ head.weight.t()
    if head.bias is not None:
        logits = logits + head.bias
    batch = task.batch
    logps = logits.log_softmax(-1)[torch.arange(len(logits)), batch.labels]
    reduced = reduce_logps(logps, batch.sequences, batch.in_response, len(batch.pair_ids))
    return reduced.loss_terms(task.totals, task.objective, batch.reference)


def gradients(terms: LossTerms, states: Tensor, head: nn.Linear) -> list[Tensor]:
    return list(torch.autograd.grad(terms.loss, [states, *head.parameters()]))


def assert_same_terms(found: LossTerms, expected: LossTerms, rtol: float, atol: float) -> None:
    for name, value in vars(expected).items():
        torch.testing.assert_close(vars(found)[name].detach(), value.detach(), rtol=rtol, atol=atol, msg=name)


@pytest.mark.parametrize("targets", [10_000, 40, 7, 1], ids=["at once", "groups", "cut pairs", "one by one"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_is_autograds(name: str, targets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGITS", targets * VOCABULARY)
    monkeypatch.setattr(module, "_IN_CACHE", 16 * VOCABULARY)
    task = task_of(OBJECTIVES[name])
    assert min(task.batch.per_pair) < 40 < sum(task.batch.per_pair) and max(task.batch.per_pair) > 7
    states, head = operands(task, torch.float64)
    expected, found = by_autograd(states, head, task), head_loss(states, head, task)
    assert_same_terms(found, expected, rtol=1e-12, atol=1e-13)
    pairs_of_gradients = zip(gradients(found, states, head), gradients(expected, states, head), strict=True)
    for one, other in pairs_of_gradients:
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-13)


def test_the_gradient_scales_with_what_the_loss_is_multiplied_by() -> None:
    task = task_of(OBJECTIVES["orpo"])
    states, head = operands(task, torch.float64)
    once = gradients(head_loss(states, head, task), states, head)
    twice = torch.autograd.grad(-2.5 * head_loss(states, head, task).loss, [states, *head.parameters()])
    for one, other in zip(once, twice, strict=True):
        torch.testing.assert_close(other, -2.5 * one)


def test_shares_of_a_step_add_up() -> None:
    """Two batches with the totals of both: the loss of all pairs, and its gradient."""
    objective, pairs = OBJECTIVES["orpo"], make_pairs(6)
    totals = step_totals(pairs, "response", "token_mean")
    whole = Task(pack(pairs), totals, objective)
    states, head = operands(whole, torch.float64)
    cut = sum(whole.batch.per_pair[:2])
    parts = [(states[:cut], pairs[:2]), (states[cut:], pairs[2:])]
    shares = [head_loss(of, head, Task(pack(some), totals, objective)) for of, some in parts]
    expected = head_loss(states, head, whole)
    summed = shares[0].loss + shares[1].loss
    torch.testing.assert_close(summed, expected.loss)
    found = torch.autograd.grad(summed, [states, *head.parameters()])
    for one, other in zip(found, gradients(expected, states, head), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("bias", [True, False])
def test_float32_is_close_to_float64(bias: bool) -> None:
    task = task_of(OBJECTIVES["orpo"])
    states, head = operands(task, torch.float32, bias)
    found = head_loss(states, head, task)
    ours = gradients(found, states, head)
    wide = states.detach().double().requires_grad_()
    expected = by_autograd(wide, head.double(), task)
    assert found.loss.item() == pytest.approx(expected.loss.item(), abs=1e-6)
    for one, other in zip(ours, gradients(expected, wide, head), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-5 * other.abs().max().item())


@pytest.mark.parametrize("targets", [10_000, 20], ids=["at once", "groups"])
def test_bf16_is_close_to_float32(targets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same bf16 numbers: logits are rounded to 8 bits, all sums are float32's."""
    monkeypatch.setattr(module, "LOGITS", targets * VOCABULARY)
    task = task_of(OBJECTIVES["orpo"])
    states, head = operands(task, torch.bfloat16)
    found = head_loss(states, head, task)
    ours = gradients(found, states, head)
    wide = states.detach().float().requires_grad_()
    expected = by_autograd(wide, head.float(), task)
    assert found.loss.dtype == torch.float32
    assert found.loss.item() == pytest.approx(expected.loss.item(), rel=2e-3)
    for one, other in zip(ours, gradients(expected, wide, head), strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.float(), other, rtol=2**-6, atol=2**-6 * other.abs().max().item())


def test_bf16_keeps_the_gradient_of_a_target_that_is_all_but_sure() -> None:
    """With logits 9, 0, 0 the first token's P rounds to 1 in bf16: 1 - P must come from elsewhere."""
    pair = make_pair("a", 1, 1, 1)
    pair.chosen_ids[:], pair.rejected_ids[:] = 0, 1
    head = nn.Linear(1, 3, bias=False).to(torch.bfloat16)
    head.weight.data = torch.tensor([[1.0], [0.0], [0.0]], dtype=torch.bfloat16)
    states = torch.tensor([[9.0], [0.0]], dtype=torch.bfloat16, requires_grad=True)
    task = Task(pack([pair]), StepTotals(1, 1), Objective("sft", 0.0))
    (found,) = torch.autograd.grad(head_loss(states, head, task).loss, states)
    rest = 2 / (2 + torch.tensor(9.0).exp().item())
    assert torch.tensor(1 - rest).bfloat16() == 1
    # d(-log P)/d state = P - 1 times the weight of the first token, which alone is not 0.
    assert found[0].item() == pytest.approx(-rest, rel=2**-7)


@pytest.mark.parametrize("wanted", ["states", "weight", "bias"])
def test_only_gradients_that_are_wanted_are_made(wanted: str) -> None:
    task = task_of(OBJECTIVES["orpo"])
    states, head = operands(task, torch.float64)
    every = dict(
        zip(("states", "weight", "bias"), gradients(head_loss(states, head, task), states, head), strict=True)
    )
    leaves: dict[str, Tensor] = {"states": states, "weight": head.weight, "bias": head.bias}
    for name, leaf in leaves.items():
        leaf.requires_grad_(name == wanted)
    head_loss(states, head, task).loss.backward()
    for name, leaf in leaves.items():
        if name == wanted:
            assert leaf.grad is not None and torch.equal(leaf.grad, every[name])
        else:
            assert leaf.grad is None


def products(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many products of a gradient are made while something runs."""
    count = 0

    def counted(left: Tensor, right: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return product(left, right)

    monkeypatch.setattr(module, "product", counted)
    run()
    return count


def test_without_gradients_there_are_the_same_terms_and_no_work_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = task_of(OBJECTIVES["orpo"])
    states, head = operands(task, torch.float64)
    found: list[LossTerms] = []

    def measure() -> None:
        with torch.no_grad():
            found.append(head_loss(states, head, task))

    assert products(measure, monkeypatch) == 0
    assert not found[0].loss.requires_grad
    assert_same_terms(found[0], head_loss(states, head, task), rtol=0, atol=0)
    assert products(lambda: head_loss(states, head, task), monkeypatch) == 2


def test_under_autocast_it_is_that_of_bf16_operands() -> None:
    task = task_of(OBJECTIVES["orpo"])
    states, head = operands(task, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head_loss(states, head, task)
    ours = gradients(found, states, head)
    narrow = states.detach().bfloat16().requires_grad_()
    expected = head_loss(narrow, head.bfloat16(), task)
    assert found.loss.item() == expected.loss.item()
    for one, other in zip(ours, gradients(expected, narrow, head), strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other.float())


def sizes_of(pairs: Sequence[tuple[int, int, int]]) -> Task:
    made = [make_pair(str(number), *sizes) for number, sizes in enumerate(pairs)]
    return Task(pack(made), step_totals(made, "response", "token_mean"), OBJECTIVES["orpo"])


@pytest.mark.parametrize(
    "pairs", [[(3, 9, 8)] * 12, [(3, 40, 50), (2, 5, 5), (1, 60, 9)]], ids=["groups", "pairs that do not fit"]
)
def test_full_logits_never_exist(pairs: list[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    room = 20
    monkeypatch.setattr(module, "LOGITS", room * VOCABULARY)
    task = sizes_of(pairs)
    states, head = operands(task, torch.float32)
    with Largest() as largest:
        head_loss(states, head, task).loss.backward()
    assert head.weight.grad is not None and states.grad is not None
    # The most targets whose logits fit, and a width of one vocabulary; full logits are many times that.
    most = max(
        sum(task.batch.per_pair[g.first_pair : g.last_pair]) for g in groups(task.batch.per_pair, room)
    )
    assert largest.numel == min(room, most) * VOCABULARY
    assert len(states) * VOCABULARY > 5 * largest.numel
