"""Checkpoints: what they give back, which is used, and which are refused."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.params import TrainParams
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.fingerprint import HARMLESS, run_fingerprint, run_name
from pipeline.training.parallel import step_model_of
from pipeline.training.rng import rng_state, set_rng_state
from pipeline.training.safe_state import join, load_state, part, save_state
from pipeline.training.step import optimizer_step
from tests.training.conftest import make_pairs
from tests.training.runs import BASE, Recorder, params, shard_set, trained, weights

SHARD = {"file": "shard-00000.arrow", "sha256": "a" * 64}
MANIFEST = {"splits": {"train": {"shards": [SHARD]}, "validation": {"shards": []}, "test": {"shards": []}}}

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(tree=TREES)
def test_a_tree_comes_back_as_it_was(tree: Any) -> None:
    plain, tensors = part(tree, "x")
    assert tensors == {}
    back = join(plain, tensors)
    assert back == tree and repr(back) == repr(tree)


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    odd = torch.tensor([math.nan, math.inf, -0.0, 1e-45])
    state: dict[str, Any] = {
        "weights": {"a.b": torch.randn(3, 2).to(torch.bfloat16), "t": torch.arange(6).reshape(2, 3).T},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.999), "none": [None, odd]},
        "history": [{"loss": 0.1 + 0.2}, {"loss": math.inf}],
    }
    save_state(state, tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["optimizer.safetensors", "state.json", "weights.safetensors"]
    back = load_state(tmp_path)
    for name, value in state["weights"].items():
        assert back["weights"][name].dtype == value.dtype and torch.equal(back["weights"][name], value)
    assert back["optimizer"]["state"][0]["step"] == 3.0
    assert back["optimizer"]["betas"] == (0.9, 0.999)
    assert back["optimizer"]["none"][1].view(torch.int32).tolist() == odd.view(torch.int32).tolist()
    assert back["history"] == state["history"]


def test_what_has_no_form_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"optimizer/0 is a set"):
        part([{1}], "optimizer")


def test_generators_go_on_where_they_stood(tmp_path: Path) -> None:
    def draw() -> list[Any]:
        return [random.random(), random.gauss(0, 1), float(np.random.normal()), torch.rand(3).tolist()]

    draw()  # A second value of gauss and normal is held back by their generators.
    save_state({"rng": rng_state()}, tmp_path)
    expected = draw()
    draw()
    set_rng_state(load_state(tmp_path)["rng"])
    assert draw() == expected


def store(folder: Path, keep: int = 2, **changes: Any) -> Checkpoints:
    return Checkpoints(folder, run_fingerprint(params(**changes), MANIFEST, BASE), every=5, keep=keep)


def steps_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_latest_few_are_kept(tmp_path: Path) -> None:
    checkpoints = store(tmp_path / "c")
    assert checkpoints.latest() is None
    for step in (5, 10, 15):
        checkpoints.write(step, {"step": step})
    assert steps_in(tmp_path / "c") == ["step-00000010", "step-00000015"]
    assert checkpoints.latest() == {"step": 15}
    assert [step for step in range(12) if checkpoints.due(step) and step] == [5, 10]
    checkpoints.clear()
    assert not (tmp_path / "c").exists()
    checkpoints.clear()


def test_zero_steps_between_means_none(tmp_path: Path) -> None:
    none = Checkpoints(tmp_path, {}, every=0, keep=1)
    assert not any(none.due(step) for step in range(1, 100))


def damage_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: damage_byte(folder / "weights.safetensors"), "weights.safetensors changed since"),
        (lambda folder: damage_byte(folder / "state.json"), "state.json changed since"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda folder: (folder / "checksums.json").unlink(), "checksums.json is missing"),
        (lambda folder: (folder / "checksums.json").write_text("{"), "checksums.json cannot be read"),
        (lambda folder: (folder / "checksums.json").write_text("[]"), "checksums.json cannot be read"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b""), "weights.safetensors changed"),
    ],
)
def test_a_damaged_one_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Any, said: str
) -> None:
    checkpoints = store(tmp_path)
    for step in (5, 10):
        checkpoints.write(step, {"step": step, "weights": {"w": torch.arange(50.0)}})
    harm(tmp_path / "step-00000010")
    found = checkpoints.latest()
    assert found is not None and found["step"] == 5
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{tmp_path / 'step-00000010'} is passed over: ") and said in first
    assert second == f"training goes on from {tmp_path / 'step-00000005'}"
    # The run comes past that step again, and puts a whole one in its place.
    checkpoints.write(10, {"step": 10})
    assert checkpoints.latest() == {"step": 10}


def test_half_of_one_is_not_seen_and_cleared_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = store(tmp_path)
    checkpoints.write(5, {"step": 5})
    (tmp_path / "step-00000010.partial").mkdir()
    (tmp_path / "step-00000010.partial/state.json").write_text("{")
    (tmp_path / "step-00000010.partial.lock").write_text("process 1 on here")
    (tmp_path / "step-00000003.old").mkdir()
    assert checkpoints.latest() == {"step": 5}
    assert "passed over" not in capsys.readouterr().err
    checkpoints.write(15, {"step": 15})
    assert steps_in(tmp_path) == ["step-00000005", "step-00000015"]


def test_a_write_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, keep=1)
    checkpoints.write(5, {"step": 5})
    with pytest.raises(TypeError):
        checkpoints.write(10, {"step": object()})
    assert steps_in(tmp_path) == ["step-00000005"] and checkpoints.latest() == {"step": 5}


@pytest.mark.parametrize(
    ("changes", "key", "found", "expected"),
    [
        ({"lr": 1e-5}, "train.lr", "0.0002 in the checkpoint", "1e-05"),
        ({"epochs": 3}, "train.epochs", "2 in the checkpoint", "3"),
        ({"micro_batch_tokens": 99}, "train.micro_batch_tokens", "2048 in the checkpoint", "99"),
        ({"lora": {"r": 4}}, "train.lora.r", "16 in the checkpoint", "4"),
    ],
)
def test_changed_params_are_refused(
    tmp_path: Path, changes: dict[str, Any], key: str, found: str, expected: str
) -> None:
    store(tmp_path).write(5, {"step": 5})
    with pytest.raises(PipelineError) as caught:
        store(tmp_path, **changes).latest()
    assert (caught.value.key, caught.value.found, caught.value.expected) == (key, found, expected)
    assert f"To start afresh, delete {tmp_path};" in str(caught.value)
    assert f"{key} changed" in str(caught.value)


def test_params_that_change_no_result_may_change(tmp_path: Path) -> None:
    store(tmp_path).write(5, {"step": 5})
    free: dict[str, Any] = {"checkpoint_every": 9, "keep_checkpoints": 3, "trackers": ["tensorboard"]}
    assert set(free) == HARMLESS <= set(TrainParams.model_fields)
    assert store(tmp_path, **free).latest() == {"step": 5}


def test_other_data_and_another_base_model_are_refused(tmp_path: Path) -> None:
    store(tmp_path).write(5, {"step": 5})
    for split, shards in (("train", [{"sha256": "b" * 64}]), ("validation", [SHARD]), ("train", [])):
        manifest = {"splits": {**MANIFEST["splits"], split: {"shards": shards}}}
        other = Checkpoints(tmp_path, run_fingerprint(params(), manifest, BASE), 5, 1)
        with pytest.raises(PipelineError, match=rf"another run.*data\.{split} changed"):
            other.latest()
    base = {**BASE, "weights_sha256": {"model.safetensors": "1"}}
    with pytest.raises(PipelineError, match=r"base\.weights_sha256\.model\.safetensors changed"):
        Checkpoints(tmp_path, run_fingerprint(params(), MANIFEST, base), 5, 1).latest()
    # What is trained on is train, and validation chooses; test has no part in it.
    manifest = {"splits": {**MANIFEST["splits"], "test": {"shards": [SHARD]}}}
    assert Checkpoints(tmp_path, run_fingerprint(params(), manifest, BASE), 5, 1).latest() == {"step": 5}


def test_a_runs_name_is_its_fingerprints() -> None:
    one = run_name(run_fingerprint(params(), MANIFEST, BASE))
    assert one == run_name(run_fingerprint(params(checkpoint_every=7), MANIFEST, BASE))
    assert one != run_name(run_fingerprint(params(lr=1e-6), MANIFEST, BASE))
    assert one.startswith("train-") and len(one) == 14


def test_a_run_refuses_changed_data_and_leaves_the_checkpoint(tmp_path: Path) -> None:
    trained(tmp_path, Recorder(), checkpoint_every=5, keep_checkpoints=2)
    assert steps_in(tmp_path / "checkpoints") == ["step-00000005", "step-00000010"]
    other = shard_set(tmp_path / "shards", make_pairs(13), make_pairs(5))
    log = Recorder()
    with pytest.raises(PipelineError, match=r"another run.*data\.train changed"):
        trained(tmp_path, log, other, checkpoint_every=5)
    assert log.steps == [] and (tmp_path / "checkpoints/step-00000010").is_dir()


def test_a_checkpoint_holds_no_pickle_and_only_what_is_trained(tmp_path: Path) -> None:
    module, _ = trained(
        tmp_path, Recorder(), checkpoint_every=6, dtype="bf16", best_metric="loss", eval_every=3
    )
    [folder] = (tmp_path / "checkpoints").iterdir()
    kinds = {path.suffix for path in folder.iterdir()}
    assert kinds == {".json", ".safetensors"}
    state = load_state(folder)
    names = [name for name, p in step_model_of(module).model.named_parameters() if p.requires_grad]
    assert list(state["weights"]) == names and state["weights"][names[0]].dtype == torch.bfloat16
    assert all(master.dtype == torch.float32 for master in state["optimizer"]["masters"])
    assert state["best"]["weights"].keys() == state["weights"].keys()
    assert read_json(folder / "run.json")["base"] == BASE


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = optimizer_step, 0

    def spoiled(module: Any, *rest: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:
            with torch.no_grad():
                next(module.parameters()).fill_(float("nan"))
        return real(module, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.training.loop.optimizer_step", spoiled)
        with pytest.raises(PipelineError, match="The loss is not finite on the pairs"):
            trained(tmp_path, Recorder(), checkpoint_every=3, keep_checkpoints=2)
    assert steps_in(tmp_path / "checkpoints") == ["step-00000003", "step-00000006"]
    # What spoiled it gone, the run goes on to where it would have come.
    log = Recorder()
    resumed, _ = trained(tmp_path, log, checkpoint_every=3, keep_checkpoints=2)
    whole_log = Recorder()
    whole, _ = trained(tmp_path / "whole", whole_log, checkpoint_every=0)
    assert all(torch.equal(one, two) for one, two in zip(weights(resumed), weights(whole), strict=True))
    assert log.curves() == whole_log.curves()
