"""One optimizer step, and one validation pass: forward passes, their metrics, and the update."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.tokens.shards import TokenPair
from pipeline.training.forward import Batch
from pipeline.training.logs import Metrics
from pipeline.training.objective import LossTerms
from pipeline.training.optimizer import Optimizer
from pipeline.training.ranks import ALONE, Ranks
from pipeline.training.step_model import StepModel
from pipeline.training.totals import StepTotals, step_totals, totals_over_ranks

VALIDATION_PAIRS = 256
"""Pairs whose micro-batches are laid out at once in a validation pass; only memory depends on it."""


def unwrapped(module: nn.Module) -> StepModel:
    """The step model inside what DDP made of it; FSDP2 leaves it itself.

    Raises:
        TypeError: If there is none.
    """
    inner = getattr(module, "module", module)
    if not isinstance(inner, StepModel):
        raise TypeError(f"expected a StepModel, wrapped or not, got {type(inner).__name__}")
    return inner


def optimizer_step(
    module: nn.Module, optimizer: Optimizer, pairs: Sequence[TokenPair], ranks: Ranks = ALONE
) -> Metrics:
    """Forward and backward passes over the pairs of a step, in micro-batches, and one update.

    Args:
        module: The step model, wrapped or not.
        optimizer: Over its trained parameters.
        pairs: The whole step's; each rank takes its share of them.
        ranks: The processes that share the step; their gradients are averaged by the wrapper.

    Returns:
        loss, nll, odds_ratio_term, chosen_logp, rejected_logp, log_odds, accuracy (means over the step), for
        probability_ratio its own term, and grad_norm (before clipping). The same on every rank.

    Raises:
        PipelineError: If the loss or the gradient is NaN or infinite; no update is made.
    """
    module.train()
    totals = _totals(unwrapped(module), ranks.share(pairs), ranks)
    sums: dict[str, Tensor] = {}
    for batch, weight in _passes(unwrapped(module), pairs, ranks):
        terms: LossTerms = module(batch, totals)
        # The wrapper averages over the ranks what is to be added up.
        (terms.loss * (weight * ranks.count)).backward()
        optimizer.accumulate()
        _add(sums, terms, totals, weight, unwrapped(module))
    metrics = ranks.sum_metrics(_floats(sums))
    if not math.isfinite(metrics["loss"]):
        optimizer.discard()
        raise _not_finite("loss", metrics["loss"], module, pairs)
    norm = optimizer.step()
    if not math.isfinite(norm):
        raise _not_finite("gradient", norm, module, pairs)
    return {**metrics, "grad_norm": norm}


@torch.no_grad()
def validate(module: nn.Module, pairs: Sequence[TokenPair], ranks: Ranks = ALONE) -> Metrics:
    """Means over held-out pairs: loss terms, log-probabilities, accuracy. Independent of the batch size.

    Args:
        module: The step model, wrapped or not.
        pairs: The whole split's; each rank takes its share of them.
        ranks: The processes that share the pass.

    Returns:
        loss, nll, odds_ratio_term, chosen_logp, rejected_logp, log_odds, accuracy, for probability_ratio its
        own term; empty without pairs. The same on every rank.
    """
    if not pairs:
        return {}
    module.eval()
    totals = _totals(unwrapped(module), ranks.share(pairs), ranks)
    sums: dict[str, Tensor] = {}
    for start in range(0, len(pairs), VALIDATION_PAIRS):
        part = pairs[start : start + VALIDATION_PAIRS]
        for batch, weight in _passes(unwrapped(module), part, ranks):
            _add(sums, module(batch, totals), totals, weight, unwrapped(module))
    return ranks.sum_metrics(_floats(sums))


def _totals(step_model: StepModel, own: Sequence[TokenPair], ranks: Ranks) -> StepTotals:
    """The divisors of a step or a validation pass, over all ranks."""
    return totals_over_ranks(_own_totals(step_model, own), ranks.device)


def _own_totals(step_model: StepModel, pairs: Sequence[TokenPair]) -> StepTotals:
    """The divisors of some pairs alone."""
    objective = step_model.objective
    return step_totals(pairs, objective.nll_scope, objective.nll_reduction)


def _passes(step_model: StepModel, pairs: Sequence[TokenPair], ranks: Ranks) -> Iterator[tuple[Batch, float]]:
    """The rank's micro-batches, each with weight 1, filled up with some of weight 0.

    A wrapper's forward and backward passes wait for the other ranks', so every rank has to make as many.
    """
    if ranks.count == 1:
        yield from ((batch, 1.0) for batch in step_model.micro_batches(pairs))
        return
    own = list(step_model.micro_batches(ranks.share(pairs)))
    missing = ranks.largest(len(own)) - len(own)
    yield from ((batch, 1.0) for batch in own)
    shortest = min(pairs, key=lambda pair: pair.longest)
    for _ in range(missing):
        yield from ((batch, 0.0) for batch in step_model.micro_batches([shortest]))


def _add(
    sums: dict[str, Tensor], terms: LossTerms, totals: StepTotals, weight: float, step_model: StepModel
) -> None:
    """Add a micro-batch's shares of the step's means, in float64 on the model's device."""
    shares = {
        "loss": terms.loss.detach(),
        "nll": terms.nll,
        "odds_ratio_term": terms.odds_ratio,
        "chosen_logp": terms.chosen.double().sum() / totals.pairs,
        "rejected_logp": terms.rejected.double().sum() / totals.pairs,
        "log_odds": terms.margin.double().sum() / totals.pairs,
        "accuracy": (terms.margin > 0).double().sum() / totals.pairs,
    }
    if step_model.objective.name == "probability_ratio":
        shares["probability_ratio_term"] = terms.preference
    for name, share in shares.items():
        # A micro-batch of weight 0 is another rank's to count, finite or not.
        counted = share.double() if weight else torch.zeros_like(share, dtype=torch.float64)
        sums[name] = sums[name] + counted if name in sums else counted


def _floats(sums: dict[str, Tensor]) -> Metrics:
    """The sums as Python floats, brought over from the device together."""
    return dict(zip(sums, torch.stack(list(sums.values())).tolist(), strict=True))


def _not_finite(what: str, value: float, module: nn.Module, pairs: Sequence[TokenPair]) -> PipelineError:
    """The error of a step that is not to be taken, with its pairs and which of them are to blame."""
    blamed = _not_finite_alone(unwrapped(module), pairs)
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
        totals = _own_totals(step_model, [pair])
        losses = [float(step_model(batch, totals).loss) for batch in step_model.micro_batches([pair])]
        if not math.isfinite(sum(losses)):
            found.append(pair.pair_id)
    return found
