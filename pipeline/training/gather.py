"""Whole weights and optimizer state from ranks that may hold shards of them, and back.

What is gathered does not depend on the number of ranks: it goes back into one process as into any number of
them, replicated or sharded. Every function here is a collective: all ranks call it, in the same order. Only
the main rank gets what is gathered, since a machine's memory would not hold it once for each rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from pipeline.training.optimizer import Optimizer, State
from pipeline.training.parallel import reshard, step_model_of
from pipeline.training.ranks import is_main

Weights = dict[str, Tensor]


def full_weights(module: nn.Module) -> Weights:
    """Copies of the trained parameters on the CPU of the main rank, by the language model's names; else {}.

    What is frozen (under LoRA, all but the adapters) is the base model's own and is not copied. A tensor that
    two modules share comes once.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
    """
    reshard(module)
    weights: Weights = {}
    for name, parameter in _trained(step_model_of(module).model):
        # One at a time: the whole of a sharded model is only ever on the CPU.
        whole = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
        if is_main():
            weights[name] = whole.detach().to("cpu", copy=True)
    return weights


def load_full_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put :func:`full_weights` back in place, on all ranks.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
        weights: The main rank's are taken; the others' are not looked at.

    Raises:
        KeyError: If a trained parameter is not among them.
    """
    reshard(module)
    for name, parameter in _trained(step_model_of(module).model):
        whole = weights[name] if is_main() else torch.empty(parameter.shape)
        _put(parameter, whole)


def whole_model(module: nn.Module, load: Callable[[], PreTrainedModel]) -> PreTrainedModel | None:
    """The trained model in one piece on the main rank, to merge adapters and save; None on the others.

    The model itself where it is whole already, else a new one with the gathered weights.

    Args:
        module: Of :func:`~pipeline.training.parallel.parallelize`.
        load: Makes the model as it was before training, adapters put in, in the dtype to save.

    Raises:
        KeyError: If what ``load`` gives is another model.
    """
    reshard(module)
    model = step_model_of(module).model
    if not any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        return model if is_main() else None
    weights = full_weights(module)
    if not is_main():
        return None
    whole = load()
    with torch.no_grad():
        for name, parameter in _trained(whole):
            parameter.copy_(weights[name])
    return whole


def full_optimizer_state(optimizer: Optimizer) -> State:
    """All of :meth:`Optimizer.state_dict`, shards put together, on the main rank; {} on the others.

    What is whole already is not copied: write it before the next step.
    """
    state: State = _gathered(optimizer.state_dict())
    return state if is_main() else {}


def load_full_optimizer_state(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Go on from :func:`full_optimizer_state`.

    Args:
        optimizer: Of :func:`~pipeline.training.parallel.make_optimizer`.
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


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


@torch.no_grad()
def _put(parameter: nn.Parameter, whole: Tensor) -> None:
    """Set a parameter, or the shards of it, to the main rank's value."""
    if isinstance(parameter, DTensor):
        whole = whole.to(device=parameter.device, dtype=parameter.dtype)
        parameter.copy_(distribute_tensor(whole, parameter.device_mesh, parameter.placements))
        return
    if is_main():
        parameter.copy_(whole)
    if dist.is_initialized():
        dist.broadcast(parameter.detach(), src=0)


def _gathered(value: Any) -> Any:
    """Nested dicts and lists with whole tensors in the place of shards; elsewhere than on the main rank none.

    The ranks walk the same containers in the same order, one tensor at a time.
    """
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if is_main() else None
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
    whole = value.to(device=parameter.device, dtype=parameter.dtype)
    # Every rank has the whole: nothing needs to be sent.
    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
