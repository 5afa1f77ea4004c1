"""Small training runs for the tests: a tiny model, shards of made-up pairs, and logs that remember."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import LlamaForCausalLM

from pipeline.params import TrainParams, parse_params
from pipeline.schema import REFERENCE_LOGPS
from pipeline.tokens.manifest import write_manifest
from pipeline.tokens.shard_writer import write_shards
from pipeline.tokens.shards import PARTS, ShardSet, TokenPair
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.fingerprint import run_fingerprint
from pipeline.training.logs import StepLog
from pipeline.training.loop import TrainResult, train
from pipeline.training.model import add_adapters
from pipeline.training.parallel import parallelize
from pipeline.training.reference_file import References
from pipeline.training.rng import seed_everything
from pipeline.training.step_model import StepModel
from tests.conftest import make_model
from tests.training.conftest import make_pairs

PAD = 2
BASE = {"source": "path", "folder": "tiny", "weights_sha256": {"model.safetensors": "0"}}


def params(**changes: Any) -> TrainParams:
    return parse_params({"train": {"dtype": "float32", **changes}}).train


def made_up_references() -> References:
    """Reference log-probabilities of the tests' pairs, some way from what a tiny model gives them."""
    names = [*(f"pair{number}" for number in range(24)), "long", "last"]
    rows = [(name, -60.0 - 3 * place, -60.0 + 2 * place) for place, name in enumerate(names)]
    return References(pl.DataFrame(rows, schema=REFERENCE_LOGPS.schema(), orient="row"))


def step_model(setting: TrainParams | None = None, model: LlamaForCausalLM | None = None) -> StepModel:
    """A tiny model as the loop takes it, in bf16 where params say so."""
    model = model or make_model()
    setting = setting or params()
    if setting.dtype == "bf16":
        model.to(torch.bfloat16)  # type: ignore[arg-type]
    return StepModel(model, PAD, setting, made_up_references())


class Recorder(StepLog):
    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.validations: list[tuple[int, dict[str, float]]] = []
        self.failed: bool | None = None

    def step(self, step: int, metrics: dict[str, float]) -> None:
        assert step == len(self.steps) + 1
        self.steps.append(metrics)

    def validation(self, step: int, metrics: dict[str, float]) -> None:
        self.validations.append((step, metrics))

    def close(self, failed: bool) -> None:
        self.failed = failed

    def curves(self) -> list[Any]:
        """All that was reported but how long it took."""
        steps = [{name: v for name, v in step.items() if name != "tokens_per_second"} for step in self.steps]
        return [*steps, *self.validations]


def shard_set(
    folder: Path, pairs: Sequence[TokenPair], held_out: Sequence[TokenPair] | None = None
) -> ShardSet:
    """Split train of a shard set with the pairs; ``held_out`` becomes split validation beside it."""
    names = [f"{part}_{kind}" for part in PARTS for kind in ("ids", "mask")]
    splits = {}
    for split, of_split in (("train", pairs), ("validation", held_out)):
        if of_split is not None:
            rows = [
                {"pair_id": p.pair_id} | {name: getattr(p, name).tolist() for name in names} for p in of_split
            ]
            splits[split] = {"shards": write_shards(rows, folder / split, 4)}
    write_manifest(folder, {"splits": splits})
    return ShardSet(folder, "train")


def trained(
    folder: Path, log: StepLog, shards: ShardSet | None = None, **changes: Any
) -> tuple[torch.nn.Module, TrainResult]:
    """Train a tiny model on 12 pairs in steps of 2, with checkpoints in ``folder``, as the stage does."""
    setting = params(**{"batch_pairs": 2, "epochs": 2, "lr": 5e-3, **changes})
    if shards is None:
        data = folder / "shards"
        shards = ShardSet(data, "train") if data.is_dir() else shard_set(data, make_pairs(12), make_pairs(5))
    held_out = ShardSet(folder / "shards", "validation")
    fingerprint = run_fingerprint(setting, shards.manifest, BASE)
    every, keep = setting.checkpoint_every, setting.keep_checkpoints
    checkpoints = Checkpoints(folder / "checkpoints", fingerprint, every, keep)
    seed_everything(setting.seed)
    model = make_model()
    if setting.lora.enabled:
        add_adapters(model, setting.lora)
    module = parallelize(step_model(setting, model), setting)
    return module, train(module, shards, held_out, setting, log, checkpoints)


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]
