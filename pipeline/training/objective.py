"""The ORPO objective (Hong, Lee, Thorne, arXiv 2403.07691), in float32 from per-token log-probabilities.

With log P(y|x) the mean log-probability per response token (eq. 3) and odds = P / (1 - P) (eq. 4)::

    L    = L_SFT + lambda * L_OR                                                     (eq. 6)
    L_OR = -log sigmoid(log odds(chosen) - log odds(rejected))                       (eq. 7)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

CEILING = -1e-7
"""Mean log-probabilities are held at or below this: P = 1 would make the odds infinite. In float32 the
nearest P below 1 is 1 - 6e-8, so nothing that could be told from 1 is lost."""


def log1mexp(x: Tensor) -> Tensor:
    """Value of log(1 - exp(x)) for x < 0, accurate at both ends, in float32 or wider.

    ``log1p(-exp(x))`` loses all digits near 0 and ``log(-expm1(x))`` loses them far below; each is used where
    it is accurate, parted at -log 2 (Maechler, "Accurately computing log(1 - exp(-|a|))").

    Args:
        x: Any shape; half precision is widened to float32.

    Returns:
        The same shape, finite for x <= :data:`CEILING`.
    """
    x = x if x.dtype == torch.float64 else x.float()
    near = x > -0.6931471805599453
    # The branch not taken is fed a harmless value: its gradient would be NaN, and NaN * 0 is NaN.
    close = torch.log(-torch.expm1(torch.where(near, x, -1.0)))
    far = torch.log1p(-torch.exp(torch.where(near, -1.0, x)))
    return torch.where(near, close, far)


def log_odds(logp: Tensor) -> Tensor:
    """Value of log(P / (1 - P)) (eq. 4) of mean log-probabilities, any shape, in float32 or wider."""
    logp = logp if logp.dtype == torch.float64 else logp.float()
    logp = logp.clamp(max=CEILING)
    return logp - log1mexp(logp)


def log_odds_margin(chosen_logp: Tensor, rejected_logp: Tensor) -> Tensor:
    """Difference log odds(chosen) - log odds(rejected), the argument of the sigmoid in eq. 7; any shape."""
    return log_odds(chosen_logp) - log_odds(rejected_logp)


def odds_ratio_loss(chosen_logp: Tensor, rejected_logp: Tensor) -> Tensor:
    """L_OR of each pair (eq. 7), not yet weighted by lambda; any shape."""
    return -logsigmoid(log_odds_margin(chosen_logp, rejected_logp))


@dataclass(frozen=True)
class StepTotals:
    """What an optimizer step's sums are divided by, known before its first forward pass.

    Dividing each micro-batch by the whole step's totals makes the loss and gradient of a step independent of
    how it is cut.

    Attributes:
        pairs: Pairs in the step.
        nll_tokens: Tokens of the chosen sequences in the scope of L_SFT.
    """

    pairs: int
    nll_tokens: int


@dataclass(frozen=True)
class OrpoTerms:
    """The parts of the loss of one micro-batch; their sums over a step are the step's.

    Attributes:
        loss: nll + lambda * odds_ratio, a scalar to call backward on.
        nll: L_SFT, mean over the step's tokens in scope.
        odds_ratio: L_OR, mean over the step's pairs.
        margin: log odds margin of each pair, detached, shape (pairs in the micro-batch,).
    """

    loss: Tensor
    nll: Tensor
    odds_ratio: Tensor
    margin: Tensor


def orpo_terms(
    nll_sum: Tensor, chosen_logp: Tensor, rejected_logp: Tensor, totals: StepTotals, lambda_: float
) -> OrpoTerms:
    """ORPO of a micro-batch (eq. 6), as its share of the optimizer step.

    Args:
        nll_sum: Sum of negative log-probabilities of the chosen tokens in scope, a scalar.
        chosen_logp: Mean log-probability per token of each chosen response (eq. 3), shape (pairs,).
        rejected_logp: The same of each rejected response.
        totals: The whole step's.
        lambda_: Weight of the odds-ratio term.
    """
    margin = log_odds_margin(chosen_logp, rejected_logp)
    nll = nll_sum.float() / totals.nll_tokens
    odds_ratio = -logsigmoid(margin).sum() / totals.pairs
    return OrpoTerms(
        loss=nll + lambda_ * odds_ratio,
        nll=nll.detach(),
        odds_ratio=odds_ratio.detach(),
        margin=margin.detach(),
    )
