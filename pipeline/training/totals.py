"""What the sums of an optimizer step are divided by: known before its first forward pass, one for all ranks.

Each micro-batch adds up its share and divides by the whole step's totals, so that the loss and the gradient
of a step do not depend on how it is cut, into micro-batches or over ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.tokens.shards import TokenPair


@dataclass(frozen=True)
class StepTotals:
    """Divisors of a step.

    Attributes:
        pairs: Pairs in the step: divides the preference term.
        nll_divisor: Divides what L_SFT adds up: the chosen sequences' tokens in scope (token_mean), or the
            pairs (sequence_mean).
    """

    pairs: int
    nll_divisor: int


def step_totals(pairs: Sequence[TokenPair], nll_scope: str, nll_reduction: str) -> StepTotals:
    """The totals of an optimizer step from its pairs' masks alone.

    Args:
        pairs: The whole step's, over all ranks.
        nll_scope: response or full.
        nll_reduction: token_mean or sequence_mean.
    """
    if nll_reduction == "sequence_mean":
        return StepTotals(pairs=len(pairs), nll_divisor=len(pairs))
    tokens = sum(int(pair.chosen_mask.sum()) for pair in pairs)
    # Nothing predicts the first token.
    if nll_scope == "full":
        tokens += sum(len(pair.prompt_ids) - 1 for pair in pairs)
    else:
        tokens += sum(int(pair.prompt_mask[1:].sum()) for pair in pairs)
    return StepTotals(pairs=len(pairs), nll_divisor=tokens)
