"""A project folder with every artifact the report reads, made small and by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.files import content_id, write_json, write_text
from pipeline.results import FUNNEL_STAGES
from pipeline.schema import (
    COMPLETIONS,
    EVALUATED_PAIRS,
    GENERATIONS,
    LEDGER,
    PAIRS,
    SPLIT_PAIRS,
    Table,
)
from pipeline.tables import write_table

SCRIPT = "<script>alert('x')</script>"
KINDS = ("bullet_points", "end_with", "max_words", "no_commas", "title_line")
TOPICS = ("tides", "bread", "glaciers", "bridges", "honey", "compost", "maps", "violins")


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=table.schema()) if rows else table.empty()


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def pair(index: int) -> dict[str, Any]:
    topic = TOPICS[index % len(TOPICS)]
    chosen = f"The {topic} follow a pattern that people have watched for long. " * (1 + index % 4)
    return {
        "pair_id": content_id("pair", str(index)),
        "prompt_id": content_id("prompt", str(index)),
        "row_id": content_id("row", str(index)),
        "source": ("evol_instruct", "sharegpt", "truthful_qa")[index % 7 % 3],
        "prompt": messages(f"Tell me about {topic} in one paragraph, number {index}."),
        "chosen": chosen.strip(),
        "rejected": f"I do not know much about {topic}. " * (1 + index % 3),
        "chosen_score": 6.0 + index % 5,
        "rejected_score": 3.0 + index % 3,
        "margin": 3.0 + index % 5 - index % 3,
        "chosen_model": "model-a",
        "rejected_model": "model-b",
        "constraint": None,
    }


def split_pairs(count: int, first: int, split: str) -> pl.DataFrame:
    rows = [
        {**pair(index), "cluster_id": f"c{index}", "split": split} for index in range(first, first + count)
    ]
    return frame(SPLIT_PAIRS, rows)


def ledger_entries(stage: str) -> list[dict[str, Any]]:
    none = {
        "row_id": None,
        "pair_id": None,
        "match_id": None,
        "value": None,
        "threshold": None,
        "detail": None,
    }
    row, pairs = content_id("row", "0"), [content_id("pair", str(index)) for index in range(6)]
    found: dict[str, list[dict[str, Any]]] = {
        "pull": [{"reason": "no_completions", "row_id": row, "detail": f"an empty list, {SCRIPT}"}],
        "binarize": [
            {"reason": "tie", "row_id": content_id("row", str(index)), "value": 0.0, "threshold": 0.5}
            for index in range(5)
        ],
        "dedupe": [
            {
                "reason": "near_duplicate",
                "pair_id": pairs[1],
                "match_id": pairs[2],
                "value": 0.84,
                "threshold": 0.7,
            },
            {"reason": "leaked", "pair_id": pairs[3], "detail": "prompt 17 of the benchmark"},
        ],
    }
    return [{**none, "stage": stage, **entry} for entry in found.get(stage, [])]


def completion(index: int, place: int) -> dict[str, Any]:
    return {
        "row_id": content_id("row", str(index)),
        "completion_index": place,
        "source": "sharegpt",
        "prompt": messages(f"Tell me about {TOPICS[index]}."),
        "completion": f"Answer {place} {SCRIPT}",
        "model": f"model-{place}",
        "overall_score": 4.0,
        "fine_grained_score": 3.5,
        **dict.fromkeys(("instruction_following", "honesty", "truthfulness", "helpfulness"), 3.5),
        "critique": None,
        "label": None,
        "constraint": None,
        "file": "raw.jsonl",
        "line": index + 1,
    }


def evaluated(count: int) -> list[dict[str, Any]]:
    rows = []
    for index in range(count):
        for model in ("base", "trained"):
            correct = index % 5 != 0 if model == "trained" else index % 2 == 0
            rows.append(
                {
                    "pair_id": content_id("pair", str(100 + index)),
                    "model": model,
                    "prompt_id": content_id("prompt", str(100 + index)),
                    "source": "sharegpt" if index % 2 else "evol_instruct",
                    "chosen_model": "model-1",
                    "rejected_model": "model-0",
                    "turns": 1,
                    "margin": 2.0,
                    "chosen_logp": -1.2,
                    "rejected_logp": -1.4,
                    "log_odds_margin": 0.4 if correct else -0.4,
                    "odds_ratio_term": 0.513 if correct else 0.913,
                    "correct": correct,
                    "prompt_tokens": 20,
                    "chosen_tokens": 40,
                    "rejected_tokens": 30,
                }
            )
    return rows


def generation(index: int, model: str) -> dict[str, Any]:
    kind = KINDS[index % len(KINDS)] if index % 6 else None
    success = None if kind is None else (index % 3 != 0 if model == "trained" else index % 4 == 0)
    text = f"{TOPICS[index % 8].title()} are worth a look.\n- one\n- two {SCRIPT}\n" * (index % 5 + 1) * 3
    return {
        "prompt_id": content_id("prompt", str(200 + index)),
        "model": model,
        "decoding": "greedy",
        "sample": 0,
        "prompt": messages(f"Write about {TOPICS[index % 8]} as a {kind or 'free text'}. {SCRIPT}"),
        "response": text.strip(),
        "tokens": 30 + index,
        "finished": bool(index % 4),
        "constraint": json.dumps({"kind": kind, "args": {"count": 3}, "topic": []}) if kind else None,
        "success": success,
        "failures": None if success is None else [] if success else ["constraint", "repetition"],
    }


def scores(accuracy: float, success: float, margin: float, nll: float) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "instruction_success": success,
        "log_odds_margin": margin,
        "chosen_nll": nll,
        "pairs": 40,
        "prompts": 38,
        "generation": {
            "prompts": 24,
            "finished_share": 0.75,
            "mean_tokens": 41.5,
            "repetition_share": 0.083,
            "checked_prompts": 20,
        },
    }


def write_metrics(root: Path) -> None:
    rows = 160
    for stage in FUNNEL_STAGES:
        dropped: dict[str, int] = {}
        for entry in ledger_entries(stage):
            dropped[entry["reason"]] = dropped.get(entry["reason"], 0) + 1
        kept = rows - sum(dropped.values())
        extra: dict[str, Any] = {}
        if stage == "split":
            extra = {"train": 100, "validation": 12, "test": 40}
        elif stage == "tokenize":
            extra = {"splits": {"train": {"pairs": 100, "chosen_tokens": {"mean": 41.234567, "max": 90}}}}
        unit_in = "rows" if stage in ("pull", "binarize") else "pairs"
        unit_out = "rows" if stage == "pull" else "pairs"
        counts = {"unit_in": unit_in, "in": rows, "unit_out": unit_out, "kept": kept, "dropped": dropped}
        write_json(root / "metrics" / f"{stage}.json", {**counts, **extra})
        rows = kept
    both = {"base": scores(0.5, 0.25, 0.021, 1.84), "trained": scores(0.8, 0.65, 0.394, 1.213)}
    write_json(root / "metrics" / "evaluate.json", {"split": "test", **both})


def write_training(root: Path) -> None:
    folder = root / "metrics" / "train"
    write_json(folder / "metrics.json", {"step": 59, "loss": 1.3, "train": {"lr": 1e-5}})
    shapes: dict[str, Callable[[float], float]] = {
        "loss": lambda t: 1.3 + 0.9 * math.exp(-3 * t),
        "nll": lambda t: 1.0 + 0.8 * math.exp(-3 * t),
        "odds_ratio_term": lambda t: 0.45 + 0.24 * math.exp(-2 * t),
        "chosen_logp": lambda t: -1.8 + 0.7 * t,
        "rejected_logp": lambda t: -1.8 + 0.3 * t,
        "accuracy": lambda t: 0.5 + 0.3 * t,
    }
    for name, shape in shapes.items():
        lines = [f"{step}\t{shape(step / 60) + 0.08 * math.sin(7.0 * step):.5f}" for step in range(60)]
        write_text(folder / "plots" / "metrics" / f"{name}.tsv", "\n".join([f"step\t{name}", *lines, ""]))
    write_text(
        folder / "plots" / "metrics" / "validation" / "accuracy.tsv", "step\taccuracy\n29\t0.61\n59\t0.72\n"
    )


def write_tables(root: Path) -> None:
    data = root / "data"
    for stage in FUNNEL_STAGES:
        write_table(frame(LEDGER, ledger_entries(stage)), data / stage / "ledger.parquet", LEDGER)
    raw = [completion(index, place) for index in range(6) for place in range(2)]
    write_table(frame(COMPLETIONS, raw), data / "pull" / "completions.parquet", COMPLETIONS)
    write_table(
        frame(PAIRS, [pair(index) for index in range(152)]), data / "binarize" / "pairs.parquet", PAIRS
    )
    for name, count, first in (("train", 120, 0), ("validation", 12, 140), ("test", 40, 200)):
        write_table(split_pairs(count, first, name), data / "split" / f"{name}.parquet", SPLIT_PAIRS)
    write_table(frame(EVALUATED_PAIRS, evaluated(40)), data / "evaluate" / "pairs.parquet", EVALUATED_PAIRS)
    answers = [generation(index, model) for index in range(24) for model in ("base", "trained")]
    write_table(frame(GENERATIONS, answers), data / "evaluate" / "generations.parquet", GENERATIONS)


def make_project(root: Path) -> None:
    """Write every artifact under ``root``."""
    write_metrics(root)
    write_training(root)
    write_tables(root)
    base = {"source": "wheel", "wheel": {"package": "a-model", "sha256": "ab" * 32}, "parameters": 134515008}
    write_json(root / "models" / "base" / "lineage.json", base)
    write_json(
        root / "models" / "trained" / "lineage.json", {"base": base, "note": SCRIPT, "files": ["a", "b"]}
    )


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made project; tests that change it copy it first."""
    root = tmp_path_factory.mktemp("project")
    make_project(root)
    return root
