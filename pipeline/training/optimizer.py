"""Fused AdamW with gradient clipping, over float32 master weights where the model's are bf16."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from pipeline.params import TrainParams

State = dict[str, Any]


class Optimizer:
    """AdamW over a model's trained parameters; no weight decay on norms and biases.

    Where a parameter is bf16, the optimizer updates a float32 master of it and rounds the parameter from
    that, so that small updates are not lost. Gradients of several micro-batches are added up in float32.
    Parameters may be sharded (FSDP2's ``DTensor``): the norm is then that of the whole gradient.

    Args:
        parameters: What is trained, in the model's order.
        params: The ``train`` section.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], params: TrainParams) -> None:
        self._parameters = list(parameters)
        self._masters = [_master(parameter) for parameter in self._parameters]
        self._master_of: dict[Tensor, nn.Parameter] = dict(zip(self._parameters, self._masters, strict=True))
        self._max_grad_norm = params.max_grad_norm
        groups = [
            {"params": [m for m in self._masters if m.ndim >= 2], "weight_decay": params.weight_decay},
            {"params": [m for m in self._masters if m.ndim < 2], "weight_decay": 0.0},
        ]
        self.adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=params.lr,
            betas=(params.beta1, params.beta2),
            fused=True,
        )

    @property
    def has_masters(self) -> bool:
        """Whether any parameter is updated by way of a float32 master."""
        return any(p is not m for p, m in zip(self._parameters, self._masters, strict=True))

    def master(self, parameter: nn.Parameter) -> nn.Parameter:
        """What AdamW updates for a parameter: its float32 master, or the parameter itself.

        Raises:
            KeyError: If it is not one of the optimizer's.
        """
        return self._master_of[parameter]

    def accumulate_early(self) -> None:
        """Take over each gradient as soon as a backward pass has made it, not all of them at its end.

        Where parameters have masters, their bf16 gradients so never exist together. Not for parameters whose
        gradients someone else waits for, as DDP does.
        """
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            if parameter is not master:
                parameter.register_post_accumulate_grad_hook(self._take)

    def accumulate(self) -> None:
        """Take over the gradients of a backward pass; call it after each."""
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            if parameter is not master:
                self._take(parameter)

    def _take(self, parameter: Tensor) -> None:
        """Add a parameter's gradient to its master's, and clear it."""
        if parameter.grad is None:
            return
        master = self._master_of[parameter]
        if master.grad is None:
            master.grad = parameter.grad.float()
        else:
            master.grad += parameter.grad
        parameter.grad = None

    def step(self) -> float:
        """Clip the gradients, update the weights, and clear the gradients; gives the norm before clipping.

        Where the norm is NaN or infinite nothing is updated: it would spoil every weight.
        """
        total = torch.nn.utils.clip_grad_norm_(self._masters, self._max_grad_norm)
        norm = float(total.full_tensor() if isinstance(total, DTensor) else total)
        if not math.isfinite(norm):
            self.discard()
            return norm
        self.adamw.step()
        self.adamw.zero_grad()
        with torch.no_grad():
            for parameter, master in zip(self._parameters, self._masters, strict=True):
                if parameter is not master:
                    parameter.copy_(master)
        return norm

    def discard(self) -> None:
        """Clear the gradients without an update."""
        self.adamw.zero_grad()
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> State:
        """All that a resumed run needs: AdamW's state, and the masters' values where there are masters.

        Parameters that are float32 are the model's to save; their place in ``masters`` is None.
        """
        masters: list[Tensor | None] = [
            None if parameter is master else master.detach()
            for parameter, master in zip(self._parameters, self._masters, strict=True)
        ]
        return {"adamw": self.adamw.state_dict(), "masters": masters}

    def load_state_dict(self, state: State) -> None:
        """Go on from :meth:`state_dict`; the bf16 parameters are rounded from their masters.

        Raises:
            ValueError: If it is of other parameters.
        """
        self.adamw.load_state_dict(state["adamw"])
        triples = zip(self._parameters, self._masters, state["masters"], strict=True)
        with torch.no_grad():
            for parameter, master, saved in triples:
                if (saved is None) != (parameter is master):
                    raise ValueError("the state is of parameters of another dtype")
                if saved is not None:
                    master.copy_(saved)
                    parameter.copy_(master)


def _master(parameter: nn.Parameter) -> nn.Parameter:
    """The parameter itself, or a float32 copy of one in bf16."""
    if parameter.dtype != torch.bfloat16:
        return parameter
    return nn.Parameter(parameter.detach().float())
