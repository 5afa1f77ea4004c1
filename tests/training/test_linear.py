from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear as torch_linear
from torch.utils._python_dispatch import TorchDispatchMode

import pipeline.training.linear as onednn
from pipeline.training.linear import OneDnnLinear, linear, product

ONEDNN = torch.ops.mkldnn._linear_pointwise.default


class Calls(TorchDispatchMode):
    """Counts the calls of oneDNN's product."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += func is ONEDNN
        return func(*args, **(kwargs or {}))


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64).to(
        dtype
    )


def every_second(tensor: Tensor) -> Tensor:
    return tensor.repeat_interleave(2, dim=-1)[..., ::2]


LAID: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda tensor: tensor,
    "transposed": lambda tensor: tensor.transpose(-1, -2).contiguous().transpose(-1, -2),
    "strided": every_second,
    "offset": lambda tensor: torch.cat([tensor, tensor], dim=-1)[..., tensor.shape[-1] :],
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 12), (2, 7, 12), (3, 2, 1, 12), (0, 12)])
@pytest.mark.parametrize("of_weight", LAID)
@pytest.mark.parametrize("of_inputs", LAID)
def test_linear_is_torchs(of_inputs: str, of_weight: str, shape: tuple[int, ...], bias: bool) -> None:
    inputs, weight = LAID[of_inputs](drawn(*shape)), LAID[of_weight](drawn(5, 12))
    added = drawn(5) if bias else None
    with Calls() as calls:
        found = linear(inputs, weight, added)
    assert calls.count == 1
    torch.testing.assert_close(found, torch_linear(inputs, weight, added), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("of_right", LAID)
@pytest.mark.parametrize("of_left", LAID)
def test_product_is_torchs(of_left: str, of_right: str) -> None:
    left, right = LAID[of_left](drawn(6, 9)), LAID[of_right](drawn(9, 4))
    torch.testing.assert_close(product(left, right), left @ right, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(product(right.t(), left.t()), right.t() @ left.t(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_go_to_torch(dtype: torch.dtype) -> None:
    inputs, weight, bias = drawn(7, 12, dtype=dtype), drawn(5, 12, dtype=dtype), drawn(5, dtype=dtype)
    with Calls() as calls, OneDnnLinear():
        assert torch.equal(linear(inputs, weight, bias), torch_linear(inputs, weight, bias))
        assert torch.equal(product(inputs, weight.t()), inputs @ weight.t())
    assert calls.count == 0


def gradients(layer: nn.Linear, inputs: Tensor, mode: bool) -> tuple[list[Tensor | None], int]:
    """Output, and the gradients of inputs, weight and bias; and how often oneDNN's product was called."""
    layer.zero_grad(set_to_none=True)
    inputs = inputs.detach().requires_grad_(inputs.requires_grad)
    with Calls() as calls:
        if mode:
            with OneDnnLinear():
                out = layer(inputs)
        else:
            out = layer(inputs)
        # Not contiguous on its way back, as after a transpose in a model.
        (out.transpose(0, -1) * drawn(*out.transpose(0, -1).shape)).sum().backward()
    bias = None if layer.bias is None else layer.bias.grad
    return [out.detach(), inputs.grad, layer.weight.grad, bias], calls.count


@pytest.mark.parametrize("shape", [(7, 12), (2, 7, 12), (3, 2, 1, 12)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("frozen", "of_inputs", "calls"),
    # One product forward, one for each gradient that is wanted; the bias's is a sum.
    [((), True, 3), (("weight",), True, 2), (("weight", "bias"), True, 2), ((), False, 2)],
    ids=["all", "frozen weight", "frozen layer", "inputs without gradient"],
)
def test_gradients_are_torchs(
    frozen: tuple[str, ...], of_inputs: bool, calls: int, bias: bool, shape: tuple[int, ...]
) -> None:
    layer = nn.Linear(12, 5, bias=bias)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(name not in frozen)
    inputs = drawn(*shape).requires_grad_(of_inputs)
    found, count = gradients(layer, inputs, mode=True)
    expected, none = gradients(layer, inputs, mode=False)
    assert (count, none) == (calls, 0)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_gradcheck() -> None:
    inputs, weight, bias = (
        drawn(*shape, dtype=torch.float64).requires_grad_() for shape in ((2, 3, 4), (5, 4), (5,))
    )
    assert torch.autograd.gradcheck(onednn._Linear.apply, (inputs, weight, bias))


def test_only_linear_layers_in_float32_are_taken() -> None:
    layer = nn.Linear(12, 5)
    with Calls() as calls, OneDnnLinear():
        layer(drawn(12))  # a vector
        torch_linear(drawn(7, 12), layer.weight, bias=layer.bias)  # by keyword
        drawn(7, 12) @ layer.weight.t()
        assert calls.count == 0
        layer(drawn(7, 12))
        assert calls.count == 1


def test_autocast_decides_the_dtype_as_ever() -> None:
    layer, inputs = nn.Linear(12, 5), drawn(7, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = layer(inputs)
        with Calls() as calls, OneDnnLinear():
            found = layer(inputs)
    assert found.dtype == torch.bfloat16 and calls.count == 0
    assert torch.equal(found, expected)


def test_without_onednn_torchs_own_product_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer, inputs = nn.Linear(12, 5), drawn(7, 12).requires_grad_()
    found, count = gradients(layer, inputs, mode=True)
    expected, _ = gradients(layer, inputs, mode=False)
    assert count == 0
    for one, other in zip(found, expected, strict=True):
        assert one is not None and other is not None and torch.equal(one, other)
    assert torch.equal(product(inputs, layer.weight.t()), inputs @ layer.weight.t())
