"""Weights and optimizer state as whole tensors on the CPU: what checkpoints and the best pass keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.optimizer import Optimizer

Weights = dict[str, Tensor]


def full_weights(module: nn.Module) -> Weights:
    """Copies of the trained parameters by name, on the CPU.

    What is frozen (under LoRA, all but the adapters) is the base model's own and is not copied. A tensor that
    two modules share comes once.
    """
    return {
        name: parameter.detach().to("cpu", copy=True)
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def load_full_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put :func:`full_weights` of the same module back, in place.

    Raises:
        KeyError: If a trained parameter is not among them.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(weights[name])


def full_optimizer_state(module: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """All of the optimizer's state (see :meth:`Optimizer.state_dict`); tensors where they lie, not copied."""
    return optimizer.state_dict()


def load_full_optimizer_state(module: nn.Module, optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Go on from :func:`full_optimizer_state`.

    Raises:
        ValueError: If it is of other parameters.
    """
    optimizer.load_state_dict(dict(state))
