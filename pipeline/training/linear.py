"""Float32 products on the CPU through oneDNN, which uses all of the processor's vectors on every make.

torch sends float32 products to MKL, which on processors of other makers than its own takes a path of half the
width. oneDNN gives the same precision; which of the two is used never depends on a measurement, so that runs
repeat. bf16 goes to oneDNN as it is, and a GPU has its own library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear as torch_linear
from torch.overrides import TorchFunctionMode


def _goes_to_onednn(*operands: Tensor) -> bool:
    return torch.backends.mkldnn.is_available() and all(
        tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in operands
    )


def _in_float32(inputs: Tensor, weight: Tensor) -> bool:
    """Whether torch's own product would be float32's: autocast makes it one of bf16."""
    return _goes_to_onednn(inputs, weight) and not torch.is_autocast_enabled("cpu")


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``inputs @ weight.T + bias``, without autograd; shapes as torch.nn.functional.linear."""
    if _goes_to_onednn(inputs, weight):
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return found
    return torch_linear(inputs, weight, bias)


def product(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` of two matrices, without autograd."""
    return linear(left, right.t())


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        of_inputs = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_inputs = product(grad.flatten(0, -2), weight).view(inputs.shape)
        if ctx.needs_input_grad[1]:
            of_weight = product(grad.flatten(0, -2).t(), inputs.flatten(0, -2))
        if ctx.needs_input_grad[2]:
            of_bias = grad.flatten(0, -2).sum(0)
        return of_inputs, of_weight, of_bias


class OneDnnLinear(TorchFunctionMode):
    """While it is on, torch.nn.functional.linear in float32 on the CPU is oneDNN's, forward and backward."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Take the calls meant for it; let all others through, and those of compiled code."""
        if torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        if func is torch_linear and not kwargs and args[0].ndim > 1 and _in_float32(args[0], args[1]):
            bias = args[2] if len(args) > 2 else None
            return _Linear.apply(args[0], args[1], bias)  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))
