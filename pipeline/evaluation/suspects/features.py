"""What a frozen model makes of each pair's responses: hidden states and log odds, chosen less rejected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.progress import progress_bar
from pipeline.tokens.shards import ShardSet
from pipeline.training.batch import Batch
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
        features: Mean hidden state over chosen's targets less that over rejected's, at half the depth of the
            model and at its end, float64, shape (pairs, 2 * hidden). Swapping a pair's responses turns the
            sign of its row.
        margins: log odds(chosen) - log odds(rejected) (arXiv 2403.07691, eq. 7), shape (pairs,).
    """

    features: Tensor
    margins: Tensor


@torch.no_grad()
def frozen_view(step_model: StepModel, pairs: ShardSet) -> FrozenView:
    """Run every pair once.

    The states are those that predict a response's trained tokens. Half way up a language model is where a
    linear probe finds most of what a text means; at its end, what the next token will be (Alain and Bengio,
    arXiv 1610.01644, on such probes).

    Args:
        step_model: Lays the pairs out; it is left in evaluation mode.
        pairs: At least one.

    Returns:
        Its features and margins, on the CPU.
    """
    step_model.eval()
    found: dict[str, tuple[Tensor, Tensor]] = {}
    with progress_bar() as progress:
        task = progress.begin("base model", len(pairs), "pairs")
        for start in range(0, len(pairs), WINDOW):
            window = [pairs[place] for place in range(start, min(start + WINDOW, len(pairs)))]
            for batch in step_model.micro_batches(window):
                rows = zip(*_views(step_model, batch), strict=True)
                found.update(zip(batch.pair_ids, rows, strict=True))
                progress.done(task, len(batch.pair_ids))
    features, margins = zip(*(found[pair_id] for pair_id in pairs.pair_ids), strict=True)
    return FrozenView(torch.stack(features), torch.stack(margins))


def _views(step_model: StepModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Features and margins of the pairs of a batch."""
    with _middle_states(step_model) as middle:
        last = target_states(step_model.model, batch)
    count = len(batch.pair_ids)
    labels = state_logps(step_model.model, last, batch.labels)
    logps = reduce_logps(labels, batch.sequences, batch.in_response, count)
    states = torch.cat([middle[-1].flatten(0, 1).index_select(0, batch.states), last], dim=1).double()
    of_response = batch.sequences[batch.in_response]
    sums = states.new_zeros(2 * count, states.shape[1]).index_add(0, of_response, states[batch.in_response])
    means = sums / torch.bincount(of_response, minlength=2 * count)[:, None]
    return (means[:count] - means[count:]).cpu(), log_odds_margin(logps.chosen, logps.rejected).cpu()


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
