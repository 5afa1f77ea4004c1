"""What makes a run the run it is: a checkpoint is gone on from only where all of it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pipeline.files import canonical_json
from pipeline.params import TrainParams
from pipeline.training import ranks

CHECKPOINT_VERSION = 1

LIBRARIES = ("torch", "transformers", "peft")
"""Whose versions a trained model depends on."""

HARMLESS = frozenset({"checkpoint_every", "keep_checkpoints", "trackers"})
"""Keys of ``train`` that cannot change the trained weights or the curves; every other key can. (The schedule
depends on ``epochs``; how a step is cut, on ``micro_batch_tokens``, and with it the rounding.)"""


def run_fingerprint(
    params: TrainParams,
    manifest: Mapping[str, Any],
    base: Mapping[str, Any],
    references: str | None = None,
) -> dict[str, Any]:
    """Everything a run's result depends on, for :class:`~pipeline.training.checkpoint.Checkpoints`.

    Args:
        params: The ``train`` section.
        manifest: Manifest of the shard set; the hashes of the shards of train and validation are taken.
        base: Lineage of the base model.
        references: Fingerprint of the reference model's log-probabilities; None without.
    """
    shards = {
        split: [shard["sha256"] for shard in entry["shards"]]
        for split, entry in manifest["splits"].items()
        if split in {"train", "validation"}
    }
    return {
        "checkpoint_version": CHECKPOINT_VERSION,
        "train": params.model_dump(mode="json", by_alias=True, exclude=set(HARMLESS)),
        "data": shards,
        "base": dict(base),
        "references": references,
        "ranks": ranks.count(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def run_name(fingerprint: Mapping[str, Any]) -> str:
    """A short name for a run, the same for every attempt at it: ``train-`` and 8 hex digits."""
    return f"train-{hashlib.sha256(canonical_json(fingerprint).encode()).hexdigest()[:8]}"
