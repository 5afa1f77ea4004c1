"""The loop: a step however it is cut, what a run learns, and what it refuses."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.training.logs import LiveLog
from pipeline.training.loop import train
from pipeline.training.model import add_adapters, merge_adapters
from pipeline.training.optimizer import Optimizer
from pipeline.training.order import epoch_steps
from pipeline.training.rng import seed_everything
from pipeline.training.step import optimizer_step, validate
from pipeline.training.step_model import trained_parameters
from pipeline.training.totals import step_totals
from tests.conftest import make_model
from tests.training.conftest import make_pair, make_pairs
from tests.training.runs import Recorder, params, shard_set, step_model, weights


def step_of(**changes: Any) -> tuple[dict[str, float], list[torch.Tensor]]:
    """Metrics of one optimizer step on eight pairs, and the weights it gives."""
    setting = params(lr=1e-3, beta1=0.0, beta2=0.0, **changes)
    module = step_model(setting)
    metrics = optimizer_step(module, Optimizer(trained_parameters(module), setting), make_pairs(8))
    return metrics, weights(module)


@pytest.mark.parametrize("nll_scope", ["response", "full"])
@pytest.mark.parametrize("tokens", [1, 64, 2048])
def test_a_step_does_not_depend_on_how_it_is_cut(tokens: int, nll_scope: str) -> None:
    whole, _ = step_of(micro_batch_tokens=100_000, nll_scope=nll_scope)
    cut, _ = step_of(micro_batch_tokens=tokens, nll_scope=nll_scope)
    assert cut == pytest.approx(whole, rel=1e-5, abs=1e-6)


def test_a_step_reports_its_loss_and_what_it_is_made_of() -> None:
    metrics, _ = step_of()
    assert list(metrics) == [
        *("loss", "nll", "odds_ratio_term", "chosen_logp", "rejected_logp", "log_odds", "accuracy"),
        "grad_norm",
    ]
    assert metrics["loss"] == pytest.approx(metrics["nll"] + 0.5 * metrics["odds_ratio_term"], rel=1e-6)
    held_out = validate(step_model(), make_pairs(8))
    assert {name: metrics[name] for name in held_out} == pytest.approx(held_out, rel=1e-6)


def test_totals_come_from_the_masks() -> None:
    pairs = make_pairs(3)
    response = sum(len(pair.chosen_ids) for pair in pairs)
    assert step_totals(pairs, "response", "token_mean").nll_divisor == response
    # Nothing predicts the first token of a prompt.
    whole = response + sum(len(pair.prompt_ids) - 1 for pair in pairs)
    assert step_totals(pairs, "full", "token_mean").nll_divisor == whole
    assert step_totals(pairs, "full", "sequence_mean").nll_divisor == 3
    assert step_totals(pairs, "response", "token_mean").pairs == 3


def test_lambda_zero_is_supervised_fine_tuning(tmp_path: Path) -> None:
    recorder = Recorder()
    shards = shard_set(tmp_path, make_pairs(8))
    setting = params(**{"lambda": 0.0})
    train(step_model(setting), shards, shards, setting, recorder)
    assert all(step["loss"] == step["nll"] for step in recorder.steps)


def test_training_lowers_the_loss_and_parts_the_pairs(tmp_path: Path) -> None:
    shards = shard_set(tmp_path, make_pairs(12))
    setting = params(epochs=30, lr=5e-3, batch_pairs=4, eval_every=10)
    module = step_model(setting)
    before = validate(module, list(shards))
    recorder = Recorder()
    result = train(module, shards, shards, setting, recorder)
    assert (result.steps, result.pairs, result.weights_step) == (90, 360, 90)
    assert [step for step, _ in recorder.validations] == list(range(10, 91, 10))
    assert result.validation == recorder.validations[-1][1]
    assert result.validation["loss"] < 0.5 * before["loss"]
    assert result.validation["accuracy"] == 1.0
    assert recorder.steps[0]["lr"] == 0.0 and max(step["lr"] for step in recorder.steps) == 5e-3


def test_validation_does_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = make_pairs(7)
    one = validate(step_model(params(micro_batch_tokens=1)), pairs)
    other = validate(step_model(params(micro_batch_tokens=5000)), pairs)
    assert one == pytest.approx(other, rel=1e-5)
    monkeypatch.setattr("pipeline.training.step.VALIDATION_PAIRS", 3)
    assert validate(step_model(params()), pairs) == pytest.approx(other, rel=1e-5)


def test_validation_leaves_the_model_as_it_was() -> None:
    module = step_model()
    before = weights(module)
    validate(module, make_pairs(4))
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, weights(module), strict=True))


def test_training_repeats_bit_by_bit(tmp_path: Path) -> None:
    shards = shard_set(tmp_path, make_pairs(9))

    def run() -> list[torch.Tensor]:
        seed_everything(3)
        setting = params(batch_pairs=4, dtype="bf16")
        module = step_model(setting)
        train(module, shards, shards, setting, Recorder())
        return weights(module)

    assert all(torch.equal(one, other) for one, other in zip(run(), run(), strict=True))


def spoiled_by(token: int) -> Any:
    """A model that cannot take one token, and a pair that holds it among others that do not."""
    model = make_model()
    with torch.no_grad():
        # The head apart from the embedding, or every pair's softmax would see the row.
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.model.embed_tokens.weight[token] = float("nan")
    pairs = [pair for pair in make_pairs(5) if token not in {*pair.prompt_ids, *pair.chosen_ids}]
    bad = make_pair("bad", 5, 6, 7)
    bad.prompt_ids[2] = token
    return model, [*pairs[:2], bad, *pairs[2:]]


def test_a_loss_that_is_not_finite_stops_with_the_pairs_named() -> None:
    model, pairs = spoiled_by(255)
    module = step_model(model=model)
    before = weights(module)
    optimizer = Optimizer(trained_parameters(module), params())
    with pytest.raises(PipelineError) as caught:
        optimizer_step(module, optimizer, pairs)
    ids = ", ".join(pair.pair_id for pair in pairs)
    assert str(caught.value).startswith(f"The loss is not finite on the pairs {ids}. Found: nan. ")
    assert "Look at bad: alone, too, the loss is not finite there." in str(caught.value)
    for one, parameter in zip(before, module.parameters(), strict=True):
        assert torch.equal(one.nan_to_num(), parameter.nan_to_num()) and parameter.grad is None


def test_the_pairs_are_all_named_however_many(tmp_path: Path) -> None:
    module, pairs = step_model(), make_pairs(64)
    with torch.no_grad():
        next(module.parameters()).fill_(float("nan"))
    with pytest.raises(PipelineError, match="No pair has a finite loss, so look at the weights") as caught:
        optimizer_step(module, Optimizer(trained_parameters(module), params()), pairs)
    assert all(pair.pair_id in str(caught.value) for pair in pairs)


def test_a_gradient_that_is_not_finite_updates_nothing() -> None:
    module, pairs = step_model(), make_pairs(3)
    before = weights(module)
    parameter = list(module.parameters())[1]
    parameter.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(PipelineError, match="The gradient is not finite on the pairs pair0, pair1, pair2"):
        optimizer_step(module, Optimizer(trained_parameters(module), params()), pairs)
    assert all(torch.equal(one, other) for one, other in zip(before, weights(module), strict=True))


def test_no_pairs_is_an_error(tmp_path: Path) -> None:
    shards = shard_set(tmp_path, [])
    with pytest.raises(PipelineError, match="There are no training pairs"):
        train(step_model(), shards, shards, params(), Recorder())


def test_lora_trains_adapters_only_and_merges_to_the_same_model(tmp_path: Path) -> None:
    shards, model = shard_set(tmp_path, make_pairs(6)), make_model()
    names = list(model.state_dict())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    setting = params(lr=1e-2, epochs=3, lora={"enabled": True, "r": 4, "alpha": 8})
    add_adapters(model, setting.lora)
    module = step_model(setting, model)
    train(module, shards, shards, setting, Recorder())
    adapted = validate(module, list(shards))
    merge_adapters(model)
    assert list(model.state_dict()) == names
    merged = validate(module, list(shards))
    assert merged == pytest.approx(adapted, rel=1e-4)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in names if "proj" in name}


def test_lora_on_no_module_is_an_error() -> None:
    setting = params(lora={"enabled": True, "target_modules": ["nowhere"]})
    with pytest.raises(PipelineError, match=r"train\.lora\.target_modules"):
        add_adapters(make_model(), setting.lora)


@settings(max_examples=50)
@given(
    pairs=st.integers(1, 200),
    batch=st.integers(1, 16),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
)
def test_every_pair_comes_once_an_epoch(pairs: int, batch: int, seed: int, epoch: int) -> None:
    steps = epoch_steps(pairs, batch, seed, epoch)
    assert sorted(np.concatenate(steps).tolist()) == list(range(pairs))
    assert [len(step) for step in steps[:-1]] == [batch] * (len(steps) - 1)
    again = epoch_steps(pairs, batch, seed, epoch)
    assert all((one == other).all() for one, other in zip(steps, again, strict=True))


def test_epochs_and_seeds_differ() -> None:
    orders = [np.concatenate(epoch_steps(256, 8, seed, epoch)) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert not any((one == other).all() for one, other in combinations(orders, 2))


def test_the_log_is_dvclives(tmp_path: Path) -> None:
    import json

    log = LiveLog(tmp_path / "train")
    log.step(1, {"loss": 2.0})
    log.step(2, {"loss": 1.0})
    log.validation(2, {"loss": 1.5})
    log.close(failed=False)
    assert json.loads((tmp_path / "train/metrics.json").read_text()) == {
        "loss": 1.0,
        "step": 2,
        "validation": {"loss": 1.5},
    }
    curve = (tmp_path / "train/plots/metrics/loss.tsv").read_text().split()
    assert curve == ["step", "loss", "1", "2.0", "2", "1.0"]
    assert (tmp_path / "train/plots/metrics/validation/loss.tsv").read_text().split()[-2:] == ["2", "1.5"]


@pytest.mark.parametrize(
    ("objective", "term"),
    [
        ("sft", {"nll": 1.0}),
        ("odds_only", {"odds_ratio_term": 0.5}),
        ("probability_ratio", {"nll": 1.0, "probability_ratio_term": 0.5}),
    ],
)
def test_an_ablation_trains_on_its_own_terms(tmp_path: Path, objective: str, term: dict[str, float]) -> None:
    shards = shard_set(tmp_path, make_pairs(12))
    setting = params(objective=objective, epochs=20, lr=5e-3, batch_pairs=4)
    module = step_model(setting)
    before = validate(module, list(shards))
    recorder = Recorder()
    after = train(module, shards, shards, setting, recorder).validation
    assert after["loss"] < 0.5 * before["loss"]
    for metrics in (before, after, *recorder.steps):
        assert metrics["loss"] == pytest.approx(sum(w * metrics[name] for name, w in term.items()), rel=1e-6)
    # What it does not train on is left behind: the likelihood without L_SFT, the margin without L_OR.
    setting = params(epochs=20, lr=5e-3, batch_pairs=4)
    orpo = train(step_model(setting), shards, shards, setting, Recorder())
    if objective == "odds_only":
        assert after["nll"] > orpo.validation["nll"] + 1
    if objective == "sft":
        assert after["log_odds"] < orpo.validation["log_odds"]


def test_a_dialect_reaches_the_metrics() -> None:
    pairs = make_pairs(7)
    named = validate(step_model(params(dialect="paper")), pairs)
    assert named == validate(step_model(params(nll_reduction="sequence_mean")), pairs)
    # L_SFT of the paper is the mean of -log P(chosen).
    assert named["nll"] == pytest.approx(-named["chosen_logp"], rel=1e-6)
    plain = validate(step_model(), pairs)
    assert named["nll"] != pytest.approx(plain["nll"], rel=1e-4)
    assert named["odds_ratio_term"] == plain["odds_ratio_term"]
