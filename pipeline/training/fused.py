"""RMS norms and gated MLPs that keep less for the backward pass, in the place of a model's own.

transformers' modules leave every intermediate result to autograd: a float32 copy and a normalised copy for
each norm, the activation and the product for each MLP. Here only the inputs are kept, and the rest is made
again while they are in cache. A module is replaced only if it proves equal on a sample, forward and backward,
so that variants (a norm that adds one to its weight, another activation) keep their own code.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pipeline.training.linear import linear, product

_ROWS = 256
"""Tokens whose backward pass through a norm is worked on at once: few enough to stay in the cache."""


class _RmsNorm(torch.autograd.Function):
    """``weight * x / rms(x)``, normalised in float32 and rounded before the weight, as Llama has it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = _widened(x)
        rstd = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(x, weight, rstd)
        return weight * (wide * rstd).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, rstd = ctx.saved_tensors
        of_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        rows = (x.flatten(0, -2), rstd.flatten(0, -2), grad.flatten(0, -2), of_x.view(-1, x.shape[-1]))
        of_weight = torch.zeros_like(_widened(weight))
        step = _ROWS if x.device.type == "cpu" else max(1, len(rows[0]))
        for parts in zip(*(part.split(step) for part in rows), strict=True):
            of_weight += _norm_backward(weight, *parts)
        return of_x, of_weight.to(weight.dtype) if ctx.needs_input_grad[1] else None, None


def _norm_backward(weight: Tensor, x: Tensor, rstd: Tensor, grad: Tensor, of_x: Tensor) -> Tensor:
    """Write the gradient of some rows, shape (rows, width), into ``of_x``; gives theirs of the weight."""
    wide_weight = _widened(weight)
    normed = _widened(x) * rstd
    wide = _widened(grad)
    along_weight = wide * normed
    along = (along_weight @ wide_weight).div_(x.shape[-1]).unsqueeze(-1)
    of_x.copy_((wide * wide_weight).addcmul_(normed, along, value=-1).mul_(rstd))
    return along_weight.sum(0)


def _widened(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


class _GatedDown(torch.autograd.Function):
    """``(silu(gate) * up) @ weight.T``, the second half of a gated MLP (Shazeer 2020, SwiGLU)."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up, weight)
        return linear(nn.functional.silu(gate).mul_(up), weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gate, up, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        activated = nn.functional.silu(gate)
        of_weight = None
        if ctx.needs_input_grad[2]:
            of_weight = product(rows.t(), (activated * up).flatten(0, -2))
        of_product = product(rows, weight).view(gate.shape)
        of_up = activated.mul_(of_product)
        of_gate = torch.ops.aten.silu_backward(of_product.mul_(up), gate)
        return of_gate, of_up, of_weight


def _norm_forward(self: Any, hidden_states: Tensor) -> Tensor:
    out: Tensor = _RmsNorm.apply(hidden_states, self.weight, self.variance_epsilon)  # type: ignore[no-untyped-call]
    return out


def _mlp_forward(self: Any, x: Tensor) -> Tensor:
    gate, up = self.gate_proj(x), self.up_proj(x)
    # Under autocast the two are bf16, and so is to be what they are multiplied with.
    weight = self.down_proj.weight.to(gate.dtype)
    out: Tensor = _GatedDown.apply(gate, up, weight)  # type: ignore[no-untyped-call]
    return out


def fuse(model: nn.Module) -> int:
    """Replace the model's RMS norms and gated MLPs where that changes nothing, in place.

    To be called once adapters are put in: an MLP whose layers are more than their weights is left alone.
    The replaced forward belongs to the module, not to what is saved of it.

    Returns:
        How many modules were replaced.
    """
    # One proof serves all modules of a kind: a model has a few kinds in many layers.
    proven: dict[tuple[type, str], bool] = {}
    return sum(_replaced(module, proven) for module in model.modules())


def _replaced(module: nn.Module, proven: dict[tuple[type, str], bool]) -> bool:
    forward: Callable[..., Tensor]
    if _looks_like_norm(module):
        forward, width = _norm_forward, module.get_parameter("weight").shape[0]
    elif _looks_like_mlp(module):
        forward, width = _mlp_forward, module.get_parameter("gate_proj.weight").shape[1]
    else:
        return False
    # The text of a module has its shapes, its activation and its epsilon.
    kind = type(module), repr(module)
    if kind not in proven:
        proven[kind] = _proves_equal(module, forward, width)
    if proven[kind]:
        module.forward = types.MethodType(forward, module)
    return proven[kind]


def _proves_equal(module: nn.Module, forward: Callable[..., Tensor], width: int) -> bool:
    """Whether another forward gives a module's own output and gradients on a sample."""
    # In bf16 another activation could pass for rounding.
    proof = copy.deepcopy(module).float()
    expected = _sample(proof, width)
    proof.forward = types.MethodType(forward, proof)
    found = _sample(proof, width)
    return all(_agree(a, b) for a, b in zip(expected, found, strict=True))


def _agree(expected: Tensor, found: Tensor) -> bool:
    """Whether two results differ by no more than rounding."""
    rounding = 16 * torch.finfo(expected.dtype).eps
    apart = (expected.float() - found.float()).abs().max()
    return bool(apart <= rounding * expected.float().abs().max())


def _looks_like_norm(module: nn.Module) -> bool:
    names = [name for name, _ in module.named_parameters()]
    return names == ["weight"] and isinstance(getattr(module, "variance_epsilon", None), float)


def _looks_like_mlp(module: nn.Module) -> bool:
    layers = [getattr(module, f"{name}_proj", None) for name in ("gate", "up", "down")]
    return all(type(layer) is nn.Linear and layer.bias is None for layer in layers)


def _sample(module: nn.Module, width: int) -> list[Tensor]:
    """The output and all gradients of a module on a fixed input."""
    weight = next(module.parameters())
    steps = torch.arange(5 * width, dtype=torch.float32).view(1, 5, width)
    x = torch.sin(steps).to(weight.device, weight.dtype).requires_grad_()
    with torch.enable_grad():
        out = module(x)
        wanted = [x, *(parameter for parameter in module.parameters() if parameter.requires_grad)]
        grads = torch.autograd.grad((out * torch.cos(steps).to(out)).sum(), wanted)
    return [out.detach(), *grads]
