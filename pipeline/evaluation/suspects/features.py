"""What a frozen model makes of each pair's two responses: mean hidden states, chosen less rejected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.progress import track
from pipeline.tokens.shards import ShardSet
from pipeline.training.batch import Batch
from pipeline.training.forward import target_states
from pipeline.training.model import decoder_layers
from pipeline.training.step_model import StepModel

WINDOW = 64
"""Pairs that are planned into passes at once; only memory depends on it."""


@torch.no_grad()
def pair_features(step_model: StepModel, pairs: ShardSet) -> Tensor:
    """Differences of mean hidden states, at half the depth of the model and at its end.

    The states are those that predict a response's trained tokens. Half way up a language model is where a
    linear probe finds most of what a text means; at its end, what the next token will be (Alain and Bengio,
    arXiv 1610.01644, on such probes).

    Args:
        step_model: As :class:`~pipeline.training.step_model.StepModel` lays pairs out; it is not trained.
        pairs: The pairs.

    Returns:
        float64 on the CPU, shape (pairs, 2 * hidden); swapping the responses of a pair turns its row's sign.
    """
    step_model.eval()
    found: dict[str, Tensor] = {}
    starts = range(0, len(pairs), WINDOW)
    for start in track(starts, "hidden states", total=len(starts), unit=f"x {WINDOW} pairs"):
        window = [pairs[place] for place in range(start, min(start + WINDOW, len(pairs)))]
        for batch in step_model.micro_batches(window):
            found.update(zip(batch.pair_ids, _differences(step_model, batch), strict=True))
    return torch.stack([found[pair_id] for pair_id in pairs.pair_ids])


def _differences(step_model: StepModel, batch: Batch) -> Tensor:
    """Rows of :func:`pair_features` for the pairs of a batch."""
    with _middle_states(step_model) as middle:
        last = target_states(step_model.model, batch)
    states = torch.cat([middle[-1].flatten(0, 1).index_select(0, batch.states), last], dim=1).double()
    of_response = batch.sequences[batch.in_response]
    count = 2 * len(batch.pair_ids)
    sums = states.new_zeros(count, states.shape[1]).index_add(0, of_response, states[batch.in_response])
    means = sums / torch.bincount(of_response, minlength=count)[:, None]
    return (means[: count // 2] - means[count // 2 :]).cpu()


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
