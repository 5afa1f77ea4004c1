"""A project folder with every artifact the report reads, made small and by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from pipeline.files import content_id, write_json, write_text
from pipeline.results import FUNNEL_STAGES
from pipeline.schema import (
    CLUSTERED_PAIRS,
    COMPLETIONS,
    EVALUATED_PAIRS,
    EVALUATED_SLICES,
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
        "decontaminate": [
            {
                "reason": "benchmark_prompt_exact",
                "pair_id": pairs[4],
                "match_id": "a_benchmark/item-9",
                "value": 1.0,
                "detail": "user turn 1 of 1",
            }
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
        elif stage == "decontaminate":
            extra = {"benchmarks": {"a_benchmark": {"items": 26, "items_found": 1, "contaminated_pairs": 1}}}
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
    source = {"kind": "sample", "files": [{"name": f"raw{SCRIPT}.jsonl", "sha256": "cd" * 32}]}
    write_table(frame(COMPLETIONS, raw), data / "pull" / "completions.parquet", COMPLETIONS, source)
    write_table(
        frame(PAIRS, [pair(index) for index in range(152)]), data / "binarize" / "pairs.parquet", PAIRS
    )
    for name, count, first in (("train", 120, 0), ("validation", 12, 140), ("test", 40, 200)):
        write_table(split_pairs(count, first, name), data / "split" / f"{name}.parquet", SPLIT_PAIRS)
    write_table(frame(EVALUATED_PAIRS, evaluated(40)), data / "evaluate" / "pairs.parquet", EVALUATED_PAIRS)
    answers = [generation(index, model) for index in range(24) for model in ("base", "trained")]
    sampled = {"decoding": "sampled", "response": "Drawn at random."}
    answers += [generation(0, model) | sampled for model in ("base", "trained")]
    write_table(frame(GENERATIONS, answers), data / "evaluate" / "generations.parquet", GENERATIONS)
    write_slices(root, ("base", "trained"))


def write_slices(root: Path, models: tuple[str, ...]) -> None:
    """Three slices of each model."""
    cut = [("source", "evol_instruct"), ("source", f"other {SCRIPT}"), ("turns", "1")]
    rows = [
        {
            "model": model,
            "slice": name,
            "value": value,
            "pairs": 20,
            "accuracy": 0.75,
            "accuracy_low": 0.55,
            "accuracy_high": 0.9,
            "log_odds_margin": 0.31,
            "chosen_nll": 1.2,
            "rejected_nll": 1.9,
        }
        for model in models
        for name, value in cut
    ]
    write_table(
        frame(EVALUATED_SLICES, rows), root / "data" / "evaluate" / "slices.parquet", EVALUATED_SLICES
    )


def write_shards(root: Path) -> None:
    """Token shards of three training pairs: 5 + 4, 5 + 7 and 6 + 9 tokens are the longest sequences."""
    counts = [(5, 4, 3), (5, 2, 7), (6, 9, 9)]
    columns = {
        f"{part}_ids": pa.array([[1] * pair[place] for pair in counts], pa.list_(pa.int32()))
        for place, part in enumerate(("prompt", "chosen", "rejected"))
    }
    table = pa.table({"pair_id": ["a", "b", "c"], **columns})
    folder = root / "data" / "tokenize"
    (folder / "train").mkdir(parents=True)
    shard = str(folder / "train" / "shard-00000.arrow")
    with pa.OSFile(shard, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    train = {"shards": [{"file": "shard-00000.arrow", "pairs": 3}]}
    write_json(folder / "manifest.json", {"max_length": 64, "splits": {"train": train}})


def write_stages_between(root: Path) -> None:
    """What filter to curate write: the pairs less what their ledgers dropped."""
    kept = [pair(index) for index in range(152)]
    for stage in ("filter", "decontaminate", "dedupe", "curate"):
        gone = {entry.get("pair_id") for entry in ledger_entries(stage)}
        kept = [row for row in kept if row["pair_id"] not in gone]
        clustered = stage in ("dedupe", "curate")
        rows = [{**row, "cluster_id": row["pair_id"]} for row in kept] if clustered else kept
        table = CLUSTERED_PAIRS if clustered else PAIRS
        write_table(frame(table, rows), root / "data" / stage / "pairs.parquet", table)


def make_project(root: Path) -> None:
    """Write every artifact under ``root``."""
    write_metrics(root)
    write_training(root)
    write_tables(root)
    write_stages_between(root)
    write_shards(root)
    card = f"---\nlibrary_name: transformers\ntags:\n- orpo\n---\n\n# A model\n\nSaid by train. {SCRIPT}\n"
    write_text(root / "models" / "trained" / "README.md", card)
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


MODEL_KEYS = ("base", "trained", "published")


def with_all(root: Path) -> None:
    """Add what may be there: intervals, a third model, slices, benchmarks, variants, records of runs."""
    path = root / "metrics" / "evaluate.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["published"] = scores(0.7, 0.5, 0.2, 1.5)
    for model in MODEL_KEYS:
        values[model] |= {"odds_ratio_term": 0.61, "rejected_nll": 2.5}
        values[model]["intervals"] = {
            "accuracy": {"low": 0.41, "high": 0.59},
            "chosen_nll": {"low": 1.1, "high": 1.9},
        }
    values["comparison"] = {
        "trained_vs_base": {
            "accuracy": {"difference": 0.3, "low": 0.2, "high": 0.4, "p_value": 0.0002},
            "chosen_nll": {"difference": -0.627, "low": -0.9, "high": 0.1, "p_value": 0.21},
            "outcomes": {"win": 11, "tie": 6, "loss": 3, "p_value": 0.0574},
        }
    }
    values["length_baseline"] = {"choose_longer": 0.62, "choose_shorter": 0.38}
    write_json(path, values)
    write_slices(root, MODEL_KEYS)
    score = {
        "prompt_strict": 0.299,
        "intervals": {"prompt_strict": {"low": 0.26, "high": 0.34}},
        "counts": {"prompts": 541},
        "judge": "a-judge",
    }
    found = {"status": "decontaminated", "items": 541, "items_found": 3, "dropped_pairs": 4}
    benchmarks = {
        "ifeval": {"contamination": found, "base": score, "trained": score},
        "mt_bench": {"contamination": {"status": "not_checked"}, "trained": {"overall": 5.5}},
    }
    write_json(root / "metrics" / "benchmark.json", benchmarks)
    write_variants(root / "data" / "compare")
    write_runs(root)


def write_variants(folder: Path) -> None:
    """Two trained variants and the base model, as ``python -m pipeline compare`` lays them out."""
    metrics = {
        "accuracy": {"value": 0.7, "low": 0.6, "high": 0.8},
        "chosen_nll": {"value": 1.4, "low": None, "high": None},
    }
    cost = {
        "train_seconds": 812.0,
        "reference_seconds": None,
        "peak_memory_bytes": 5 << 30,
        "tokens_per_second": 310.4,
    }
    change = {"accuracy": {"difference": 0.1, "low": 0.01, "high": 0.2, "p_value": 0.04}}
    common = {"model": None, "experiment": None, "metrics": metrics}
    variants = [
        {"name": "sft", "set": {"train.objective": "sft"}, "difference": {}, "cost": cost, **common},
        {"name": "orpo", "set": {"note": SCRIPT}, "difference": change, "cost": cost, **common},
        {"name": "base", "set": {}, "difference": change, "cost": {}, **common},
    ]
    write_json(
        folder / "summary.json", {"split": "test", "pairs": 40, "against": "sft", "variants": variants}
    )
    rows = [
        (name, metric, step, -2.0 + side * step / 40)
        for name in ("sft", "orpo")
        for metric, side in (
            ("chosen_logp", 1.0),
            ("rejected_logp", 0.9 if name == "sft" else -0.4),
            ("loss", 0.1),
        )
        for step in range(40)
    ]
    columns = {"variant": pl.String, "metric": pl.String, "step": pl.Int64, "value": pl.Float64}
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(folder / "curves.parquet")


def write_runs(root: Path) -> None:
    """Records of two stages, and a file that is none."""
    for stage, seconds, memory in (("train", 221.4, 3 << 30), ("pull", 1.5, None)):
        run = {
            "stage": stage,
            "seconds": seconds,
            "peak_memory_bytes": memory,
            "finished": "2026-01-02T03:04:05+00:00",
        }
        write_json(root / "data" / "runs" / f"{stage}.json", run)
    write_text(root / "data" / "runs" / "broken.json", "{")


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made project with everything that may be there."""
    root = tmp_path_factory.mktemp("full")
    make_project(root)
    with_all(root)
    return root
