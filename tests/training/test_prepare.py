"""The prepared model trains as the plain one does, and what is written of it is the same."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM, PreTrainedModel

from pipeline.errors import PipelineError
from pipeline.training.fused import fuse
from pipeline.training.model import decoder_layers, disable_dropout, load_model, merge_adapters
from pipeline.training.parallel import make_optimizer
from pipeline.training.prepare import make_ready, prepare_model
from pipeline.training.step import optimizer_step, totals_of, validate
from pipeline.training.step_model import StepModel
from tests.conftest import make_model
from tests.training.conftest import make_pairs
from tests.training.runs import PAD, params

LORA = {"enabled": True, "r": 4, "alpha": 8}

Step = tuple[float, dict[str, torch.Tensor]]


def step(folder: Path, **changes: Any) -> Step:
    """Loss and gradients of one step of the prepared model."""
    setting = params(**changes)
    torch.manual_seed(0)
    model = prepare_model(folder, setting)
    for name, parameter in model.named_parameters():
        # It starts at 0, and the first factor would have no gradient.
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.data, std=0.1)
    module = StepModel(model, PAD, setting)
    module.train()
    pairs = make_pairs(8)
    totals, loss = totals_of(module, pairs), 0.0
    for batch in module.micro_batches(pairs):
        share = module(batch, totals).loss
        share.backward()
        loss += share.item()
    return loss, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dtype", ["float32", "bf16", "bf16_autocast"])
def test_a_prepared_model_is_the_base_model(model_folder: Path, dtype: str) -> None:
    model = prepare_model(model_folder, params(dtype=dtype))
    expected = load_model(model_folder).state_dict()
    weights = torch.bfloat16 if dtype == "bf16" else torch.float32
    found = model.state_dict()
    assert list(found) == list(expected)
    assert all(value.dtype == weights for value in found.values())
    assert all(torch.equal(found[name], value.to(weights)) for name, value in expected.items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    # Rotary frequencies are no weights: rounded, they would turn late tokens to wrong places.
    assert {buffer.dtype for _, buffer in model.named_buffers()} == {torch.float32}


def plain_step(folder: Path) -> Step:
    """The step of a model that was only loaded."""
    module = StepModel(load_model(folder), PAD, params(shared_prefix=False))
    pairs = make_pairs(8)
    loss = sum(module(batch, totals_of(module, pairs)).loss for batch in module.micro_batches(pairs))
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    return loss.item(), {name: p.grad for name, p in module.model.named_parameters() if p.grad is not None}


def assert_same(found: Step, expected: Step, tolerance: float) -> None:
    assert found[0] == pytest.approx(expected[0], abs=tolerance)
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        torch.testing.assert_close(found[1][name], value, rtol=0, atol=tolerance, msg=name)


def test_its_step_is_the_plain_models(model_folder: Path) -> None:
    assert_same(step(model_folder), plain_step(model_folder), 1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shared_prefix": False},
        {"dtype": "bf16"},
        {"dtype": "bf16_autocast"},
        # Dropout draws the same numbers when a layer runs again.
        {"lora": {**LORA, "dropout": 0.3}},
    ],
    ids=["packed", "padded", "bf16", "autocast", "lora"],
)
def test_layers_that_run_again_give_the_same_bits(model_folder: Path, changes: dict[str, Any]) -> None:
    loss, gradients = step(model_folder, **changes)
    again, found = step(model_folder, **changes, gradient_checkpointing=True)
    assert again == loss and found.keys() == gradients.keys()
    assert all(torch.equal(found[name], value) for name, value in gradients.items())


@pytest.mark.parametrize(("again", "calls"), [(False, 1), (True, 2)])
def test_layers_run_again_in_the_backward_pass(model_folder: Path, again: bool, calls: int) -> None:
    setting = params(gradient_checkpointing=again)
    module = StepModel(prepare_model(model_folder, setting), PAD, setting)
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1

    for layer in decoder_layers(module.model):
        layer.mlp.register_forward_pre_hook(count)  # type: ignore[union-attr]
    module.train()
    [batch] = module.micro_batches(make_pairs(2))
    module(batch, totals_of(module, make_pairs(2))).loss.backward()
    assert seen == calls * len(decoder_layers(module.model))


def test_a_model_that_cannot_run_its_layers_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaForCausalLM, "supports_gradient_checkpointing", False)
    with pytest.raises(PipelineError, match=r"train\.gradient_checkpointing.*Found: llama"):
        make_ready(make_model(), params(gradient_checkpointing=True))


@pytest.fixture
def inductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("there is no C++ compiler for torch.compile")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def test_compiled_layers_give_the_same_step(model_folder: Path, inductor: None) -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    assert_same(step(model_folder, compile=True), step(model_folder), 1e-6)
    assert counters["inductor"] and counters["stats"]["unique_graphs"] >= 2


class Variant(LlamaForCausalLM):
    """A model with dropout, and of another activation."""

    def __init__(self, activation: str = "silu", width: int = 32) -> None:
        torch.manual_seed(0)
        super().__init__(
            LlamaConfig(
                vocab_size=259,
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=1,
                num_attention_heads=4,
                num_key_value_heads=2,
                hidden_act=activation,
                attention_dropout=0.5,
            )
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("activation", "replaced"), [("silu", 4), ("gelu", 3), ("gelu_pytorch_tanh", 3)])
def test_an_mlp_of_another_activation_keeps_its_code(
    activation: str, replaced: int, dtype: torch.dtype
) -> None:
    """A layer's two norms and its MLP, and the last norm; in bf16 a GELU is all but a SiLU."""
    model = Variant(activation)
    model.to(dtype)  # type: ignore[arg-type]
    assert fuse(model) == replaced


def opt() -> OPTForCausalLM:
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=259,
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        max_position_embeddings=128,
        dropout=0.4,
        attention_dropout=0.4,
        layerdrop=0.4,
    )
    return OPTForCausalLM(config)


@pytest.mark.parametrize("make", [Variant, opt])
def test_dropout_of_the_model_is_off_and_that_of_adapters_stays(make: Any) -> None:
    ids = torch.arange(3, 40).unsqueeze(0)

    def repeats(model: PreTrainedModel) -> bool:
        model.train()
        with torch.no_grad():
            logits = [model(input_ids=ids).logits for _ in range(4)]
        return all(torch.equal(one, logits[0]) for one in logits)

    assert not repeats(make())
    model = make()
    disable_dropout(model)
    assert repeats(model)
    model = make()
    make_ready(model, params(lora={**LORA, "dropout": 0.5}))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.data)
    assert not repeats(model)


def test_quantised_weights_need_adapters() -> None:
    with pytest.raises(PipelineError, match=r"train\.lora.*quantize needs enabled"):
        params(lora={"quantize": "nf4"})


def test_quantised_weights_need_bitsandbytes(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        PipelineError, match=r"not installed.*train\.lora\.quantize.*pip install bitsandbytes"
    ):
        prepare_model(model_folder, params(lora={**LORA, "quantize": "nf4"}))


@pytest.mark.parametrize("dtype", ["float32", "bf16"])
def test_quantised_training_leaves_a_plain_model(model_folder: Path, tmp_path: Path, dtype: str) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    setting = params(dtype=dtype, lr=1e-2, lora={**LORA, "quantize": "nf4"})
    model = prepare_model(model_folder, setting)
    held = {type(m) for m in model.modules()} & {bitsandbytes.nn.Linear4bit}
    assert held and model.is_quantized
    before = load_model(model_folder).state_dict()
    module = StepModel(model, PAD, setting)
    assert all("lora_" in name for name, p in module.named_parameters() if p.requires_grad)
    optimizer = make_optimizer(module, setting)
    losses = []
    for _ in range(4):
        losses.append(optimizer_step(module, optimizer, make_pairs(8))["loss"])
        # A pass without gradients changes nothing of the weights.
        validate(module, make_pairs(3))
    assert losses[-1] < losses[0] - 0.1
    trained = validate(module, make_pairs(5))

    merge_adapters(model)
    model.save_pretrained(tmp_path)
    assert "quant" not in (tmp_path / "config.json").read_text()
    saved = load_model(tmp_path)
    assert list(saved.state_dict()) == list(before)
    found = validate(StepModel(saved, PAD, params()), make_pairs(5))
    assert found == pytest.approx(trained, rel=1e-5 if dtype == "float32" else 1e-2, abs=1e-2)
    assert found["loss"] == pytest.approx(trained["loss"], rel=1e-6 if dtype == "float32" else 1e-3)
