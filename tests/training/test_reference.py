"""DPO: the reference model's log-probabilities, whose they are, and the loss that takes them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.params import TrainParams, parse_params
from pipeline.schema import REFERENCE_LOGPS
from pipeline.tokens.shards import TokenPair
from pipeline.training.reference import reference_logps, reference_model
from pipeline.training.reference_file import References, lineage_of, read_references, write_references
from pipeline.training.step import optimizer_step, totals_of, validate
from pipeline.training.step_model import StepModel
from tests.conftest import make_model, make_tokenizer
from tests.training.conftest import make_pairs
from tests.training.full_logits import token_logps
from tests.training.runs import BASE, shard_set

PAD = 2
BETA = 0.3


def params(**changes: Any) -> TrainParams:
    return parse_params({"train": {"dtype": "float32", "objective": "dpo", "beta": BETA, **changes}}).train


def sums_of(model: Any, pairs: list[TokenPair]) -> pl.DataFrame:
    """By the plain pass: each sequence alone, full logits."""
    rows = []
    for pair in pairs:
        sides = [token_logps(model, pair.prompt_ids, ids)[1] for ids in (pair.chosen_ids, pair.rejected_ids)]
        masks = (pair.chosen_mask, pair.rejected_mask)
        values = [side[torch.from_numpy(mask)].sum().item() for side, mask in zip(sides, masks, strict=True)]
        rows.append((pair.pair_id, *values))
    return pl.DataFrame(rows, schema=REFERENCE_LOGPS.schema(), orient="row")


@pytest.mark.parametrize("shared_prefix", [True, False], ids=["packed", "padded"])
def test_reference_values_are_the_plain_pass_summed(model_folder: Path, shared_prefix: bool) -> None:
    pairs = make_pairs(7)
    pairs[2].chosen_mask[:1] = False  # a token that is not trained on counts on neither side
    setting = params(shared_prefix=shared_prefix, micro_batch_tokens=60, lora={"enabled": True})
    found = reference_logps(reference_model(model_folder, PAD, setting, False), pairs)
    with torch.no_grad():
        expected = sums_of(make_model().eval(), pairs)
    assert found["pair_id"].to_list() == [pair.pair_id for pair in pairs]
    for column in ("chosen_logp_sum", "rejected_logp_sum"):
        assert found[column].to_list() == pytest.approx(expected[column].to_list(), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bf16"])
def test_the_first_step_starts_from_no_reward(model_folder: Path, dtype: str) -> None:
    """Policy and reference are one model: every margin is 0, and the loss log 2."""
    pairs, setting = make_pairs(6), params(dtype=dtype)
    references = References(reference_logps(reference_model(model_folder, PAD, setting, False), pairs))
    model: Any = make_model().bfloat16() if dtype == "bf16" else make_model()
    metrics = validate(StepModel(model, PAD, setting, references), pairs)
    # bf16 rounds a logit of 1 by 1/256, at up to 24 tokens a response.
    assert metrics["loss"] == pytest.approx(math.log(2), abs=1e-5 if dtype == "float32" else 0.02)
    assert metrics["reward_margin"] == pytest.approx(0, abs=1e-5 if dtype == "float32" else 0.05)


def test_a_step_tells_rewards_and_lowers_the_loss(model_folder: Path) -> None:
    from pipeline.training.parallel import make_optimizer

    pairs, setting = make_pairs(6), params(lr=1e-2, warmup_ratio=0.0, schedule="constant")
    references = References(reference_logps(reference_model(model_folder, PAD, setting, False), pairs))
    module = StepModel(make_model(), PAD, setting, references)
    optimizer = make_optimizer(module, setting)
    steps = [optimizer_step(module, optimizer, pairs) for _ in range(8)]
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert steps[-1]["loss"] < 0.5 * steps[0]["loss"]
    assert steps[-1]["reward_margin"] > 0.5 and steps[-1]["reward_accuracy"] == 1.0


def test_it_is_trls_sigmoid_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL's own trainer, its reference model in memory, on the same tokens: loss, rewards and gradients."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    trl = pytest.importorskip("trl", reason="trl is not installed")
    from datasets import Dataset

    policy: Any = make_model()
    frozen: Any = make_model(seed=1)
    pairs = make_pairs(6)
    config = trl.DPOConfig(
        output_dir=str(tmp_path),
        beta=BETA,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
    )
    rows = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    trainer = trl.DPOTrainer(
        model=policy, ref_model=frozen, args=config, train_dataset=rows, processing_class=make_tokenizer()
    )
    inputs = trainer.data_collator(
        [
            {
                f"{part}_ids": getattr(pair, f"{part}_ids").tolist()
                for part in ("prompt", "chosen", "rejected")
            }
            for pair in pairs
        ]
    )
    policy.eval()
    expected = trainer._compute_loss(policy, inputs, return_outputs=False)
    expected.backward()
    told = {name: values[-1] for name, values in trainer._metrics["eval"].items()}

    with torch.no_grad():
        references = References(sums_of(make_model(seed=1).eval(), pairs))
    own = make_model()
    module = StepModel(own, PAD, params(micro_batch_tokens=80), references)
    totals, loss, margin = totals_of(module, pairs), 0.0, 0.0
    for batch in module.micro_batches(pairs):
        terms = module(batch, totals)
        terms.loss.backward()
        loss += terms.loss.item()
        margin += terms.rewards.sum().item() / len(pairs)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert margin == pytest.approx(told["rewards/margins"], rel=1e-4)
    for parameter, other in zip(own.parameters(), policy.parameters(), strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_values_are_kept_as_they_are(tmp_path: Path) -> None:
    shards = shard_set(tmp_path / "shards", make_pairs(3), make_pairs(2))
    for split, values in (("train", [-1.5, -2.25, -3.0]), ("validation", [-4.0, -5.0])):
        rows = [(f"{split}{place}", value, value - 1) for place, value in enumerate(values)]
        table = pl.DataFrame(rows, schema=REFERENCE_LOGPS.schema(), orient="row")
        write_references(tmp_path, split, table, lineage_of(BASE, shards.manifest, split))
    found = read_references(tmp_path, BASE, shards.manifest)
    assert found.of(["validation1", "train0"]).tolist() == [[-5.0, -1.5], [-6.0, -2.5]]
    with pytest.raises(KeyError):
        found.of(["other"])
    # The fingerprint, which a checkpoint holds, is that of the values.
    changed = References(pl.DataFrame([("a", 1.0, 2.5)], schema=REFERENCE_LOGPS.schema(), orient="row"))
    same = References(pl.DataFrame([("a", 1.0, 2.5)], schema=REFERENCE_LOGPS.schema(), orient="row"))
    other = References(pl.DataFrame([("a", 1.0, 2.25)], schema=REFERENCE_LOGPS.schema(), orient="row"))
    assert changed.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": {**BASE, "weights_sha256": {"model.safetensors": "1"}}}, "are of another base model"),
        ({"shards": ["0" * 64]}, "are of other shards"),
        ({"note": "train.objective orpo needs no reference model"}, "There are no log-probabilities"),
    ],
    ids=["base", "shards", "note"],
)
def test_values_of_something_else_are_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    shards = shard_set(tmp_path / "shards", make_pairs(3), make_pairs(2))
    for split in ("train", "validation"):
        lineage = lineage_of(BASE, shards.manifest, split)
        write_references(tmp_path, split, REFERENCE_LOGPS.empty(), lineage)
    assert read_references(tmp_path, BASE, shards.manifest)
    changed = {**lineage_of(BASE, shards.manifest, "validation"), **change}
    write_references(tmp_path, "validation", REFERENCE_LOGPS.empty(), changed)
    with pytest.raises(PipelineError, match=words) as raised:
        read_references(tmp_path, BASE, shards.manifest)
    assert raised.value.file == str(tmp_path / "validation.parquet")
    assert "dvc repro reference" in str(raised.value)


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    shards = shard_set(tmp_path / "shards", make_pairs(3), make_pairs(2))
    with pytest.raises(PipelineError, match="is missing"):
        read_references(tmp_path, BASE, shards.manifest)


def test_dpo_without_references_is_refused() -> None:
    with pytest.raises(ValueError, match="objective dpo needs the reference model"):
        StepModel(make_model(), PAD, params())
