"""The ORPO objective (Hong, Lee, Thorne, arXiv 2403.07691) and DPO beside it, in float32 or wider.

With log P(y|x) the mean log-probability per response token (eq. 3) and odds = P / (1 - P) (eq. 4)::

    L    = L_SFT + lambda * L_OR                                                     (eq. 6)
    L_OR = -log sigmoid(log odds(chosen) - log odds(rejected))                       (eq. 7)

and the objectives that take it apart (``train.objective``)::

    orpo               L_SFT + lambda * L_OR
    sft                L_SFT
    odds_only          lambda * L_OR, eq. 6 without its first term
    probability_ratio  L_SFT + lambda * L_PR, L_PR = -log sigmoid(log P(chosen) - log P(rejected))

and the objective that it is compared with (Rafailov et al., arXiv 2305.18290, eq. 7), where log-probabilities
are summed over a response, not averaged, and those of the model before training are taken off::

    dpo                -log sigmoid(beta * (log P(chosen) - log P_ref(chosen)
                                            - (log P(rejected) - log P_ref(rejected))))

Which tokens L_SFT covers and how it is averaged: :mod:`pipeline.training.dialects`. The paper prints the
gradient of L_OR as delta * h (eq. 8-10); the derivative of eq. 7 is -delta * h, and that is what is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from pipeline.params import WITH_REFERENCE
from pipeline.training.totals import StepTotals

ObjectiveName = Literal["orpo", "sft", "odds_only", "probability_ratio", "dpo"]
NllScope = Literal["response", "full"]
NllReduction = Literal["token_mean", "sequence_mean"]

_Value = TypeVar("_Value", float, Tensor)

CEILING = -1e-7
"""Mean log-probabilities are held at or below this: P = 1 would make the odds infinite. In float32 the
nearest P below 1 is 1 - 6e-8, so nothing that could be told from 1 is lost."""


def _widened(x: Tensor) -> Tensor:
    """The same values in float32, or in float64 where they are."""
    return x if x.dtype == torch.float64 else x.float()


def log1mexp(x: Tensor) -> Tensor:
    """Value of log(1 - exp(x)) for x < 0, accurate at both ends, in float32 or wider.

    ``log1p(-exp(x))`` loses all digits near 0 and ``log(-expm1(x))`` loses them far below; each is used where
    it is accurate, parted at -log 2 (Maechler, "Accurately computing log(1 - exp(-|a|))").

    Args:
        x: Any shape; half precision is widened to float32.

    Returns:
        The same shape, finite for x <= :data:`CEILING`.
    """
    x = _widened(x)
    near = x > -0.6931471805599453
    # The branch not taken is fed a harmless value: its gradient would be NaN, and NaN * 0 is NaN.
    close = torch.log(-torch.expm1(torch.where(near, x, -1.0)))
    far = torch.log1p(-torch.exp(torch.where(near, -1.0, x)))
    return torch.where(near, close, far)


def log_odds(logp: Tensor) -> Tensor:
    """Value of log(P / (1 - P)) (eq. 4) of mean log-probabilities, any shape, in float32 or wider."""
    logp = _widened(logp).clamp(max=CEILING)
    return logp - log1mexp(logp)


def log_odds_margin(chosen_logp: Tensor, rejected_logp: Tensor) -> Tensor:
    """Difference log odds(chosen) - log odds(rejected), the argument of the sigmoid in eq. 7; any shape."""
    return log_odds(chosen_logp) - log_odds(rejected_logp)


def odds_ratio_loss(chosen_logp: Tensor, rejected_logp: Tensor) -> Tensor:
    """L_OR of each pair (eq. 7), not yet weighted by lambda; any shape."""
    return -logsigmoid(log_odds_margin(chosen_logp, rejected_logp))


def probability_ratio_loss(chosen_logp: Tensor, rejected_logp: Tensor) -> Tensor:
    """L_PR of each pair, the ablation with P in the place of the odds, not yet weighted; any shape."""
    return -logsigmoid(_widened(chosen_logp) - _widened(rejected_logp))


def reward_margin(chosen_sum: Tensor, rejected_sum: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Implicit reward of chosen minus that of rejected, the argument of the sigmoid in DPO's eq. 7.

    Args:
        chosen_sum: Log-probability of each chosen response, summed over its tokens, shape (pairs,).
        rejected_sum: The same of each rejected response.
        reference: Those of the reference model, chosen in the first row, shape (2, pairs).
        beta: Strength of the tie to the reference model.

    Returns:
        Shape (pairs,), in float32 or wider.
    """
    chosen = _widened(chosen_sum) - reference[0]
    rejected = _widened(rejected_sum) - reference[1]
    return beta * (chosen - rejected)


@dataclass(frozen=True)
class Objective:
    """What a run minimises.

    Attributes:
        name: Which terms there are (see the module).
        lambda_: Weight of the preference term (eq. 6); DPO has none.
        nll_scope: Tokens of the chosen sequence in L_SFT: the response's, or the prompt's too.
        nll_reduction: How L_SFT is averaged: over the step's tokens, or over each sequence, then over pairs.
        beta: DPO's tie to the reference model.
    """

    name: ObjectiveName
    lambda_: float
    nll_scope: NllScope = "response"
    nll_reduction: NllReduction = "token_mean"
    beta: float = 0.1

    @property
    def needs_reference(self) -> bool:
        """Whether the loss takes log-probabilities of the model before training."""
        return self.name in WITH_REFERENCE

    def combine(self, nll: _Value, preference: _Value) -> _Value:
        """The loss from L_SFT and the preference term, each already averaged; floats or tensors.

        A term that is not trained on is left out, not multiplied by 0: what is infinite in it stays out, too.
        """
        if self.name == "sft":
            return nll
        if self.name == "dpo":
            return preference
        if self.name == "odds_only":
            return self.lambda_ * preference
        return nll + self.lambda_ * preference


@dataclass(frozen=True)
class LossTerms:
    """The parts of the loss of one micro-batch; their sums over a step are the step's.

    Attributes:
        loss: A scalar to call backward on.
        nll: L_SFT, detached; measured under every objective.
        odds_ratio: L_OR, mean over the step's pairs, detached; measured under every objective.
        preference: The preference term before its weight, detached: L_PR for probability_ratio, DPO's loss
            for dpo, else L_OR.
        margin: log odds margin of each pair, detached, shape (pairs in the micro-batch,).
        chosen: Mean log-probability per token of each chosen response (eq. 3), detached, shape (pairs,).
        rejected: The same of each rejected response.
        rewards: :func:`reward_margin` of each pair, detached, shape (pairs,); (0,) where the objective
            needs no reference.
    """

    loss: Tensor
    nll: Tensor
    odds_ratio: Tensor
    preference: Tensor
    margin: Tensor
    chosen: Tensor
    rejected: Tensor
    rewards: Tensor

    def detach(self) -> LossTerms:
        """The same, without a way back."""
        return LossTerms(**{name: value.detach() for name, value in vars(self).items()})


def loss_terms(
    nll_sum: Tensor,
    chosen_logp: Tensor,
    rejected_logp: Tensor,
    totals: StepTotals,
    objective: Objective,
    rewards: Tensor | None = None,
) -> LossTerms:
    """The objective on a micro-batch, as its share of the optimizer step.

    Args:
        nll_sum: What L_SFT adds up, a scalar: negative log-probabilities of the chosen sequences' tokens in
            scope (token_mean), or their mean in each sequence (sequence_mean).
        chosen_logp: Mean log-probability per token of each chosen response (eq. 3), shape (pairs,).
        rejected_logp: The same of each rejected response.
        totals: The whole step's, over all micro-batches and ranks.
        objective: What to minimise.
        rewards: :func:`reward_margin` of each pair, for an objective that needs a reference.

    Raises:
        ValueError: If it needs one, and there are no rewards.
    """
    margin = log_odds_margin(chosen_logp, rejected_logp)
    nll = _widened(nll_sum) / totals.nll_divisor
    odds_ratio = -logsigmoid(margin).sum() / totals.pairs
    preference = odds_ratio
    if objective.name == "probability_ratio":
        preference = probability_ratio_loss(chosen_logp, rejected_logp).sum() / totals.pairs
    if objective.needs_reference:
        if rewards is None:
            raise ValueError(f"objective {objective.name} needs the reference model's log-probabilities")
        preference = -logsigmoid(rewards).sum() / totals.pairs
    return LossTerms(
        loss=objective.combine(nll, preference),
        nll=nll.detach(),
        odds_ratio=odds_ratio.detach(),
        preference=preference.detach(),
        margin=margin.detach(),
        chosen=chosen_logp.detach(),
        rejected=rejected_logp.detach(),
        rewards=margin.new_zeros(0) if rewards is None else rewards.detach(),
    )
