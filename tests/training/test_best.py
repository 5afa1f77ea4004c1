"""The best pass by a metric: which it is, that its weights are kept, and when a run stops early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.params import TrainParams
from pipeline.training.best import SMALLER_IS_BETTER, Best
from pipeline.training.gather import full_weights
from pipeline.training.loop import train
from pipeline.training.step import validate
from tests.training.conftest import make_pairs
from tests.training.runs import Recorder, params, shard_set, step_model, trained, weights


def test_the_names_are_those_of_the_params() -> None:
    for name in SMALLER_IS_BETTER:
        assert params(best_metric=name).best_metric == name
    with pytest.raises(PipelineError, match=r"train\.best_metric"):
        params(best_metric="nll")
    assert TrainParams.model_fields["best_metric"].default is None


@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=12))
@pytest.mark.parametrize("metric", SMALLER_IS_BETTER)
def test_the_best_is_the_first_of_the_extreme_values(metric: str, values: list[float]) -> None:
    best = Best(metric)
    for step, value in enumerate(values, start=1):
        best.offer(step, value)
    numbers = [value for value in values if value == value]
    if not numbers:
        assert best.value is None and best.since == len(values)
        return
    extreme = min(numbers) if metric == "loss" else max(numbers)
    assert best.value == extreme
    assert best.step == values.index(extreme) + 1
    assert best.since == len(values) - best.step


def measured(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Let validation passes give these losses."""
    losses: Iterator[float] = iter(values)
    monkeypatch.setattr("pipeline.training.loop.validate", lambda *_: {"loss": next(losses)})


def test_the_saved_weights_are_the_best_passs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, [3.0, 1.0, 2.0, 2.5])
    log = Recorder()
    module, result = trained(tmp_path, log, eval_every=3, best_metric="loss")
    assert (result.steps, result.weights_step, result.validation) == (12, 6, {"loss": 1.0})
    assert [step for step, _ in log.validations] == [3, 6, 9, 12]
    # Six steps of the same run: what the model was at the best pass.
    seen: list[list[torch.Tensor]] = []
    other = tmp_path / "other"
    measured(monkeypatch, [1.0] * 4)

    def keep(module: torch.nn.Module) -> dict[str, torch.Tensor]:
        seen.append(weights(module))
        return full_weights(module)

    monkeypatch.setattr("pipeline.training.loop.full_weights", keep)
    trained(other, Recorder(), eval_every=6, best_metric="loss")
    assert all(torch.equal(one, two) for one, two in zip(weights(module), seen[0], strict=True))


def test_without_a_metric_the_last_weights_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, [1.0, 9.0])
    _, result = trained(tmp_path, Recorder(), eval_every=6)
    assert (result.weights_step, result.validation) == (12, {"loss": 9.0})


def test_a_run_stops_after_passes_that_are_no_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, [3.0, 1.0, 1.0, 2.0, 0.0, 0.0])
    log = Recorder()
    _, result = trained(tmp_path, log, eval_every=2, best_metric="loss", early_stopping=2)
    assert (result.steps, result.pairs, result.weights_step) == (8, 16, 4)
    assert len(log.steps) == 8


def test_the_best_weights_give_the_metrics_that_are_reported(tmp_path: Path) -> None:
    # A rate so high that the model gets worse again.
    module, result = trained(tmp_path, Recorder(), eval_every=1, best_metric="loss", lr=0.3, epochs=3)
    assert 0 < result.weights_step < result.steps
    assert validate(module, make_pairs(5)) == pytest.approx(result.validation, rel=1e-6)


@pytest.mark.parametrize("changes", [{}, {"eval_every": 2, "early_stopping": 1}])
def test_a_metric_without_pairs_to_measure_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    shards, none = shard_set(tmp_path / "a", make_pairs(4)), shard_set(tmp_path / "b", [])
    setting = params(best_metric="accuracy", **changes)
    log = Recorder()
    with pytest.raises(PipelineError, match=r"no validation pairs.*train\.best_metric.*split\.validation"):
        train(step_model(setting), shards, none, setting, log)
    assert log.steps == []
    # Without a metric such a run is fine: nothing is measured.
    assert train(step_model(), shards, none, params(), Recorder()).validation == {}
