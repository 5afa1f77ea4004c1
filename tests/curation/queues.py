"""Queues for tests: made by hand, or of real pairs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.texts_hash import texts_hash, texts_hashes
from pipeline.files import content_id
from pipeline.schema import QUEUE

REAL = Path(__file__).parents[2] / "../shared/data/ultrafeedback_binarized_1000.jsonl.gz"


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


def queue_of(*rows: dict[str, Any]) -> pl.DataFrame:
    """The table QUEUE of rows that give what matters: prompt (a text or messages), chosen, rejected."""
    made = []
    for number, row in enumerate(rows):
        prompt = row.get("prompt", f"question {number}")
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        defaults = {
            "pair_id": content_id(json.dumps(messages), *sorted([row["chosen"], row["rejected"]])),
            "texts_sha256": "",
            "source": "made",
            "first": "chosen" if number % 2 else "rejected",
            "reasons": ["random"],
            "priority": -float(number),
            "margin": None,
            "chosen_chars": len(row["chosen"]),
            "rejected_chars": len(row["rejected"]),
            "language": None,
            "suspicion": None,
        }
        made.append({**defaults, **row, "prompt": messages})
    queue = pl.DataFrame(made, schema=QUEUE.schema())
    return queue.with_columns(texts_hashes(queue)).select(list(QUEUE.columns))


def real_queue(size: int) -> pl.DataFrame:
    """The first real pairs whose responses differ; the test is skipped where the file is not."""
    if not REAL.exists():
        pytest.skip(f"{REAL} is not here: real rows lie beside the project")
    with gzip.open(REAL, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    usable = [row for row in rows if row["chosen"].strip() != row["rejected"].strip()]
    fields = ("prompt", "chosen", "rejected")
    return queue_of(
        *(
            {
                **{name: row[name] for name in fields},
                "margin": row["score_chosen"] - row["score_rejected"],
                "suspicion": 0.25,
                "language": "en",
            }
            for row in usable[:size]
        )
    )
