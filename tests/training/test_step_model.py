"""A step's loss and gradient as training takes them: from the pairs of a step through :class:`StepModel`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pipeline.training.head as head
from pipeline.params import LoraParams, TrainParams, parse_params
from pipeline.tokens.shards import TokenPair
from pipeline.training import attention
from pipeline.training.dialects import DIALECTS
from pipeline.training.model import add_adapters, checkpoint_layers, disable_dropout
from pipeline.training.objective import LossTerms
from pipeline.training.step_model import StepModel, trained_parameters
from pipeline.training.totals import step_totals
from tests.conftest import make_model
from tests.training.architectures import PACKED, PADDED, tiny
from tests.training.conftest import make_pair, make_pairs
from tests.training.full_logits import reference_loss
from tests.training.largest import Largest
from tests.training.plain import assert_same_gradients, gradients
from tests.training.runs import made_up_references

PAD = 2
LAMBDA = 0.3
BOTH = pytest.mark.parametrize("shared_prefix", [True, False], ids=["packed", "padded"])


def params(**changes: Any) -> TrainParams:
    return parse_params({"train": {"dtype": "float32", "lambda": LAMBDA, **changes}}).train


def step(model: StepModel, pairs: list[TokenPair]) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a step, by as many passes as the plan has."""
    totals = step_totals(pairs, model.objective.nll_scope, model.objective.nll_reduction)
    loss = 0.0
    for batch in model.micro_batches(pairs):
        terms = model(batch, totals)
        terms.loss.backward()
        loss += terms.loss.item()
    return loss, gradients(model.model)


@BOTH
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-9)])
def test_a_step_is_the_formula_on_full_logits(
    dialect: str, dtype: torch.dtype, tolerance: float, shared_prefix: bool
) -> None:
    """The embeddings are tied here: their gradient is the head's and the input's."""
    model: Any = make_model()
    model.to(dtype)
    pairs = make_pairs(6)
    expected = reference_loss(model, pairs, dialect, LAMBDA)
    expected.backward()
    of_reference = gradients(model)
    steps = StepModel(model, PAD, params(dialect=dialect, shared_prefix=shared_prefix, micro_batch_tokens=90))
    assert steps.packs is shared_prefix
    found, of_step = step(steps, pairs)
    assert found == pytest.approx(expected.item(), abs=tolerance)
    # The model's norms are float32's whatever its dtype: 1e-7 of the largest values.
    assert_same_gradients(of_step, of_reference, 100 * tolerance)


@BOTH
@pytest.mark.parametrize("objective", ["orpo", "sft", "odds_only", "probability_ratio", "dpo"])
def test_a_step_does_not_depend_on_how_it_is_cut(objective: str, shared_prefix: bool) -> None:
    model, pairs, found = make_model(), make_pairs(8), []
    passes = []
    for tokens in (100_000, 240, 120, 1):
        changes = {"objective": objective, "shared_prefix": shared_prefix, "micro_batch_tokens": tokens}
        steps = StepModel(model, PAD, params(**changes), made_up_references())
        passes.append(len(list(steps.micro_batches(pairs))))
        found.append(step(steps, pairs))
        model.set_attn_implementation("sdpa")
    assert passes[0] == 1 < passes[1] < passes[2] < passes[3] == 8
    for loss, of_step in found[1:]:
        assert loss == pytest.approx(found[0][0], abs=1e-6)
        assert_same_gradients(of_step, found[0][1], 1e-4)


@pytest.mark.parametrize("name", [*PACKED, *PADDED])
def test_packed_and_padded_are_one_step(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [make_pair("a", 11, 9, 4), make_pair("b", 1, 3, 14), make_pair("c", 6, 1, 1)]
    losses = []
    for shared_prefix in (True, False):
        model = tiny(name).eval()  # a router of experts may draw lots in training
        steps = StepModel(
            model, PAD, params(dialect="paper", shared_prefix=shared_prefix, micro_batch_tokens=64)
        )
        assert steps.packs is (shared_prefix and name in PACKED)
        assert (model.config._attn_implementation == attention.NAME) is steps.packs
        losses.append(step(steps, pairs))
    expected = reference_loss(model, pairs, "paper", LAMBDA)
    said = capsys.readouterr().err
    if name in PACKED:
        assert said == ""
    else:
        assert said.startswith(f"{model.config.model_type} cannot take packed pairs (")
        assert PADDED[name][1] in said
        assert said.endswith("; each sequence runs as a padded row\n") and said.count("\n") == 1
    assert [loss for loss, _ in losses] == pytest.approx([expected.item()] * 2, abs=1e-5)
    assert_same_gradients(losses[0][1], losses[1][1], 1e-4)


@BOTH
def test_every_pair_comes_once_and_keeps_to_the_room(shared_prefix: bool) -> None:
    pairs = [*make_pairs(9), make_pair("long", 40, 50, 60)]
    steps = StepModel(make_model(), PAD, params(shared_prefix=shared_prefix, micro_batch_tokens=100))
    batches = list(steps.micro_batches(pairs))
    assert sorted(name for batch in batches for name in batch.pair_ids) == sorted(
        pair.pair_id for pair in pairs
    )
    for batch in batches:
        assert batch.input_ids.numel() <= 100 or batch.pair_ids == ("long",)
    assert [batch.pair_ids for batch in steps.micro_batches(pairs)] == [batch.pair_ids for batch in batches]


def measured(steps: StepModel, pairs: list[TokenPair]) -> dict[str, float]:
    totals = step_totals(pairs, steps.objective.nll_scope, steps.objective.nll_reduction)
    terms: list[LossTerms] = [steps(batch, totals) for batch in steps.micro_batches(pairs)]
    return {name: sum(vars(part)[name].item() for part in terms) for name in ("loss", "nll", "odds_ratio")}


@BOTH
def test_validation_gives_the_same_terms_without_gradients(shared_prefix: bool) -> None:
    steps = StepModel(make_model(), PAD, params(shared_prefix=shared_prefix, micro_batch_tokens=70))
    pairs = make_pairs(8)
    with torch.no_grad():
        found = measured(steps, pairs)
    assert found == measured(steps, pairs)
    assert all(parameter.grad is None for parameter in steps.parameters())


@pytest.mark.parametrize("dtype", ["float32", "bf16"])
@BOTH
def test_gradient_checkpointing_changes_nothing(shared_prefix: bool, dtype: str) -> None:
    pairs, found = make_pairs(6), []
    for checkpointing in (False, True):
        model: Any = make_model()
        if dtype == "bf16":
            model.to(torch.bfloat16)
        if checkpointing:
            checkpoint_layers(model)
        steps = StepModel(
            model.train(), PAD, params(shared_prefix=shared_prefix, micro_batch_tokens=90, dtype=dtype)
        )
        found.append(step(steps, pairs))
    assert found[0][0] == found[1][0]
    for name, gradient in found[0][1].items():
        assert torch.equal(found[1][1][name], gradient), name


@BOTH
def test_bf16_is_close_to_float32(shared_prefix: bool) -> None:
    pairs, found = make_pairs(6), []
    for dtype in ("float32", "bf16", "bf16_autocast"):
        model: Any = tiny("llama").train()
        disable_dropout(model)
        if dtype == "bf16":
            model.to(torch.bfloat16)
        found.append(step(StepModel(model, PAD, params(shared_prefix=shared_prefix, dtype=dtype)), pairs))
    exact = torch.cat([gradient.flatten() for gradient in found[0][1].values()])
    for loss, of_step in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=0.02)
        gradient = torch.cat([part.float().flatten() for part in of_step.values()])
        assert torch.nn.functional.cosine_similarity(gradient, exact, dim=0) > 0.995


@BOTH
def test_full_logits_never_exist(shared_prefix: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "LOGITS", 30 * 4096)
    model = tiny("llama", vocab_size=4096, hidden_size=16, head_dim=4)
    disable_dropout(model)
    steps = StepModel(model, PAD, params(shared_prefix=shared_prefix))
    pairs = [make_pair(str(number), 5, 12, 13) for number in range(10)]
    with Largest() as largest:
        step(steps, pairs)
    assert largest.numel <= 30 * 4096
    assert sum(steps.lay_out(pairs).per_pair) * 4096 > 5 * largest.numel


@pytest.mark.parametrize(
    "targets", [["q_proj", "v_proj"], ["q_proj", "lm_head"]], ids=["decoder", "head too"]
)
@BOTH
def test_adapters_get_the_gradients_of_autograd(shared_prefix: bool, targets: list[str]) -> None:
    """An adapted head is more than its weights: autograd has it."""
    model = tiny("llama")
    disable_dropout(model)
    add_adapters(model, LoraParams(enabled=True, r=2, dropout=0.0, target_modules=targets))
    torch.manual_seed(1)
    for parameter in trained_parameters(model):
        nn.init.normal_(parameter, std=0.1)  # as they are made, one of the two is 0
    pairs = make_pairs(5)
    reference_loss(model, pairs, "paper", LAMBDA).backward()
    expected = gradients(model)
    assert all("lora_" in name for name in expected)
    steps = StepModel(model, PAD, params(dialect="paper", shared_prefix=shared_prefix, micro_batch_tokens=80))
    _, found = step(steps, pairs)
    assert_same_gradients(found, expected, 1e-4)


def test_trained_parameters_are_those_that_require_gradients() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].weight.requires_grad_(False)
    assert [id(p) for p in trained_parameters(model)] == [
        id(model[0].bias),
        id(model[1].weight),
        id(model[1].bias),
    ]
