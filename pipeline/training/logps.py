"""From log-probabilities of targets to what the objective takes: means and sums by sequence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.training.objective import LossTerms, Objective, loss_terms, reward_margin
from pipeline.training.totals import StepTotals


@dataclass(frozen=True)
class PairLogps:
    """Log-probabilities of some pairs.

    Attributes:
        chosen: Mean log-probability per token of each chosen response (eq. 3), float32, shape (pairs,).
        rejected: The same of each rejected response.
        chosen_sum: Log-probability of each chosen response, summed over its tokens, shape (pairs,).
        rejected_sum: The same of each rejected response.
        nll_sum: Sum of negative log-probabilities of the chosen sequences' targets, a scalar.
        nll_means: Mean negative log-probability of each chosen sequence's targets, shape (pairs,).
    """

    chosen: Tensor
    rejected: Tensor
    chosen_sum: Tensor
    rejected_sum: Tensor
    nll_sum: Tensor
    nll_means: Tensor

    def loss_terms(
        self, totals: StepTotals, objective: Objective, reference: Tensor | None = None
    ) -> LossTerms:
        """The objective on these pairs, as their share of a step with these totals.

        Args:
            totals: The whole step's.
            objective: What to minimise.
            reference: Log-probabilities of the pairs under the reference model, summed over each response,
                chosen in the first row, shape (2, pairs), where the objective needs them.
        """
        rewards = None
        if objective.needs_reference and reference is not None:
            rewards = reward_margin(self.chosen_sum, self.rejected_sum, reference, objective.beta)
        return loss_terms(self.nll(objective), self.chosen, self.rejected, totals, objective, rewards)

    def nll(self, objective: Objective) -> Tensor:
        """What L_SFT adds up over a step: each token's share, or each sequence's mean."""
        return self.nll_means.sum() if objective.nll_reduction == "sequence_mean" else self.nll_sum


def reduce_logps(logps: Tensor, sequences: Tensor, in_response: Tensor, pairs: int) -> PairLogps:
    """Sums and means over the targets of each sequence; differentiable.

    Args:
        logps: Log-probability of each target, shape (targets,).
        sequences: The sequence of each, int64: pair p's chosen is p, its rejected ``pairs + p``.
        in_response: Whether each belongs to a response, bool.
        pairs: How many pairs there are.
    """
    of_chosen = sequences < pairs
    sums = _sums(logps, sequences, in_response, 2 * pairs)
    means = sums / _counts(sequences, in_response, 2 * pairs)
    chosen_sums = _sums(logps, sequences, of_chosen, pairs)
    return PairLogps(
        chosen=means[:pairs],
        rejected=means[pairs:],
        chosen_sum=sums[:pairs],
        rejected_sum=sums[pairs:],
        nll_sum=-logps[of_chosen].sum(),
        nll_means=-chosen_sums / _counts(sequences, of_chosen, pairs),
    )


def _sums(values: Tensor, places: Tensor, picked: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add(0, places[picked], values[picked])


def _counts(places: Tensor, picked: Tensor, count: int) -> Tensor:
    return torch.bincount(places[picked], minlength=count)
