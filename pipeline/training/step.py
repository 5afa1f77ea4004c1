"""One optimizer step, and one validation pass: forward passes, their metrics, and the update."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.tokens.shards import TokenPair
from pipeline.training import ranks
from pipeline.training.logs import Metrics
from pipeline.training.objective import LossTerms
from pipeline.training.optimizer import Optimizer
from pipeline.training.parallel import forward_backward, passes, step_model_of
from pipeline.training.step_model import StepModel
from pipeline.training.totals import StepTotals, step_totals

MEANS = ("loss", "nll", "odds_ratio_term", "chosen_logp", "rejected_logp", "log_odds", "accuracy")
"""What every objective reports of a step."""

OWN = {
    "probability_ratio": ("probability_ratio_term",),
    "dpo": ("reward_margin", "reward_accuracy"),
}
"""What an objective reports besides."""

VALIDATION_PAIRS = 256
"""Pairs whose micro-batches are laid out at once in a validation pass; only memory depends on it."""


def optimizer_step(module: nn.Module, optimizer: Optimizer, pairs: Sequence[TokenPair]) -> Metrics:
    """Forward and backward passes over the pairs of a step, in micro-batches, and one update.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
        optimizer: Of :func:`~pipeline.training.parallel.make_optimizer`.
        pairs: The whole step's, the same on every rank; each takes its share of them.

    Returns:
        loss, nll, odds_ratio_term, chosen_logp, rejected_logp, log_odds, accuracy (means over the step), for
        probability_ratio its own term, for dpo reward_margin and reward_accuracy, and grad_norm (before
        clipping). The same on every rank.

    Raises:
        PipelineError: If the loss or the gradient is NaN or infinite; no update is made.
    """
    module.train()
    step_model = step_model_of(module)
    sums = _Sums(step_model, pairs)
    for each in passes(step_model, pairs):
        terms = forward_backward(module, optimizer, each, sums.totals)
        if each.counts:
            sums.add(terms)
    metrics = sums.over_ranks()
    if not math.isfinite(metrics["loss"]):
        optimizer.discard()
        raise _not_finite("loss", metrics["loss"], step_model, pairs)
    norm = optimizer.step()
    if not math.isfinite(norm):
        raise _not_finite("gradient", norm, step_model, pairs)
    return {**metrics, "grad_norm": norm}


@torch.no_grad()
def validate(module: nn.Module, pairs: Sequence[TokenPair]) -> Metrics:
    """Means over held-out pairs: loss terms, log-probabilities, accuracy. Independent of the batch size.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
        pairs: The whole split's, the same on every rank; each takes its share of them.

    Returns:
        loss, nll, odds_ratio_term, chosen_logp, rejected_logp, log_odds, accuracy, and what
        :func:`optimizer_step` gives for the objective; empty without pairs. The same on every rank.
    """
    if not pairs:
        return {}
    module.eval()
    step_model = step_model_of(module)
    sums = _Sums(step_model, pairs)
    for start in range(0, len(pairs), VALIDATION_PAIRS):
        for each in passes(step_model, pairs[start : start + VALIDATION_PAIRS]):
            terms = module(each.batch, sums.totals)
            if each.counts:
                sums.add(terms)
    return sums.over_ranks()


class _Sums:
    """The means of a step or a validation pass, added up from the micro-batches' shares of them.

    Args:
        step_model: Whose objective counts.
        pairs: All of them, over all ranks.

    Attributes:
        totals: What the shares are divided by.
    """

    def __init__(self, step_model: StepModel, pairs: Sequence[TokenPair]) -> None:
        self.totals = totals_of(step_model, pairs)
        self._names = [*MEANS, *OWN.get(step_model.objective.name, ())]
        # A rank without pairs has zeros.
        self._sums = torch.zeros(len(self._names), dtype=torch.float64, device=step_model.model.device)

    def add(self, terms: LossTerms) -> None:
        """Add a micro-batch's shares, in float64 on the model's device."""
        shares = [
            terms.loss.detach(),
            terms.nll,
            terms.odds_ratio,
            terms.chosen.double().sum() / self.totals.pairs,
            terms.rejected.double().sum() / self.totals.pairs,
            terms.margin.double().sum() / self.totals.pairs,
            (terms.margin > 0).double().sum() / self.totals.pairs,
        ]
        if "probability_ratio_term" in self._names:
            shares.append(terms.preference)
        if "reward_margin" in self._names:
            shares.append(terms.rewards.double().sum() / self.totals.pairs)
            shares.append((terms.rewards > 0).double().sum() / self.totals.pairs)
        self._sums += torch.stack([share.double() for share in shares])

    def over_ranks(self) -> Metrics:
        """The means by name, the same on every rank."""
        return ranks.summed(dict(zip(self._names, self._sums.tolist(), strict=True)))


def totals_of(step_model: StepModel, pairs: Sequence[TokenPair]) -> StepTotals:
    """The divisors of a step of these pairs, over all ranks, for a step model's objective."""
    objective = step_model.objective
    return step_totals(pairs, objective.nll_scope, objective.nll_reduction)


def _not_finite(what: str, value: float, step_model: StepModel, pairs: Sequence[TokenPair]) -> PipelineError:
    """The error of a step that is not to be taken, with its pairs and which of them are to blame."""
    blamed = _not_finite_alone(step_model, pairs)
    if not blamed:
        cause = "Each of these pairs alone has a finite loss, so"
    elif len(blamed) == len(pairs):
        cause = "No pair has a finite loss, so look at the weights;"
    else:
        cause = f"Look at {', '.join(blamed)}: alone, too, the loss is not finite there. Else"
    return PipelineError(
        f"The {what} is not finite on the pairs {', '.join(pair.pair_id for pair in pairs)}",
        found=str(value),
        expected=f"a finite {what}; no update was made",
        hint=f"{cause} lower train.lr or use train.dtype float32",
    )


@torch.no_grad()
def _not_finite_alone(step_model: StepModel, pairs: Sequence[TokenPair]) -> list[str]:
    """Ids of the pairs whose loss, each pair in a step of its own, is not finite."""
    step_model.eval()
    found = []
    for pair in pairs:
        totals = totals_of(step_model, [pair])
        losses = [float(step_model(batch, totals).loss) for batch in step_model.micro_batches([pair])]
        if not math.isfinite(sum(losses)):
            found.append(pair.pair_id)
    return found
