"""Estimates worked out by hand: from earlier runs, from the sample, and from arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.inspection.earlier import EarlierRun, earlier_runs
from pipeline.inspection.estimates import STAGES, Estimate, Probe, estimate_stages
from pipeline.inspection.lengths import TokenFindings
from pipeline.inspection.machine import ModelSize, matmul_rate, model_size
from pipeline.inspection.trial import StageTrial, Trial
from pipeline.inspection.words import reasons_words, share_words, size_words, time_words
from pipeline.inspection.workload import Workload, expected_work
from pipeline.params import Params, SplitParams, TrainParams
from pipeline.runs import Run
from pipeline.tokens.shards import TokenPair
from tests.pairs.conftest import pairs  # noqa: F401 (a fixture)

SIZE = ModelSize(
    weights=1_000_000, matmul_weights=800_000, layers=10, hidden=100, vocabulary=2000, longest=4096
)


def token_pair(prompt: int, chosen: int, rejected: int) -> TokenPair:
    parts = [np.zeros(count, np.int32) for count in (prompt, chosen, rejected)]
    masks = [part.astype(np.bool_) for part in parts]
    return TokenPair("p", parts[0], parts[1], parts[2], masks[0], masks[1], masks[2])


def work(**changed: Any) -> Workload:
    plain = {
        "units": {"filter": 2000.0, "train": 5e6},
        "train_pairs": 1000.0,
        "test_pairs": 100.0,
        "train_tokens": 5e6,
        "pair_tokens": 100.0,
        "sequence_tokens": 150.0,
        "longest": 300,
    }
    return Workload(**{**plain, **changed})


def probe(**changed: Any) -> Probe:
    plain = {
        "seconds": {"filter": 3.0, "decontaminate": 1.0},
        "units": {"filter": 500.0, "decontaminate": 400.0},
        "memory_bytes": 10**8,
        "tokenize_memory_bytes": 3 * 10**8,
        "model": SIZE,
        "flops": 1e12,
        "device": "2 threads",
    }
    return Probe(**{**plain, **changed})


def estimate(stage: str, earlier: dict[str, EarlierRun] | None = None, **changed: Any) -> Estimate:
    asked = Params(train=changed.pop("train", {}), evaluate=changed.pop("evaluate", {}))
    found = estimate_stages(asked, changed.pop("load", work()), probe(**changed), earlier or {})
    assert [each.stage for each in found] == list(STAGES)
    return found[STAGES.index(stage)]


def earlier_run(seconds: float, units: float | None) -> dict[str, EarlierRun]:
    return {
        "filter": EarlierRun(Run("filter", seconds, 7 * 10**8, "2026-01-02T03:04:05+00:00"), units, "pairs")
    }


def test_an_earlier_run_is_scaled_by_what_it_had_to_do_but_for_the_start() -> None:
    found = estimate("filter", earlier_run(12.0, 500.0))
    assert (found.seconds, found.memory_bytes) == (2 + 10 * 4, 7 * 10**8)
    assert found.basis == "its run of 2026-01-02 over 500 pairs"


@pytest.mark.parametrize("units", [199.0, None])
def test_one_that_was_far_smaller_tells_nothing(units: float | None) -> None:
    found = estimate("filter", earlier_run(12.0, units))
    assert (found.seconds, found.basis) == (2 + 3.0 * 4, "measured on 500 of the sample")
    assert found.memory_bytes == 10**8 + 400 * 1500


def test_what_the_sample_did_not_reach_is_not_known() -> None:
    found = estimate("dedupe")
    assert (found.seconds, found.memory_bytes) == (None, None)


def test_training_is_six_flops_a_weight_and_token() -> None:
    found = estimate("train")
    assert found.seconds == pytest.approx(10 + 6 * 800_000 * 5e6 / 1e12)
    assert found.memory_bytes == 18 * 1_000_000 + 34 * 2048 * 10 * 100
    assert found.basis == (
        "6 x 1M weights x 5,000,000 tokens / 1,000 GFLOP/s of a bare matmul (2 threads); seldom faster"
    )


@pytest.mark.parametrize(
    ("train", "per_weight", "memory"),
    [
        pytest.param({"dtype": "float32"}, 6, 16 * 10**6 + 68 * 2048 * 1000, id="float32"),
        pytest.param({"gradient_checkpointing": True}, 8, 18 * 10**6 + 2 * 2048 * 1000, id="checkpointing"),
        pytest.param({"lora": {"enabled": True}}, 4, 2.1 * 10**6 + 34 * 2048 * 1000, id="lora"),
        pytest.param({"micro_batch_tokens": 64}, 6, 18 * 10**6 + 34 * 300 * 1000, id="longest_pair"),
    ],
)
def test_training_in_other_ways(train: dict[str, Any], per_weight: int, memory: float) -> None:
    found = estimate("train", train=train)
    assert found.seconds == pytest.approx(10 + per_weight * 800_000 * 5e6 / 1e12)
    assert found.memory_bytes == int(memory)


def test_evaluation_scores_and_answers_with_both_models() -> None:
    found = estimate("evaluate", evaluate={"max_prompts": 50, "samples": 2, "sample_prompts": 5})
    # 100 pairs of 150 tokens; 50 + 2 x 5 answers of 96.
    assert found.seconds == pytest.approx(10 + 2 * 2 * 800_000 * (15_000 + 60 * 96) / 1e12)


def test_without_a_model_its_stages_are_not_known() -> None:
    for stage in ("train", "evaluate"):
        found = estimate(stage, model=None, flops=None)
        assert found.seconds is None and "pull_model" in found.basis


def trial_of(kept: int) -> Trial:
    stages = [
        StageTrial("binarize", "rows", 100, 80, {"tie": 20}, 1.0),
        StageTrial("filter", "pairs", 80, 60, {"refusal": 20}, 1.0),
        StageTrial("decontaminate", "pairs", 60, 60, {}, 1.0),
        StageTrial("dedupe", "pairs", 60, kept, {}, 1.0),
    ]
    return Trial(100, stages)


def test_the_work_ahead_is_the_sample_s_grown(pairs: Any) -> None:  # noqa: F811
    trial = trial_of(2)
    trial.pairs = pairs({"cluster_id": "c0"}, {"cluster_id": "c1"})
    lengths = dict.fromkeys(("prompt", "chosen", "rejected", "pair"), np.zeros(4, np.int64))
    tokens = TokenFindings(
        lengths, {"over_max_length": 2}, 0, {}, [token_pair(10, 20, 30), token_pair(20, 4, 6)], 1.0
    )
    found = expected_work(1000, trial, tokens, SplitParams(validation=0.1, test=4), TrainParams(epochs=3))
    # Ten times the sample: 20 pairs, 2 of them for validation, 4 for test, 14 to train on, half of which fit.
    assert found.units == {
        "binarize": 1000,
        "filter": 800,
        "decontaminate": 600,
        "dedupe": 600,
        "curate": 20,
        "split": 20,
        "tokenize": 20,
        "train": pytest.approx(7 * 3 * 45),
        "evaluate": 2,
    }
    assert (found.train_pairs, found.test_pairs, found.longest) == (7, 2, 60)
    assert (found.pair_tokens, found.sequence_tokens) == (45, 60)


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_earlier_runs_know_what_they_took_in(tmp_path: Path) -> None:
    for stage in ("pull", "train", "evaluate", "report"):
        run = {"stage": stage, "seconds": 5.0, "peak_memory_bytes": 9, "finished": "2026-01-02"}
        write(tmp_path / f"data/runs/{stage}.json", run)
    funnel = {"unit_in": "rows", "in": 640, "unit_out": "rows", "kept": 640, "dropped": {}}
    write(tmp_path / "metrics/pull.json", funnel)
    part = {"pairs": 7, "prompt_tokens": 100, "chosen_tokens": 20, "rejected_tokens": 30}
    write(tmp_path / "metrics/tokenize.json", {**funnel, "splits": {"train": part, "test": part}})
    write(tmp_path / "models/trained/lineage.json", {"base": {"source": "a"}, "params": {"epochs": 2}})
    found = earlier_runs(tmp_path)
    assert {stage: (each.units, each.unit) for stage, each in found.items()} == {
        "pull": (640, "rows"),
        "train": (300, "tokens"),
        "evaluate": (7, "pairs"),
        "report": (None, ""),
    }
    write(tmp_path / "models/base/lineage.json", {"source": "another"})
    assert set(earlier_runs(tmp_path)) == {"pull", "report"}


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_size_of_a_model_is_read_from_its_files(tmp_path: Path, tied: bool) -> None:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(tmp_path)
    weights = model.num_parameters()
    assert model_size(tmp_path) == ModelSize(weights, weights - (0 if tied else 64 * 16), 2, 16, 64, 128)


def test_a_folder_without_weights_has_no_size(tmp_path: Path) -> None:
    assert model_size(tmp_path) is None
    (tmp_path / "config.json").write_text('{"vocab_size": 3, "hidden_size": 2, "num_hidden_layers": 1}')
    assert model_size(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"no")
    assert model_size(tmp_path) is None
    save_file({"a": np.zeros((3, 2), np.float32)}, tmp_path / "model.safetensors")
    assert model_size(tmp_path) == ModelSize(6, 6, 1, 2, 3, None)


def test_the_machine_s_speed_is_measured() -> None:
    flops, device = matmul_rate(SIZE, TrainParams(dtype="float32", micro_batch_tokens=64))
    assert 1e6 < flops < 1e16 and device


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "?"),
        (0.2, "1 s"),
        (59.4, "59 s"),
        (90, "1.5 min"),
        (7200, "2 h"),
        (30 * 86_400, "30 days"),
        (1e8, "1,157 days"),
    ],
)
def test_times_in_words(seconds: float | None, words: str) -> None:
    assert time_words(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(None, "?"), (999, "999 bytes"), (478_043, "478 kB"), (3_620_000_000, "3.62 GB")]
)
def test_sizes_in_words(count: int | None, words: str) -> None:
    assert size_words(count) == words


def test_shares_in_words() -> None:
    assert share_words(1234, 5000) == "1,234 (24.7%)"
    assert (share_words(0, 0), reasons_words({}, 3)) == ("0", "-")
    assert reasons_words({"tie": 1, "refusal": 2}, 4) == "tie 1 (25.0%), refusal 2 (50.0%)"


def test_what_hardly_depends_on_the_data_costs_what_it_did() -> None:
    run = Run("report", 3.5, 2 * 10**8, "2026-01-02T03:04:05+00:00")
    found = estimate("report", {"report": EarlierRun(run, None, "")})
    assert found == Estimate("report", 3.5, 2 * 10**8, "its run of 2026-01-02")
    for stage in ("pull_model", "report"):
        first = estimate(stage)
        assert first.seconds is None and "before its first run" in first.basis


def test_stages_with_nothing_to_do_cost_their_start() -> None:
    assert estimate("benchmark") == Estimate("benchmark", 2.0, None, "no benchmark is switched on")
    assert estimate("reference") == Estimate("reference", 2.0, None, "nothing to do but for dpo")


def test_a_reference_is_one_forward_pass_over_the_training_pairs() -> None:
    found = estimate("reference", train={"objective": "dpo", "epochs": 2})
    # 10 s to start; 2 x 800,000 weights x 2,500,000 tokens at 1e12 operations a second.
    assert found.seconds == 10.0 + 4.0 and found.memory_bytes == 4_000_000
