"""Each dialect against its source: the formula written anew, and for trl the trainer itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.params import TrainParams, parse_params
from pipeline.tokens.shards import TokenPair
from pipeline.training.card import model_card, training_lineage
from pipeline.training.dialects import DIALECTS, objective_of
from pipeline.training.objective import NllReduction, NllScope, ObjectiveName
from pipeline.training.step_model import StepModel
from pipeline.training.totals import step_totals
from tests.conftest import make_model
from tests.training.conftest import make_pairs
from tests.training.full_logits import reference_loss

PAD = 2
LAMBDA = 0.3


def params(**changes: Any) -> TrainParams:
    return parse_params({"train": {"dtype": "float32", "lambda": LAMBDA, **changes}}).train


def model_in(dtype: torch.dtype) -> Any:
    model: Any = make_model()
    return model.to(dtype)


def step(dtype: torch.dtype, pairs: list[TokenPair], **changes: Any) -> tuple[float, list[torch.Tensor]]:
    """Loss and gradients of one step, its micro-batches added up."""
    setting = params(**changes)
    module = StepModel(model_in(dtype), PAD, setting)
    totals = step_totals(pairs, module.objective.nll_scope, module.objective.nll_reduction)
    loss = 0.0
    for batch in module.micro_batches(pairs):
        share = module(batch, totals).loss
        share.backward()
        loss += share.item()
    return loss, [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-10)])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_is_its_source(dialect: str, dtype: torch.dtype, tolerance: float) -> None:
    pairs = make_pairs(6)
    model = model_in(dtype)
    expected = reference_loss(model, pairs, dialect, LAMBDA)
    expected.backward()
    found, gradients = step(dtype, pairs, dialect=dialect, micro_batch_tokens=128)
    assert found == pytest.approx(expected.item(), abs=tolerance)
    # Llama's norms are float32 in any model, and packed rows round otherwise than padded ones there.
    rounding = max(10 * tolerance, 5e-8)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=10 * tolerance, atol=rounding)


def test_the_dialects_differ_where_they_should() -> None:
    losses = {name: step(torch.float64, make_pairs(6), dialect=name)[0] for name in DIALECTS}
    assert losses["paper"] == losses["llamafactory"]
    assert losses["official"] == losses["trl"]
    plain = step(torch.float64, make_pairs(6))[0]
    assert len({plain, losses["paper"], losses["trl"]}) == 3


def trl_batch(pairs: list[TokenPair]) -> dict[str, Any]:
    """The batch TRL's own collator makes of the tokens."""
    collator = pytest.importorskip("trl.experimental.utils").DPODataCollatorWithPadding(pad_token_id=PAD)
    rows = []
    for pair in pairs:
        row: dict[str, Any] = {"prompt_input_ids": pair.prompt_ids.tolist()}
        row["prompt_attention_mask"] = [1] * len(pair.prompt_ids)
        for side, response in (("chosen", pair.chosen_ids), ("rejected", pair.rejected_ids)):
            ids = [*pair.prompt_ids.tolist(), *response.tolist()]
            row[f"{side}_input_ids"] = ids
            row[f"{side}_attention_mask"] = [1] * len(ids)
            row[f"{side}_labels"] = [-100] * len(pair.prompt_ids) + response.tolist()
        rows.append(row)
    batch: dict[str, Any] = collator(rows)
    return batch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_trl_is_trls_trainer(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    module = pytest.importorskip("trl.experimental.orpo.orpo_trainer", reason="trl is not installed")
    trainer = object.__new__(module.ORPOTrainer)
    trainer.is_encoder_decoder, trainer.aux_loss_enabled = False, False
    trainer.padding_value, trainer.beta = PAD, LAMBDA
    trainer.accelerator = SimpleNamespace(device=torch.device("cpu"), gather_for_metrics=lambda value: value)
    pairs = make_pairs(6)
    # An EOS that is the pad token is a label, as TRL's attention masks have it.
    for pair in pairs:
        pair.chosen_ids[-1] = pair.rejected_ids[-1] = PAD
    model = model_in(dtype)
    expected, metrics = trainer.get_batch_loss_metrics(model, trl_batch(pairs))
    expected.backward()
    found, gradients = step(dtype, pairs, dialect="trl", micro_batch_tokens=128)
    # TRL takes its odds in float32, whatever the model is in; its likelihood term is in the model's.
    assert found == pytest.approx(expected.item(), abs=1e-6)
    if dtype == torch.float64:
        nll = step(dtype, pairs, dialect="trl", objective="sft")[0]
        assert nll == pytest.approx(metrics["nll_loss"], abs=1e-10)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_stands_for_scope_and_reduction(dialect: str) -> None:
    form = DIALECTS[dialect]
    named = step(torch.float32, make_pairs(5), dialect=dialect, nll_scope="full", nll_reduction="token_mean")
    spelled = step(torch.float32, make_pairs(5), nll_scope=form.scope, nll_reduction=form.reduction)
    assert named[0] == spelled[0]
    assert all(torch.equal(one, other) for one, other in zip(named[1], spelled[1], strict=True))


def test_params_and_objective_name_the_same_choices() -> None:
    fields = TrainParams.model_fields
    assert get_args(fields["objective"].annotation) == get_args(ObjectiveName)
    assert get_args(fields["nll_scope"].annotation) == get_args(NllScope)
    assert get_args(fields["nll_reduction"].annotation) == get_args(NllReduction)
    for name in DIALECTS:
        assert objective_of(params(dialect=name))
    with pytest.raises(PipelineError, match=r"train\.dialect"):
        params(dialect="axolotl")


def test_odds_only_with_nothing_to_weigh_is_refused() -> None:
    with pytest.raises(PipelineError, match="odds_only needs a lambda above 0"):
        params(objective="odds_only", **{"lambda": 0.0})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "ORPO (arXiv 2403.07691), lambda 0.3, L_SFT over the response |"),
        ({"dialect": "trl"}, "ORPO (arXiv 2403.07691), lambda 0.3, L_SFT over prompt and response |"),
        ({"dialect": "paper"}, "lambda 0.3, L_SFT over the response of each sequence |"),
        ({"objective": "sft"}, "Supervised fine-tuning on the chosen responses, L_SFT over the response |"),
        ({"objective": "odds_only"}, "odds-ratio term alone (arXiv 2403.07691, eq. 7), lambda 0.3 |"),
    ],
)
def test_the_card_says_what_was_minimised(changes: dict[str, Any], words: str) -> None:
    split = {"pairs": 1, "shards": [{"sha256": "0"}]}
    manifest = {"tokenizer_sha256": "1", "template_sha256": "2", "max_length": 8, "splits": {"train": split}}
    lineage = training_lineage(params(**changes), {"source": "path", "folder": "tiny"}, manifest, steps=1)
    card = model_card(lineage)
    assert words in card
    assert ("# A model aligned with ORPO" in card) == (changes.get("objective", "orpo") == "orpo")
