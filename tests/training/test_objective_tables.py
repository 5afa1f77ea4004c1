"""The objective end to end on two-token vocabularies: values, gradients and extremes worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from pipeline.tokens.shards import TokenPair
from pipeline.training.batch import pack, pad
from pipeline.training.head import Task
from pipeline.training.objective import NllReduction, NllScope, Objective, ObjectiveName
from pipeline.training.totals import step_totals
from tests.training.tables import Table, pair

OBJECTIVES = get_args(ObjectiveName)


def table(after_0: float, after_1: float, dtype: torch.dtype = torch.float64) -> Table:
    """Two tokens; the probabilities that token 1 follows token 0, and that it follows itself."""
    rows = [[0.0, math.log(p / (1 - p))] for p in (after_0, after_1)]
    return Table(torch.tensor(rows, dtype=dtype))


Loss = Callable[[Table, list[TokenPair], Objective], Tensor]


def reference(pairs: list[TokenPair]) -> Tensor:
    """A reference model for which every next token is a coin's toss: log 2 nats a token."""
    lengths = [[len(p.chosen_ids) for p in pairs], [len(p.rejected_ids) for p in pairs]]
    return -math.log(2) * torch.tensor(lengths, dtype=torch.float32)


def by_autograd(model: Table, pairs: list[TokenPair], objective: Objective) -> Tensor:
    """Padded rows, logits and autograd."""
    logps = model.logps(pad(pairs, 0, objective.nll_scope == "full"))
    totals = step_totals(pairs, objective.nll_scope, objective.nll_reduction)
    return logps.loss_terms(totals, objective, reference(pairs)).loss


def by_head(model: Table, pairs: list[TokenPair], objective: Objective) -> Tensor:
    """One packed row, and the head that makes its own gradient."""
    totals = step_totals(pairs, objective.nll_scope, objective.nll_reduction)
    batch = replace(pack(pairs, objective.nll_scope == "full"), reference=reference(pairs))
    return model.head_loss(Task(batch, totals, objective)).loss


@pytest.fixture(params=[by_autograd, by_head], ids=["autograd", "head"])
def loss(request: pytest.FixtureRequest) -> Loss:
    """Both ways to a loss that training takes."""
    way: Loss = request.param
    return way


@pytest.mark.parametrize(
    ("name", "value", "gradient"),
    [
        # With t the logit of 1 after 0: P_w = s(t), P_l = s(-t), the log odds margin is 2t, that of P is t.
        # At t = log 3: L_SFT = log(4/3) with slope -1/4, L_OR = log(10/9) with slope -2 s(-2t) = -1/5,
        # L_PR = log(4/3) with slope -s(-t) = -1/4.
        ("orpo", math.log(4 / 3) + 0.5 * math.log(10 / 9), -0.25 - 0.5 * 0.2),
        ("sft", math.log(4 / 3), -0.25),
        ("odds_only", 0.5 * math.log(10 / 9), -0.5 * 0.2),
        ("probability_ratio", 1.5 * math.log(4 / 3), -0.25 - 0.5 * 0.25),
        # Of one token each, the reference is log 2 on both sides: rewards differ by beta * t, with beta 2.
        # -log s(2 log 3) = log(10/9), slope -2 s(-2 log 3) = -1/5.
        ("dpo", math.log(10 / 9), -0.2),
    ],
)
def test_one_token_responses_by_hand(name: ObjectiveName, value: float, gradient: float, loss: Loss) -> None:
    model = table(0.75, 0.5)
    found = loss(model, [pair([0], [1], [0])], Objective(name, 0.5, beta=2.0))
    found.backward()
    assert found.item() == pytest.approx(value, abs=1e-12)
    slopes = model.head.weight.grad
    assert slopes is not None
    # The weight is (next token, last token); the logit of 0 moves against that of 1.
    assert slopes.tolist() == [
        [pytest.approx(-gradient, abs=1e-12), 0.0],
        [pytest.approx(gradient, abs=1e-12), 0.0],
    ]


@pytest.mark.parametrize(
    ("scope", "reduction", "nll"),
    [
        # After 0 comes 1 with 3/4, after 1 with 1/2. The pairs' chosen sequences are 0 0 | 1 and 0 | 1 1 1:
        # nats of the tokens, prompt apart: log 4 | log 4/3 and | log 4/3, log 2, log 2.
        ("response", "token_mean", (2 * math.log(4 / 3) + 2 * math.log(2)) / 4),
        ("response", "sequence_mean", (math.log(4 / 3) + (math.log(4 / 3) + 2 * math.log(2)) / 3) / 2),
        ("full", "token_mean", (math.log(4) + 2 * math.log(4 / 3) + 2 * math.log(2)) / 5),
        (
            "full",
            "sequence_mean",
            ((math.log(4) + math.log(4 / 3)) / 2 + (math.log(4 / 3) + 2 * math.log(2)) / 3) / 2,
        ),
    ],
)
def test_scope_and_reduction_by_hand(
    scope: NllScope, reduction: NllReduction, nll: float, loss: Loss
) -> None:
    pairs = [pair([0, 0], [1], [0]), pair([0], [1, 1, 1], [0])]
    objective = Objective("orpo", 0.5, scope, reduction)
    # P of chosen: 3/4, and the cube root of 3/16; of rejected 1/4 both times.
    root = (3 / 16) ** (1 / 3)
    terms = [-math.log(1 / (1 + (1 / 3) / odds)) for odds in (3, root / (1 - root))]
    assert loss(table(0.75, 0.5), pairs, objective).item() == pytest.approx(nll + 0.5 * sum(terms) / 2)


def test_the_gradient_on_the_weights_is_minus_delta_h(loss: Loss) -> None:
    # Eq. 8-10 with the sign the derivative has, from the gradients of log P_w and log P_l themselves.
    pairs = [pair([0, 1], [1, 0, 1, 1], [0, 0, 1])]
    model = table(0.62, 0.27)
    logps = model.logps(pad(pairs, 0))
    (of_chosen,) = torch.autograd.grad(logps.chosen.sum(), model.head.weight, retain_graph=True)
    (of_rejected,) = torch.autograd.grad(logps.rejected.sum(), model.head.weight)
    p_w, p_l = logps.chosen.exp().item(), logps.rejected.exp().item()
    delta = 1 / (1 + (p_w / (1 - p_w)) / (p_l / (1 - p_l)))
    h = of_chosen / (1 - p_w) - of_rejected / (1 - p_l)
    loss(model, pairs, Objective("odds_only", 1.0)).backward()
    torch.testing.assert_close(model.head.weight.grad, -delta * h, rtol=1e-10, atol=1e-12)


EXTREMES = {
    "chosen all but sure": (60.0, [pair([0], [1, 1], [0, 0])]),
    "chosen all but impossible": (60.0, [pair([0], [0, 0], [1, 1])]),
    "one token each": (60.0, [pair([0], [1], [0])]),
    "identical and sure": (60.0, [pair([0], [1, 1], [1, 1])]),
    "identical and impossible": (60.0, [pair([0], [0], [0])]),
    "identical and even": (0.0, [pair([0], [1], [1])]),
    "beyond what exp can hold": (3e4, [pair([0], [1, 1], [0, 0]), pair([0], [0], [1])]),
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("case", EXTREMES)
def test_extremes_are_finite(case: str, name: ObjectiveName, dtype: torch.dtype, loss: Loss) -> None:
    logit, pairs = EXTREMES[case]
    model = Table(torch.tensor([[0.0, logit], [0.0, logit]], dtype=dtype))
    found = loss(model, pairs, Objective(name, 0.5))
    found.backward()
    assert found.dtype == torch.float32 and torch.isfinite(found)
    assert model.head.weight.grad is not None and torch.isfinite(model.head.weight.grad).all()


def test_dpo_sums_over_tokens_and_takes_the_reference_off_by_hand(loss: Loss) -> None:
    # After 0 comes 1 with 3/4, after 1 with 1/2. Chosen 1 1 1: log 3/4 + 2 log 1/2 against 3 log 1/2, so
    # log 3/2; rejected 0: log 1/4 against log 1/2, so -log 2. They differ by log 3; beta is 1/2.
    # The second pair is the first with its labels swapped. -log s(+-log 3 / 2):
    pairs = [pair([0], [1, 1, 1], [0]), pair([0], [0], [1, 1, 1])]
    root = math.sqrt(3)
    expected = (math.log(1 + 1 / root) + math.log(1 + root)) / 2
    found = loss(table(0.75, 0.5), pairs, Objective("dpo", 9.0, beta=0.5))
    # The reference is given in float32.
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_identical_responses_pull_neither_way(loss: Loss) -> None:
    # Equal odds: log 2, and no gradient from the preference term.
    model = table(0.75, 0.5)
    found = loss(model, [pair([0], [1, 0], [1, 0])], Objective("odds_only", 1.0))
    found.backward()
    assert found.item() == pytest.approx(math.log(2), abs=1e-12)
    assert model.head.weight.grad is not None
    assert model.head.weight.grad.abs().max().item() < 1e-15
