"""Whole weights and optimizer state from ranks that may hold shards of them, and back.

What is gathered does not depend on the number of ranks: it goes back into one process as into any number of
them, replicated or sharded. Every function here is a collective under FSDP: all ranks call it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW
from transformers import PreTrainedModel

from pipeline.training.optimizer import Optimizer, State
from pipeline.training.step_model import StepModel

Weights = dict[str, Tensor]


def language_model(module: nn.Module) -> PreTrainedModel:
    """The language model within what :func:`~pipeline.training.parallel.parallelize` gives.

    Raises:
        TypeError: If there is no step model in it.
    """
    inner = module.module if isinstance(module, DistributedDataParallel) else module
    if not isinstance(inner, StepModel):
        raise TypeError(f"expected a StepModel, bare, sharded or replicated, found {type(inner).__name__}")
    return inner.model


def full_weights(module: nn.Module) -> Weights:
    """All weights under the language model's own names, on the CPU of the main rank; {} on the others.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(language_model(module), options=options)
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)} if _is_main() else {}


def load_full_weights(module: nn.Module, weights: Weights) -> None:
    """Put :func:`full_weights` back.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
        weights: The same on every rank, as each reads the file.

    Raises:
        RuntimeError: If they are of another model.
    """
    options = StateDictOptions(full_state_dict=True)
    set_model_state_dict(language_model(module), dict(weights), options=options)


def whole_model(module: nn.Module, load: Callable[[], PreTrainedModel]) -> PreTrainedModel | None:
    """The trained model in one piece on the main rank, to merge adapters and save; None on the others.

    The model itself where it is whole already, else a new one with the gathered weights.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
        load: Makes the model as it was before training, adapters put in, in the dtype to save.

    Raises:
        RuntimeError: If what ``load`` gives is another model.
    """
    model = language_model(module)
    if not any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        return model if _is_main() else None
    weights = full_weights(module)
    if not _is_main():
        return None
    whole = load()
    whole.load_state_dict(weights)
    return whole


def full_optimizer_state(optimizer: Optimizer) -> State:
    """All of :meth:`Optimizer.state_dict`, shards put together, on the main rank; {} on the others.

    What is whole already is not copied: write it before the next step.
    """
    state = _gathered(optimizer.state_dict())
    return dict(state) if _is_main() else {}


def load_full_optimizer_state(optimizer: Optimizer, state: State) -> None:
    """Go on from :func:`full_optimizer_state`.

    Args:
        optimizer: Of :func:`~pipeline.training.parallel.parallelize`.
        state: The same on every rank, as each reads the file.

    Raises:
        ValueError: If it is of other parameters, or of a run whose weights had another dtype.
    """
    adamw = dict(state["adamw"])
    adamw["state"] = {
        index: {name: _like(parameter, value) for name, value in adamw["state"][index].items()}
        for index, parameter in enumerate(_parameters(optimizer.adamw))
        if index in adamw["state"]
    }
    optimizer.load_state_dict({**state, "adamw": adamw})


def _is_main() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def _gathered(value: Any) -> Any:
    """Nested dicts and lists with whole tensors in the place of shards; elsewhere than on the main rank none.

    The ranks walk the same containers in the same order, one tensor at a time.
    """
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if _is_main() else None
    if isinstance(value, dict):
        return {key: _gathered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_gathered(inner) for inner in value]
    return value


def _parameters(adamw: AdamW) -> list[Tensor]:
    """Parameters by their number in AdamW's state."""
    return [parameter for group in adamw.param_groups for parameter in group["params"]]


def _like(parameter: Tensor, value: Any) -> Any:
    """The shard on this rank of a sharded parameter's moment; anything else as it is."""
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    whole = value.to(device=parameter.device, dtype=torch.float32)
    # Every rank has the whole: nothing needs to be sent.
    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
