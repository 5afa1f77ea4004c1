"""Small queues for tests."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipeline.curation.texts_hash import texts_hash
from pipeline.schema import QUEUE


def pair_id(number: int) -> str:
    return f"{number:016x}"


def queued(number: int, **more: Any) -> dict[str, Any]:
    """A row of the queue; odd pairs show rejected first."""
    row: dict[str, Any] = {
        "pair_id": pair_id(number),
        "source": "s",
        "prompt": [{"role": "user", "content": f"What is {number}?"}],
        "chosen": f"The good answer to {number}.",
        "rejected": f"The bad answer to {number}.",
        "first": "rejected" if number % 2 else "chosen",
        "reasons": ["random"],
        "priority": float(-number),
        "margin": 1.0,
        "language": None,
        "suspicion": None,
        **more,
    }
    row["texts_sha256"] = texts_hash(row["prompt"], row["chosen"], row["rejected"])
    return {**row, "chosen_chars": len(row["chosen"]), "rejected_chars": len(row["rejected"])}


def queue(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=QUEUE.schema())
