"""What a frozen model makes of each pair's responses: hidden states and log odds, chosen less rejected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.tokens.shards import ShardSet
from pipeline.training.batch import Batch
from pipeline.training.batches import tracked_batches
from pipeline.training.forward import state_logps, target_states
from pipeline.training.logps import reduce_logps
from pipeline.training.model import decoder_layers
from pipeline.training.objective import log_odds_margin
from pipeline.training.step_model import StepModel

WINDOW = 64
"""Pairs that are planned into passes at once; only memory depends on it."""


@dataclass(frozen=True)
class FrozenView:
    """What a model that is not trained makes of some pairs, in their order.

    Attributes:
        features: Of the states that predict a response's trained tokens, at half the depth of the model:
            their mean, then the last of them; chosen less rejected, float64, shape (pairs, 2 * hidden).
            Swapping a pair's responses turns the sign of its row.
        margins: log odds(chosen) - log odds(rejected) (arXiv 2403.07691, eq. 7), shape (pairs,).
        sum_margins: Log-probability of chosen less rejected's, each summed over its tokens, shape (pairs,).
    """

    features: Tensor
    margins: Tensor
    sum_margins: Tensor


@torch.no_grad()
def frozen_view(step_model: StepModel, pairs: ShardSet) -> FrozenView:
    """Run every pair once.

    Half way up a language model is where a linear probe finds most of what a text means; at its end, what the
    next token will be (Alain and Bengio, arXiv 1610.01644, on such probes). The last state has seen the whole
    response, as the one that reward models score does; the mean is less a matter of how it ends.

    Args:
        step_model: Lays the pairs out; it is left in evaluation mode.
        pairs: At least one.

    Returns:
        Its features and margins, on the CPU.
    """
    step_model.eval()
    found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    for batch in tracked_batches(step_model, pairs, len(pairs), "base model", WINDOW):
        rows = zip(*_views(step_model, batch), strict=True)
        found.update(zip(batch.pair_ids, rows, strict=True))
    views = zip(*(found[pair_id] for pair_id in pairs.pair_ids), strict=True)
    return FrozenView(*(torch.stack(each) for each in views))


def _views(step_model: StepModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Features and both margins of the pairs of a batch."""
    with _middle_states(step_model) as middle:
        last = target_states(step_model.model, batch)
    count = len(batch.pair_ids)
    labels = state_logps(step_model.model, last, batch.labels)
    logps = reduce_logps(labels, batch.sequences, batch.in_response, count)
    states = middle[-1].flatten(0, 1).index_select(0, batch.states[batch.in_response]).double()
    summary = _summaries(states, batch.sequences[batch.in_response], 2 * count)
    margins = log_odds_margin(logps.chosen, logps.rejected)
    features = summary[:count] - summary[count:]
    return features.cpu(), margins.cpu(), (logps.chosen_sum - logps.rejected_sum).cpu()


def _summaries(states: Tensor, sequences: Tensor, count: int) -> Tensor:
    """Mean and last state of each sequence, shape (count, 2 * hidden); its states lie in their order."""
    sums = states.new_zeros(count, states.shape[1]).index_add(0, sequences, states)
    means = sums / torch.bincount(sequences, minlength=count)[:, None]
    places = torch.arange(len(sequences), device=sequences.device)
    last = places.new_zeros(count).scatter_reduce(0, sequences, places, "amax")
    return torch.cat([means, states[last]], dim=1)


@contextmanager
def _middle_states(step_model: StepModel) -> Iterator[list[Tensor]]:
    """A list that takes the output of the middle layer, shape (rows, length, hidden), at each pass."""
    layers = decoder_layers(step_model.model)
    taken: list[Tensor] = []

    def take(_: nn.Module, __: Any, output: Any) -> None:
        taken.append(output[0] if isinstance(output, tuple) else output)

    handle = layers[(len(layers) - 1) // 2].register_forward_hook(take)
    try:
        yield taken
    finally:
        handle.remove()
