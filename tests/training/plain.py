"""The plain two-sequence pass: each sequence alone through the stock model, full logits, no padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.tokens.shards import TokenPair
from tests.training.full_logits import token_logps


def plain_logps(model: Any, pairs: Sequence[TokenPair], prompt_targets: bool = False) -> Tensor:
    """Log-probability of each target, pair by pair: the prompt's, the chosen's, the rejected's."""
    found = []
    for pair in pairs:
        prompt, chosen = token_logps(model, pair.prompt_ids, pair.chosen_ids)
        _, rejected = token_logps(model, pair.prompt_ids, pair.rejected_ids)
        marked = torch.from_numpy(pair.prompt_mask[1:] | prompt_targets)
        found += [prompt[marked], chosen[torch.from_numpy(pair.chosen_mask)]]
        found.append(rejected[torch.from_numpy(pair.rejected_mask)])
    return torch.cat(found)


def gradients(model: Any) -> dict[str, Tensor]:
    """The model's gradients by name; the model is left without any."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def assert_same_gradients(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    """Each within a share of its own largest value; a hundredth of it is left by rounding where that is 0."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        room = tolerance * max(1e-2, gradient.abs().max().item())
        apart = (found[name] - gradient).abs()
        assert (apart <= room + tolerance * gradient.abs()).all(), f"{name}: {apart.max().item()} apart"
