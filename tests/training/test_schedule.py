"""The learning rate at given steps, by the formulas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.training.optimizer import Optimizer
from pipeline.training.schedule import make_schedule, warmup_steps
from tests.training.runs import Recorder, params, step_model, trained

PEAK = 8e-6


def rates(steps: int, **changes: Any) -> list[float]:
    """The rate each step of a run is taken at."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([weight], lr=PEAK)
    schedule = make_schedule(optimizer, params(lr=PEAK, **changes), steps)
    found = []
    for _ in range(steps):
        found.append(float(schedule.get_last_lr()[0]))
        optimizer.step()
        schedule.step()
    return found


def test_cosine() -> None:
    found = rates(12, schedule="cosine", warmup_steps=4)
    assert found[:5] == pytest.approx([0, PEAK / 4, PEAK / 2, 3 * PEAK / 4, PEAK])
    # A quarter, a half and three quarters of the way down: (1 + cos pi/4) / 2, 1/2, (1 - cos pi/4) / 2.
    root = math.sqrt(2) / 2
    expected = [PEAK * (1 + root) / 2, PEAK / 2, PEAK * (1 - root) / 2]
    assert [found[6], found[8], found[10]] == pytest.approx(expected)


def test_linear() -> None:
    found = rates(10, schedule="linear", warmup_steps=2)
    assert found == pytest.approx([0, PEAK / 2, *[PEAK * left / 8 for left in range(8, 0, -1)]])


def test_inverse_sqrt() -> None:
    """The schedule of the published script: 200 steps of warm-up, then sqrt(200 / t)."""
    found = rates(901, schedule="inverse_sqrt", warmup_steps=200)
    assert found[100] == pytest.approx(PEAK / 2)
    assert [found[200], found[450], found[800]] == pytest.approx([PEAK, PEAK * 2 / 3, PEAK / 2])


def test_inverse_sqrt_without_warm_up_starts_at_the_peak() -> None:
    found = rates(4, schedule="inverse_sqrt", warmup_steps=0)
    assert found == pytest.approx([PEAK * math.sqrt(10_000 / (10_000 + t)) for t in range(4)])


def test_constant() -> None:
    assert rates(5, schedule="constant", warmup_steps=2) == pytest.approx([0, PEAK / 2, PEAK, PEAK, PEAK])
    assert rates(3, schedule="constant", warmup_ratio=0.0) == [PEAK] * 3


@pytest.mark.parametrize(
    ("changes", "steps", "expected"),
    [
        ({"warmup_ratio": 0.1}, 100, 10),
        ({"warmup_ratio": 0.1}, 101, 11),
        ({"warmup_ratio": 0.0}, 100, 0),
        ({"warmup_ratio": 0.5, "warmup_steps": 7}, 100, 7),
        ({"warmup_ratio": 0.5, "warmup_steps": 0}, 100, 0),
    ],
)
def test_steps_of_warm_up_go_before_its_ratio(changes: dict[str, Any], steps: int, expected: int) -> None:
    assert warmup_steps(params(**changes), steps) == expected


def test_a_run_steps_its_schedule_and_logs_it(tmp_path: Path) -> None:
    log = Recorder()
    trained(tmp_path, log, schedule="linear", warmup_ratio=0.25, lr=1e-3)
    # 12 pairs in steps of 2, twice: 12 steps, 3 of them warm-up.
    rise = [0, 1e-3 / 3, 2e-3 / 3]
    assert [step["lr"] for step in log.steps] == pytest.approx(rise + [1e-3 * n / 9 for n in range(9, 0, -1)])


def test_weight_decay_spares_norms_and_biases_alone() -> None:
    """Transformers' own choice of parameters: all but norms and biases, so embeddings decay."""
    from transformers.trainer_pt_utils import get_parameter_names

    module = step_model()
    optimizer = Optimizer(list(module.parameters()), params(weight_decay=0.1))
    decayed, spared = optimizer.adamw.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    forbidden = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    names = set(get_parameter_names(module.model, [torch.nn.LayerNorm], forbidden))
    own = dict(module.model.named_parameters())
    assert {id(p) for p in decayed["params"]} == {id(own[name]) for name in names if name in own}
    assert len(spared["params"]) == 5  # two norms in each of two layers, and the last one
    assert id(module.model.get_input_embeddings().weight) in {id(p) for p in decayed["params"]}
