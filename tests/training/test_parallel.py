"""Two gloo ranks train what one process trains, replicated (DDP) and sharded (FSDP2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.multiprocessing.spawn import spawn
from transformers import AutoModelForCausalLM

from pipeline.errors import PipelineError
from pipeline.training.gather import full_weights, load_full_optimizer_state
from pipeline.training.model import decoder_layers
from pipeline.training.parallel import make_optimizer, parallelize, passes, share, step_model_of
from pipeline.training.step_model import StepModel
from tests.conftest import make_model
from tests.training.conftest import make_pair, make_pairs
from tests.training.parallel_ranks import (
    PAD,
    RANKS,
    Run,
    as_rank,
    fresh_model,
    meet,
    run_case,
    run_cases,
    steps,
    train_params,
)

SETTINGS: dict[str, dict[str, Any]] = {
    "float32": {},
    "masters": {"dtype": "bf16"},
    "autocast": {"dtype": "bf16_autocast", "dialect": "paper"},
    "lora": {"lora": {"enabled": True, "r": 4, "alpha": 8}},
    "checkpointing": {"gradient_checkpointing": True, "nll_scope": "full", "micro_batch_tokens": 3072},
}
CASES = {
    f"{parallel}-{name}": {**changes, "parallel": parallel}
    for parallel in ("ddp", "fsdp")
    for name, changes in SETTINGS.items()
}
INTERCHANGEABLE = [case for case in CASES if case != "fsdp-masters"]
"""Whose checkpoints go into one process and back: of bf16 weights with masters, shards are the masters."""

Found = dict[str, Any]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """Each setting in one process."""
    folder = tmp_path_factory.mktemp("alone")
    return {name: run_case(changes, folder / name) for name, changes in SETTINGS.items()}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, alone: dict[str, Found]) -> tuple[dict[str, Found], Path]:
    """Each case over two ranks, which also go on from the first step of the run in one process."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in CASES:
        (folder / name).mkdir()
        if name in INTERCHANGEABLE:
            torch.save(alone[name.partition("-")[2]]["first"], folder / name / "first.pt")
    torch.save(CASES, folder / "cases.pt")
    meet(folder)
    spawn(as_rank, (str(folder), run_cases), nprocs=RANKS)
    return torch.load(folder / "found.pt", weights_only=True), folder


def same_weights(found: Found, expected: Found, tolerance: float = 1e-6) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].to(value.dtype), value, rtol=0, atol=tolerance, msg=name)


def trained_values(found: Found, expected: Found) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The float32 values AdamW updates: the masters, or, where there are none, the weights."""
    masters = expected["optimizer"]["masters"]
    if found["optimizer"]["masters"][0] is not None:
        return found["optimizer"]["masters"], masters
    weights = list(found["weights"].values())
    return weights, masters if masters[0] is not None else list(expected["weights"].values())


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_train_what_one_process_trains(
    case: str, ranks: tuple[dict[str, Found], Path], alone: dict[str, Found]
) -> None:
    found, expected = ranks[0][case], alone[case.partition("-")[2]]
    assert found["norms"] == pytest.approx(expected["norms"], rel=1e-5)
    assert list(found["weights"]) == list(expected["weights"])
    values, wanted = trained_values(found, expected)
    assert len(values) == len(wanted)
    for one, other in zip(values, wanted, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert found["validation"] == pytest.approx(expected["validation"], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_steps_do_train(name: str, alone: dict[str, Found]) -> None:
    """Three steps at 1e-3 move every trained matrix by far more than the tolerance above."""
    before = fresh_model(train_params(SETTINGS[name])).state_dict()
    for weight, value in alone[name]["weights"].items():
        if value.ndim > 1:
            assert (value - before[weight]).abs().max() > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_saved_models_are_whole_and_the_same_files(
    case: str, ranks: tuple[dict[str, Found], Path], tmp_path: Path
) -> None:
    folder = ranks[1] / case / "model"
    name = case.partition("-")[2]
    run = Run(SETTINGS[name])
    run.train(steps())
    run.save(tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in tmp_path.iterdir())
    assert (folder / "config.json").read_text() == (tmp_path / "config.json").read_text()
    saved = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    expected = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert all(saved[key].dtype == expected[key].dtype for key in expected)
    # In bf16 two values 1e-6 apart may round to neighbours, at most 2^-8 of the value apart.
    tolerance = 4e-3 if "masters" in name else 2e-6
    same_weights(saved, expected, tolerance)


@pytest.mark.parametrize("case", INTERCHANGEABLE)
def test_ranks_go_on_from_a_checkpoint_of_one_process(
    case: str, ranks: tuple[dict[str, Found], Path]
) -> None:
    found = ranks[0][case]
    for one, other in zip(*trained_values(found["resumed"], found), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", INTERCHANGEABLE)
def test_one_process_goes_on_from_a_checkpoint_of_ranks(
    case: str, ranks: tuple[dict[str, Found], Path], alone: dict[str, Found]
) -> None:
    name = case.partition("-")[2]
    run = Run(SETTINGS[name])
    run.load(ranks[0][case]["first"])
    run.train(steps()[1:])
    for one, other in zip(*trained_values(run.state(), alone[name]), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_shards_of_float32_are_no_checkpoint_of_bf16_weights(ranks: tuple[dict[str, Found], Path]) -> None:
    run = Run(SETTINGS["masters"])
    with pytest.raises(ValueError, match="another dtype"):
        load_full_optimizer_state(run.optimizer, ranks[0]["fsdp-masters"]["first"]["optimizer"])


@given(sizes=st.lists(st.integers(1, 400), max_size=40), count=st.integers(1, 9))
def test_every_pair_falls_to_one_rank_and_loads_are_even(sizes: list[int], count: int) -> None:
    pairs = [make_pair(f"pair{index}", size, size, 1) for index, size in enumerate(sizes)]
    shares = [share(pairs, rank, count) for rank in range(count)]
    names = [pair.pair_id for part in shares for pair in part]
    assert sorted(names) == sorted(pair.pair_id for pair in pairs)
    loads = [sum(2 * len(pair.prompt_ids) + 1 for pair in part) for part in shares]
    # A rank takes its last pair while it is the emptiest: none is ahead by more than one pair.
    assert max(loads) - min(loads) <= max((2 * size + 1 for size in sizes), default=0)
    order = {pair.pair_id: index for index, pair in enumerate(pairs)}
    assert all([order[p.pair_id] for p in part] == sorted(order[p.pair_id] for p in part) for part in shares)


def test_the_longest_pairs_are_dealt_first() -> None:
    sizes = {"a": 1, "b": 10, "c": 4, "d": 5, "e": 2}
    pairs = [make_pair(name, size, 1, 1) for name, size in sizes.items()]
    # With two response tokens each: b 12; d 7, then c 6 to the other (13); e 4 to the first (16); a 3 (16).
    assert [pair.pair_id for pair in share(pairs, 0, 2)] == ["b", "e"]
    assert [pair.pair_id for pair in share(pairs, 1, 2)] == ["a", "c", "d"]


def test_one_process_makes_the_passes_of_its_micro_batches() -> None:
    step_model = StepModel(make_model(), PAD, train_params({}))
    found = passes(step_model, make_pairs(3))
    assert sorted(pair_id for each in found for pair_id in each.batch.pair_ids) == ["pair0", "pair1", "pair2"]
    assert [each.last for each in found] == [False, False, True]
    assert all(each.counts for each in found)
    assert passes(step_model, []) == []


def test_alone_the_step_model_is_its_own_module() -> None:
    step_model = StepModel(make_model(), PAD, train_params({}))
    module = parallelize(step_model, step_model.params)
    assert module is step_model
    assert step_model_of(module) is step_model
    assert not make_optimizer(module, step_model.params).has_masters
    # The head is the embedding's weight, and comes once.
    assert list(full_weights(module)) == [name for name, _ in step_model.model.named_parameters()]


def test_a_module_without_step_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a StepModel.*found Linear"):
        step_model_of(torch.nn.Linear(1, 1))


def test_a_model_is_sharded_by_its_decoder_layers() -> None:
    model = make_model()
    assert decoder_layers(model) == list(model.model.layers)


def test_quantised_weights_are_not_sharded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    params = train_params({"parallel": "fsdp", "lora": {"enabled": True, "quantize": "nf4"}})
    with pytest.raises(PipelineError, match=r"Quantised.*train\.parallel"):
        parallelize(StepModel(make_model(), PAD, params), params)
