"""Both sides of the training benchmark train the same: losses agree, and what is counted is counted right."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import flops, shapes, train, training, training_job, training_plan, trials, trl_settings
from benchmarks.training_plan import Plan
from benchmarks.trl_settings import Setting
from pipeline.errors import PipelineError
from pipeline.tokens.shards import ShardSet, TokenPair
from tests.conftest import make_model

ROOT = Path(__file__).parents[2]
BATCH = 4

needs_trl = pytest.mark.skipif(
    find_spec("trl") is None,
    reason="trl is not installed: pip install -c constraints.txt -e '.[bench]'",
)


def make_pair(prompt: int, chosen: int, rejected: int) -> TokenPair:
    sizes = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    arrays: dict[str, Any] = {f"{part}_ids": np.arange(3, 3 + n, dtype=np.int32) for part, n in sizes.items()}
    masks = {f"{part}_mask": np.full(n, part != "prompt") for part, n in sizes.items()}
    return TokenPair(pair_id=f"{prompt}-{chosen}-{rejected}", **arrays, **masks)


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short pairs, and one that exceeds 128 bytes."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [
        {"prompt": f"Count to {n}", "chosen": " ".join(map(str, range(n + 1))), "rejected": "no" * (9 - n)}
        for n in range(1, 9)
    ]
    rows.insert(3, {"prompt": "long " * 40, "chosen": "yes", "rejected": "no"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def plan(pairs_file: Path, model_folder: Path) -> Plan:
    return Plan(
        dtype="float32",
        pairs=pairs_file,
        model=model_folder,
        rounds=1,
        steps=1,
        batch_pairs=BATCH,
        max_length=128,
        matmul_size=64,
    )


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Contestants run here, which spares them the start of Python; gives the settings TRL was run with."""
    run: list[str] = []

    def contest(module: str, function: str, folder: Path) -> dict[str, Any]:
        if function == "trl":
            run.append(training_job.read_job(folder).trl_setting)
        figures: dict[str, Any] = getattr(import_module(f"benchmarks.{module}"), function)(folder)
        return figures

    monkeypatch.setattr(trials, "contest", contest)
    return run


# --- both sides -----------------------------------------------------------------------------------------


@needs_trl
def test_everything_is_measured(plan: Plan, in_this_process: list[str], tmp_path: Path) -> None:
    figures = json.loads(json.dumps(train.measure(plan, tmp_path), allow_nan=False))
    details = figures.pop("details")
    assert set(figures) == {"pairs_per_s_ratio", "peak_memory_ratio", "matmul_share", "loss_difference"}
    assert figures["loss_difference"] < 1e-4
    assert details["greatest_loss_difference"] < 1e-4
    assert 3 < details["ours"]["losses"][0] < 8  # log(259) is 5.6
    assert len(details["ours"]["losses"]) == len(details["trl"]["losses"]) == 2
    assert len(details["ours"]["step_seconds"]) == len(details["trl"]["step_seconds"]) == 1
    assert details["pairs"] == BATCH
    # The kinds with two pairs a pass, the other sizes of the faster, then the one round.
    assert in_this_process[:2] == ["float32-sdpa-2", "float32-eager-2"]
    assert {name.split("-")[2] for name in in_this_process[2:4]} == {"1", "4"}
    assert in_this_process[4:] == [details["trl"]["setting"]]
    fastest = min(details["trl"]["tried"], key=lambda tried: tried["seconds"])
    assert fastest["setting"] == details["trl"]["setting"]


@needs_trl
@pytest.mark.parametrize("setting", ["float32-sdpa-1", "float32-eager-2", "float32-sdpa-4"])
def test_losses_agree_however_trl_cuts_the_step(plan: Plan, tmp_path: Path, setting: str) -> None:
    """A rate this high moves the second loss by far more than 1e-4, so that the update is compared, too."""
    plan = replace(plan, ours={"lr": 1e-3})
    job = replace(training_plan.prepare(plan, tmp_path), trl_setting=setting)
    job = replace(job, steps=[job.steps[0]] * 2)
    job.write(tmp_path)
    mine, theirs = training.ours(tmp_path)["losses"], training.trl(tmp_path)["losses"]
    assert mine[0] - mine[1] > 0.01
    assert mine[0] == pytest.approx(theirs[0], abs=1e-4)
    if setting.endswith("-4"):  # smaller passes weigh tokens by pass, so that TRL's gradient is another
        assert mine[1] == pytest.approx(theirs[1], abs=1e-4)


@needs_trl
@pytest.mark.parametrize("setting", ["bf16-sdpa-2", "autocast-sdpa-2"])
def test_losses_in_bf16_are_near(plan: Plan, tmp_path: Path, setting: str) -> None:
    job = training_plan.prepare(replace(plan, dtype="bf16"), tmp_path)
    replace(job, trl_setting=setting).write(tmp_path)
    mine, theirs = training.ours(tmp_path)["losses"], training.trl(tmp_path)["losses"]
    # bf16 has 8 bits: a loss near 6 is rounded to 1/32.
    assert mine == pytest.approx(theirs, abs=1 / 16)


@needs_trl
def test_passes_are_weighted_by_what_they_are_over() -> None:
    from benchmarks.trl_orpo import step_losses

    params = training_job.train_params({**training_job.OBJECTIVE, "lambda": 0.5})
    steps = [[make_pair(2, 3, 1), make_pair(1, 2, 9), make_pair(4, 7, 1)], [make_pair(1, 1, 1)]]
    # Predicted tokens of the chosen sequences: 4, 2 and 10; the first pass has two of the pairs.
    found = step_losses([2.0, 3.0, 5.0], [-0.6, -0.9, -0.4], steps, 2, params)
    assert found == pytest.approx(
        [(6 * 2.0 + 10 * 3.0) / 16 + 0.5 * (2 * 0.6 + 0.9) / 3, 5.0 + 0.5 * 0.4], abs=1e-12
    )


# --- the plan -------------------------------------------------------------------------------------------


def test_steps_have_pairs_that_fit_and_none_twice(plan: Plan, tmp_path: Path) -> None:
    job = training_plan.prepare(plan, tmp_path)
    shards = ShardSet(tmp_path / training_job.SHARDS, training_job.SPLIT)
    assert len(shards) == 8
    assert sorted(index for step in job.steps for index in step) == list(range(8))
    for pairs in training_job.step_pairs(tmp_path, job.steps):
        lengths = [pair.longest for pair in pairs]
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[0] <= 128


def test_too_few_pairs_are_said(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="too few pairs") as caught:
        training_plan.prepare(replace(plan, steps=2), tmp_path)
    assert (caught.value.found, caught.value.expected) == (
        "2 steps of 4 pairs that fit 128 tokens",
        "3, with the one that warms up",
    )


def test_an_unknown_train_param_is_said(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="micro_batch_pairs"):
        training_plan.prepare(replace(plan, ours={"micro_batch_pairs": 1}), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_large_shape_takes_a_gpu(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="takes a GPU"):
        training_plan.prepare(replace(plan, shape="8b"), tmp_path)


def test_a_shape_has_the_same_random_weights_for_both_sides(plan: Plan, tmp_path: Path) -> None:
    job = training_plan.prepare(replace(plan, shape="tiny"), tmp_path)
    rounded, wide = (training_job.load(tmp_path, dtype) for dtype in (torch.bfloat16, torch.float32))
    for name, weight in wide.named_parameters():
        assert torch.equal(rounded.get_parameter(name).float(), weight)
    replace(job, matmul_size=8).write(tmp_path)
    assert all(5 < loss < 8 for loss in training.ours(tmp_path)["losses"])  # log(512) is 6.2


def test_made_up_lengths_are_those_of_real_pairs() -> None:
    prompts, chosen, rejected = shapes._lengths(np.random.default_rng(0), 40_000, 1 << 20)
    for lengths, mean, median in ((prompts, 209, 111), (chosen, 273, 205), (rejected, 273, 205)):
        assert np.mean(lengths) == pytest.approx(mean, rel=0.04)
        assert np.median(lengths) == pytest.approx(median, rel=0.04)
    fit = np.array(shapes._lengths(np.random.default_rng(0), 5_000, 1024))
    assert fit.shape == (3, 5_000)
    assert (fit[0] + np.maximum(fit[1], fit[2])).max() <= 1024
    assert fit.min() >= 1


# --- TRL's settings -------------------------------------------------------------------------------------


def test_a_setting_is_its_name() -> None:
    setting = Setting("autocast", "flash_attention_2", 4, checkpointing=True, liger=True)
    assert setting.name == "autocast-flash_attention_2-4-checkpointing-liger"
    assert trl_settings.setting_of(setting.name) == setting
    assert trl_settings.setting_of("bf16-sdpa-2") == Setting("bf16", "sdpa", 2)


@pytest.mark.parametrize("name", ["", "bf16", "bf16-sdpa", "fp8-sdpa-2", "bf16-sdpa-x", "bf16-sdpa-2-fast"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(PipelineError, match="no such setting"):
        trl_settings.setting_of(name)


def test_a_pass_must_make_up_the_step(plan: Plan, tmp_path: Path) -> None:
    job = training_plan.prepare(plan, tmp_path)
    with pytest.raises(PipelineError, match="no whole step"):
        training_plan.choose_setting(replace(plan, trl="float32-sdpa-8"), job, tmp_path, "float32")


def test_the_fastest_is_found_although_some_fail() -> None:
    taken = {"autocast-sdpa-2": 3.0, "autocast-sdpa-4": 2.5, "autocast-sdpa-8": 2.7}

    def seconds_of(setting: Setting) -> float:
        if setting.name not in taken:
            raise PipelineError("It broke")
        return taken[setting.name]

    kinds = trl_settings.kinds("autocast", 2, on_gpu=False)
    found, tried = trl_settings.find_fastest(kinds, 8, seconds_of)
    assert found == Setting("autocast", "sdpa", 4)
    assert [entry["setting"] for entry in tried] == [
        *("autocast-sdpa-2", "autocast-eager-2"),
        *("autocast-sdpa-1", "autocast-sdpa-4", "autocast-sdpa-8"),
    ]
    assert [entry["setting"] for entry in tried if "failed" in entry] == [
        *("autocast-eager-2", "autocast-sdpa-1")
    ]


def test_activations_are_recomputed_only_where_nothing_else_runs() -> None:
    def seconds_of(setting: Setting) -> float:
        if not setting.checkpointing or setting.micro_batch > 2:
            raise PipelineError("Out of memory")
        return 1.0 / setting.micro_batch

    kinds = trl_settings.kinds("float32", 2, on_gpu=False)
    found, _ = trl_settings.find_fastest(kinds, 8, seconds_of)
    assert found == Setting("float32", "sdpa", 2, checkpointing=True)

    def fails(setting: Setting) -> float:
        raise PipelineError("Out of memory")

    with pytest.raises(PipelineError, match="none of its settings"):
        trl_settings.find_fastest(kinds, 8, fails)


# --- arithmetic -----------------------------------------------------------------------------------------


def test_flops_by_hand() -> None:
    # The tiny Llama: hidden 32, 4 heads of 8, 2 of keys and values, intermediate 64, 2 layers, 259 tokens.
    size = flops.model_size(make_model())
    weights = 2 * (32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 64)
    assert size == flops.ModelSize(weights=weights, hidden=32, vocabulary=259, layers=2, attention_width=32)
    # Keys seen: 1 + 2 + 3 in the prompt, 4 + 5 by chosen, 4 by rejected.
    pair = make_pair(3, 2, 1)
    found = flops.step_flops(size, [pair, pair], with_prompt=True)
    assert found == flops.StepFlops(
        body=2 * 6 * weights * 6, head=2 * 6 * 32 * 259 * (2 + 2 + 1), attention=2 * 12 * 2 * 32 * (6 + 9 + 4)
    )
    assert found.total == found.body + found.head + found.attention
    assert flops.step_flops(size, [pair], with_prompt=False).head == 6 * 32 * 259 * (2 + 1)


def test_flops_are_those_that_torch_counts() -> None:
    """Of a plain pass over one sequence, whose attention fills the whole square."""
    length = 12
    model = make_model()
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.arange(length).unsqueeze(0)).logits.sum().backward()
    counted = counter.get_flop_counts()["Global"]
    size = flops.model_size(model)
    linear = 6 * length * (size.weights + size.hidden * size.vocabulary)
    square = 12 * size.layers * size.attention_width * length**2
    assert sum(counted.values()) == linear + square
    # A response alone sees half of that square and its diagonal.
    pair = make_pair(0, length, 0)
    triangle = flops.step_flops(size, [pair], with_prompt=False).attention
    assert triangle * 2 * length == square * (length + 1)


def test_figures_by_hand() -> None:
    details: dict[str, Any] = {
        "ours": {"seconds": 2.0, "peak_mb": 300.0, "losses": [1.5, 1.25]},
        "trl": {"seconds": 5.0, "peak_mb": 400.0, "losses": [1.75, 1.75]},
        "matmul": {"rounds": [0.5, 0.25], "dtype_seconds": {"bf16": 0.5, "float32": 1.0}},
        "pairs": 8,
        "tokens": 1_000,
        "flops": {"total": 4_000},
    }
    assert train.figures_of(details, matmul_size=10) == {
        "pairs_per_s_ratio": 2.5,
        "peak_memory_ratio": 0.75,
        "matmul_share": 0.25,  # 2,000 FLOP/s of the machine's 2 * 10**3 in 0.25 s
        "loss_difference": 0.25,
    }
    assert (details["ours"]["pairs_per_s"], details["trl"]["tokens_per_s"]) == (4.0, 200.0)
    assert details["greatest_loss_difference"] == 0.5
    assert details["matmul"]["by_dtype"] == {"bf16": 4_000.0, "float32": 2_000.0}


def test_matmul_is_measured_in_the_dtype() -> None:
    for dtype in flops.DTYPES:
        seconds = flops.matmul_seconds(dtype, 64, torch.device("cpu"))
        assert 0 < seconds < 1 and math.isfinite(seconds)


# --- the command ----------------------------------------------------------------------------------------


def test_the_command_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "train.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in (
        "--json",
        "--dtype",
        "--pairs",
        "--model",
        "--rounds",
        "--steps",
        "--batch-pairs",
        "--shape",
    ):
        assert option in done.stdout


def test_params_of_the_command() -> None:
    assert train._key_and_value("compile=true") == ("compile", True)
    assert train._key_and_value("micro_batch_tokens=4096") == ("micro_batch_tokens", 4096)
    with pytest.raises(PipelineError, match="no train param"):
        train._key_and_value("compile")
    with pytest.raises(PipelineError, match="no such dtype"):
        train._dtype("fp8")
