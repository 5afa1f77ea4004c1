"""The life of rows and pairs, told from a small project made by hand."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from pipeline.errors import PipelineError
from pipeline.files import write_text
from pipeline.schema import (
    CHANGED_PAIRS,
    CLUSTERED_PAIRS,
    COMPLETIONS,
    DECISIONS,
    EVALUATED_PAIRS,
    FLIPPED_PAIRS,
    GENERATIONS,
    LEDGER,
    PAIRS,
    SPLIT_PAIRS,
    SPLITS,
    Table,
)
from pipeline.tables import write_table
from pipeline.tokens.manifest import write_manifest
from pipeline.tokens.shard_writer import write_shards
from pipeline.trace import MOST_ROWS, trace
from pipeline.trace_stages import Asides
from pipeline.trace_text import print_trace

ROOT = Path(__file__).parents[1]
LONG = "Long. " * 100
NO_ASIDES = Asides(benchmark_prompt=lambda match_id: None)

# Row n gave pair n; ids say what they are.
KEPT, NEAR, LEAKED, SHORT, ANNOTATED = (f"{number}" * 16 for number in range(1, 6))
NO_PAIR, NO_COMPLETIONS, REPEATED = (f"{number}" * 16 for number in range(6, 9))
CLUSTER = "c" * 16


def row_of(pair_id: str) -> str:
    return "a" + pair_id[1:]


def prompt_of(pair_id: str) -> str:
    return "b" + pair_id[1:]


def asked(pair_id: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question {pair_id[0]}?"}]


def write(table: Table, path: Path, *rows: dict[str, Any]) -> None:
    filled = [{**dict.fromkeys(table.columns), **row} for row in rows]
    write_table(pl.DataFrame(filled, schema=table.schema()), path, table)


def pair(pair_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "pair_id": pair_id,
        "prompt_id": prompt_of(pair_id),
        "row_id": row_of(pair_id),
        "source": "flan",
        "prompt": asked(pair_id),
        "chosen": f"good {pair_id[0]}",
        "rejected": f"bad [b]{pair_id[0]}[/b] {LONG}",
        "chosen_score": 8.0,
        "rejected_score": 3.5,
        "margin": 4.5,
        "chosen_model": "m0",
        **fields,
    }


def completion(pair_id: str, place: int, text: str, score: float) -> dict[str, Any]:
    return {
        "row_id": row_of(pair_id),
        "completion_index": place,
        "source": "flan",
        "prompt": asked(pair_id),
        "completion": text,
        "model": f"m{place}",
        "overall_score": score,
        "honesty": 4.0,
        "file": "raw.jsonl",
        "line": int(pair_id[0]),
    }


def make(root: Path) -> None:
    """Every stage's artifacts: one pair goes all the way, the others leave on the way."""
    data = root / "data"
    pairs = [KEPT, NEAR, LEAKED, SHORT, ANNOTATED]
    rows = [completion(p, 0, f"good {p[0]}", 8.0) for p in (*pairs, NO_PAIR, REPEATED)]
    rows += [completion(p, 1, f"bad [b]{p[0]}[/b] {LONG}", 3.5) for p in pairs]
    write(COMPLETIONS, data / "pull/completions.parquet", *rows)
    left: dict[str, list[dict[str, Any]]] = {
        "pull": [{"reason": "no_completions", "row_id": row_of(NO_COMPLETIONS), "detail": "an empty list"}],
        "binarize": [
            {"reason": "too_few_completions", "row_id": row_of(NO_PAIR), "value": 1.0, "threshold": 2.0},
            {
                "reason": "repeated_pair",
                "row_id": row_of(REPEATED),
                "pair_id": KEPT,
                "match_id": row_of(KEPT),
            },
        ],
        "filter": [{"reason": "response_too_short", "pair_id": SHORT, "value": 3.0, "threshold": 4.0}],
        "decontaminate": [
            {"reason": "benchmark_prompt_exact", "pair_id": LEAKED, "match_id": "bench/7", "value": 1.0}
        ],
        "dedupe": [
            {
                "reason": "near_duplicate_prompt",
                "pair_id": NEAR,
                "match_id": KEPT,
                "value": 0.8,
                "threshold": 0.7,
            }
        ],
        "curate": [{"reason": "dropped_by_annotator", "pair_id": ANNOTATED, "detail": "kim: wrong"}],
        "split": [],
        "tokenize": [],
    }
    for stage, entries in left.items():
        stages = [{"stage": stage, **entry} for entry in entries]
        write(LEDGER, data / stage / "ledger.parquet", *stages)
    write(PAIRS, data / "binarize/pairs.parquet", *map(pair, pairs))
    write(PAIRS, data / "filter/pairs.parquet", *map(pair, (KEPT, NEAR, LEAKED, ANNOTATED)))
    write(PAIRS, data / "decontaminate/pairs.parquet", *map(pair, (KEPT, NEAR, ANNOTATED)))
    clusters = {KEPT: CLUSTER, ANNOTATED: "d" * 16}
    clustered = [pair(pair_id, cluster_id=cluster) for pair_id, cluster in clusters.items()]
    write(CLUSTERED_PAIRS, data / "dedupe/pairs.parquet", *clustered)
    write(CLUSTERED_PAIRS, data / "curate/pairs.parquet", clustered[0])
    for split in SPLITS:
        placed = [{**clustered[0], "split": "test"}] if split == "test" else []
        write(SPLIT_PAIRS, data / "split" / f"{split}.parquet", *placed)
    tokens: dict[str, Any] = {}
    for part, count in (("prompt", 3), ("chosen", 2), ("rejected", 5)):
        tokens |= {f"{part}_ids": [1] * count, f"{part}_mask": [True] * count}
    other = {**tokens, "pair_id": "9" * 16}
    shards = write_shards([other, other, {**tokens, "pair_id": KEPT}], data / "tokenize/test", 2)
    write_manifest(data / "tokenize", {"splits": {"test": {"shards": shards}, "train": {"shards": []}}})
    scores: dict[str, Any] = {
        "pair_id": KEPT,
        "prompt_id": prompt_of(KEPT),
        "source": "flan",
        "chosen_logp": -1.0,
    }
    scores |= {"rejected_logp": -2.0, "log_odds_margin": 1.5, "correct": True}
    scores |= {"odds_ratio_term": 0.2, "turns": 1}
    scores |= dict.fromkeys(("prompt_tokens", "chosen_tokens", "rejected_tokens"), 3)
    write(EVALUATED_PAIRS, data / "evaluate/pairs.parquet", {**scores, "model": "base"})
    answer: dict[str, Any] = {
        "prompt_id": prompt_of(KEPT),
        "model": "base",
        "decoding": "greedy",
        "sample": 0,
        "prompt": asked(KEPT),
        "response": "An answer.",
    }
    answer |= {"tokens": 3, "finished": True, "success": True, "failures": []}
    sampled = {**answer, "decoding": "sampled", "response": "A sample.", "success": False}
    write(GENERATIONS, data / "evaluate/generations.parquet", answer, sampled)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("traced")
    make(root)
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change, with params."""
    root = tmp_path / "project"
    shutil.copytree(made, root)
    write_text(root / "params.yaml", "decontaminate: {benchmarks: []}\n")
    return root


def steps(root: Path, asked_for: str, asides: Asides = NO_ASIDES) -> list[tuple[str, str]]:
    """Stage and outcome (or reason) of the one pair of the one row that an id stands for."""
    (row,) = trace(root, asked_for, asides).rows
    (found,) = row.pairs
    return [(step.stage, step.reason or step.outcome) for step in found.steps]


def facts(root: Path, asked_for: str, stage: str, asides: Asides = NO_ASIDES) -> dict[str, Any]:
    (row,) = trace(root, asked_for, asides).rows
    every = [*row.steps, *(step for found in row.pairs for step in found.steps)]
    (found,) = [step.facts for step in every if step.stage == stage]
    return found


# --- lives ------------------------------------------------------------------------------------------------


def test_a_pair_whose_labels_were_swapped_on_purpose(made: Path, tmp_path: Path) -> None:
    root = shutil.copytree(made, tmp_path / "project")
    folder = root / "data/split"
    placed = pair(KEPT, cluster_id=CLUSTER, split="train")
    write(SPLIT_PAIRS, folder / "test.parquet")
    write(SPLIT_PAIRS, folder / "train.parquet", placed)
    write(FLIPPED_PAIRS, folder / "flipped.parquet", {"pair_id": KEPT, "row_id": row_of(KEPT), "draw": 0.1})
    row = next(row for row in trace(root, KEPT, NO_ASIDES).rows if row.row_id == row_of(KEPT))
    told = {step.stage: step.facts for step in row.pairs[0].steps}
    assert told["split"] == {"split": "train", "labels_swapped": True}
    shown = io.StringIO()
    print_trace(trace(root, KEPT, NO_ASIDES), Console(file=shown, width=200), False)
    assert "split train, labels swapped yes" in shown.getvalue()


def test_a_pair_that_goes_all_the_way(made: Path) -> None:
    found = trace(made, row_of(KEPT), NO_ASIDES)
    assert (found.kind, found.id, found.further_rows) == ("row", row_of(KEPT), [])
    (row,) = found.rows
    assert (row.source, row.file, row.line, row.prompt) == ("flan", "raw.jsonl", 1, asked(KEPT))
    assert row.completions[0] == {
        "index": 0,
        "model": "m0",
        "overall_score": 8.0,
        "honesty": 4.0,
        "completion": "good 1",
    }
    assert len(row.completions) == 2
    assert [(step.stage, step.outcome) for step in row.steps] == [("pull", "kept")]
    (life,) = row.pairs
    assert (life.pair_id, life.prompt_id, life.chosen) == (KEPT, prompt_of(KEPT), "good 1")
    assert [(step.stage, step.outcome) for step in life.steps] == [
        (stage, "kept")
        for stage in (
            "binarize",
            "filter",
            "decontaminate",
            "dedupe",
            "curate",
            "split",
            "tokenize",
            "evaluate",
        )
    ]
    told = {step.stage: step.facts for step in life.steps}
    assert told["binarize"] == {
        "chosen_score": 8.0,
        "rejected_score": 3.5,
        "margin": 4.5,
        "chosen_model": "m0",
    }
    assert told["dedupe"] == {
        "cluster_id": CLUSTER,
        "cluster_mates": [
            {"pair_id": NEAR, "prompt": "Question 2?", "left": "near_duplicate_prompt", "similarity": 0.8}
        ],
    }
    assert told["split"] == {"split": "test"}
    assert told["tokenize"] == {
        "shard": "tokenize/test/shard-00001.arrow",
        "row": 1,
        "prompt_tokens": 3,
        "chosen_tokens": 2,
        "rejected_tokens": 5,
    }
    assert told["evaluate"] == {
        "base": {
            "correct": True,
            "log_odds_margin": 1.5,
            "chosen_logp": -1.0,
            "rejected_logp": -2.0,
            "success": True,
            "failures": [],
            "response": "An answer.",
        }
    }


def test_a_duplicate_names_what_it_matched_and_its_cluster(made: Path) -> None:
    later = ("curate", "split", "tokenize", "evaluate")
    assert steps(made, NEAR) == [
        ("binarize", "kept"),
        ("filter", "kept"),
        ("decontaminate", "kept"),
        ("dedupe", "near_duplicate_prompt"),
        *((stage, "not reached") for stage in later),
    ]
    assert facts(made, NEAR, "dedupe") == {
        "value": 0.8,
        "threshold": 0.7,
        "match": {"id": KEPT, "prompt": "Question 1?"},
        "cluster_id": CLUSTER,
        "cluster_mates": [{"pair_id": KEPT, "prompt": "Question 1?"}],
    }


def test_a_leak_names_the_benchmarks_prompt(made: Path) -> None:
    assert facts(made, LEAKED, "decontaminate")["match"] == {"id": "bench/7"}
    asides = Asides(benchmark_prompt={"bench/7": "Why?"}.get)
    assert facts(made, LEAKED, "decontaminate", asides) == {
        "value": 1.0,
        "match": {"id": "bench/7", "prompt": "Why?"},
    }


def test_rows_that_gave_no_pair(made: Path) -> None:
    (row,) = trace(made, row_of(NO_PAIR), NO_ASIDES).rows
    assert row.pairs == []
    assert [(step.stage, step.reason, step.facts) for step in row.steps] == [
        ("pull", None, {"completions": 1}),
        ("binarize", "too_few_completions", {"value": 1.0, "threshold": 2.0}),
    ]
    (row,) = trace(made, row_of(NO_COMPLETIONS), NO_ASIDES).rows
    assert (row.file, row.prompt, row.completions, row.pairs) == (None, None, [], [])
    assert [(step.stage, step.reason, step.facts) for step in row.steps] == [
        ("pull", "no_completions", {"detail": "an empty list"})
    ]


def test_a_pair_that_two_rows_make_is_told_with_both(made: Path) -> None:
    found = trace(made, KEPT, NO_ASIDES)
    assert [row.row_id for row in found.rows] == [row_of(KEPT), row_of(REPEATED)]
    (repeated,) = found.rows[1].pairs
    (step,) = repeated.steps
    assert (repeated.pair_id, repeated.chosen, step.stage, step.reason) == (
        KEPT,
        None,
        "binarize",
        "repeated_pair",
    )
    assert step.facts == {"match": {"id": row_of(KEPT), "prompt": "Question 1?"}}


def test_a_prompt_and_a_cluster_stand_for_their_pairs(made: Path) -> None:
    found = trace(made, prompt_of(SHORT), NO_ASIDES)
    assert (found.kind, [row.row_id for row in found.rows]) == ("prompt", [row_of(SHORT)])
    found = trace(made, CLUSTER, NO_ASIDES)
    assert found.kind == "cluster"
    told = {row.row_id: [life.pair_id for life in row.pairs] for row in found.rows}
    assert told == {row_of(KEPT): [KEPT], row_of(NEAR): [NEAR], row_of(REPEATED): [KEPT]}


def test_decisions_what_became_of_them_and_what_they_changed(project: Path) -> None:
    said = {"annotators": ["kim", "lee"], "agreement": 2 / 3, "when": "2026-01-01"}
    swap = {**said, "action": "swap", "reason": "[b]wrong[/b]", "line": 1, "fate": "applied", "problem": None}
    keep = {**said, "action": "keep", "reason": "", "line": 2, "annotators": ["bo"], "agreement": None}
    keep |= {"fate": "outvoted", "problem": "others outvoted it: 2 swap, 1 keep"}
    drop = {**swap, "line": 3, "action": "drop"}
    lines = [{**swap, "pair_id": KEPT}, {**keep, "pair_id": KEPT}, {**drop, "pair_id": ANNOTATED}]
    write(DECISIONS, project / "data/curate/decisions.parquet", *lines)
    changed = {**said, "pair_id": KEPT, "action": "swap", "reason": "", "line": 1, "row_id": row_of(KEPT)}
    changed |= {"changed": ["chosen", "rejected"], "texts_sha256": "0", "new_texts_sha256": "1"}
    write(CHANGED_PAIRS, project / "data/curate/changed.parquet", changed)
    told = {"decisions": [swap, keep], "changed": "chosen, rejected"}
    assert trace(project, KEPT, NO_ASIDES).rows[0].pairs[0].steps[4].facts == told
    assert facts(project, ANNOTATED, "curate") == {"detail": "kim: wrong", "decisions": [drop]}
    done = run(project, KEPT)
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    assert (
        "changed chosen, rejected decided on line 1, 2026-01-01: swap by kim, lee (agreement 0.666667): "
        "[b]wrong[/b] [applied] decided on line 2, 2026-01-01: keep by bo "
        "[outvoted, others outvoted it: 2 swap, 1 keep]"
    ) in words


def test_stages_that_have_not_been_run_are_said(project: Path) -> None:
    for stage in ("dedupe", "curate", "split", "tokenize", "evaluate"):
        shutil.rmtree(project / "data" / stage)
    later = ("dedupe", "curate", "split", "tokenize", "evaluate")
    assert steps(project, NEAR)[3:] == [(stage, "not run") for stage in later]
    assert steps(project, SHORT)[1:3] == [("filter", "response_too_short"), ("decontaminate", "not reached")]
    for stage in ("binarize", "filter", "decontaminate"):
        shutil.rmtree(project / "data" / stage)
    (row,) = trace(project, row_of(KEPT), NO_ASIDES).rows
    assert [(step.stage, step.outcome) for step in row.steps] == [("pull", "kept"), ("binarize", "not run")]


def test_what_a_stage_neither_kept_nor_dropped_is_said(project: Path) -> None:
    write(PAIRS, project / "data/filter/pairs.parquet", pair(KEPT))
    assert steps(project, NEAR)[1] == ("filter", "neither kept nor dropped")
    write(PAIRS, project / "data/binarize/pairs.parquet", pair(KEPT))
    (row,) = trace(project, row_of(NEAR), NO_ASIDES).rows
    assert [(step.stage, step.outcome) for step in row.steps][1] == ("binarize", "neither kept nor dropped")


def test_a_large_cluster_is_told_in_part(project: Path) -> None:
    names = [f"{number:016x}" for number in range(0xE0, 0xE0 + MOST_ROWS + 4)]
    many = [pair(name, cluster_id=CLUSTER, row_id=f"f{name[1:]}") for name in names]
    write(PAIRS, project / "data/binarize/pairs.parquet", *many)
    write(CLUSTERED_PAIRS, project / "data/dedupe/pairs.parquet", *many)
    found = trace(project, CLUSTER, NO_ASIDES)
    assert [row.row_id for row in found.rows] == [f"f{name[1:]}" for name in names[:MOST_ROWS]]
    assert found.further_rows == [f"f{name[1:]}" for name in names[MOST_ROWS:]]


# --- ids --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["111111", "1" * 15, KEPT, f" {row_of(KEPT).upper()} "])
def test_the_beginning_of_an_id_is_enough(made: Path, given: str) -> None:
    assert trace(made, given, NO_ASIDES).id == (row_of(KEPT) if "A" in given else KEPT)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("11111", r"This is not an id\. Found: 11111 \(5 characters\)\. Expected: 16 hexadecimal digits"),
        ("1" * 17, r"This is not an id\. Found: 1{17} \(17 characters\)"),
        ("pair-1234", r"This is not an id\. Found: pair-1234"),
        (
            "1111119",
            rf"No row, pair, prompt or cluster has this id\. Found: 1111119\. Expected: an id of the "
            rf"last run, such as pair {KEPT}\.",
        ),
        ("0" * 16, r"No row.*Found: 0{16}\. Expected: an id of the last run\."),
    ],
)
def test_an_id_that_is_none_says_what_would_be(made: Path, given: str, expected: str) -> None:
    with pytest.raises(PipelineError, match=expected):
        trace(made, given, NO_ASIDES)


def test_several_ids_of_one_beginning_are_named(project: Path) -> None:
    twins = [KEPT, "1" * 15 + "2"]
    write(PAIRS, project / "data/binarize/pairs.parquet", *map(pair, twins))
    with pytest.raises(
        PipelineError, match=rf"Several ids.*pair {twins[0]}, pair {twins[1]}\. Give more digits"
    ):
        trace(project, "1" * 9, NO_ASIDES)
    assert trace(project, twins[1], NO_ASIDES).id == twins[1]


def test_nothing_to_trace(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"Nothing has been run yet.*dvc repro pull"):
        trace(tmp_path, KEPT, NO_ASIDES)


# --- on the terminal --------------------------------------------------------------------------------------


def printed(root: Path, given: str, width: int = 200, full: bool = False) -> str:
    text = io.StringIO()
    print_trace(trace(root, given, NO_ASIDES), Console(file=text, width=width), full)
    return text.getvalue()


def test_the_text_says_all_there_is(made: Path) -> None:
    said = " ".join(printed(made, NEAR).split())
    for part in (
        f"pair {NEAR} dropped by dedupe: near_duplicate_prompt",
        f"row {row_of(NEAR)}, raw.jsonl line 2, source flan",
        "prompt: Question 2?",
        "completion 0: m0, overall 8, honesty 4 chosen good 2",
        "completion 1: m1, overall 3.5, honesty 4 rejected bad [b]2[/b] Long.",
        f"pair {NEAR}, prompt {prompt_of(NEAR)}",
        "binarize kept chosen score 8, rejected score 3.5, margin 4.5, chosen model m0",
        f"dedupe dropped: near_duplicate_prompt value 0.8, threshold 0.7, cluster id {CLUSTER}",
        f"matches {KEPT}: Question 1?",
        "curate not reached",
    ):
        assert part in said, part
    said = " ".join(printed(made, row_of(KEPT)).split())
    assert "kept, in test" in said
    assert f"in one cluster with {NEAR} (near_duplicate_prompt, 0.8): Question 2?" in said
    assert "base: correct yes, log odds margin 1.5" in said and "response An answer." in said


def test_long_texts_are_shortened_unless_all_is_asked_for(made: Path) -> None:
    assert printed(made, KEPT).count("Long.") < 40
    assert printed(made, KEPT, full=True).count("Long.") == 100


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "trace", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_text_or_json(project: Path) -> None:
    (project / "list.jsonl").write_text('{"id": 7, "prompt": "Question 3?"}\n')
    write_text(
        project / "params.yaml",
        "decontaminate: {benchmarks: [{name: bench, path: list.jsonl}]}\n",
    )
    done = run(project, LEAKED)
    assert (done.returncode, done.stderr) == (0, "")
    assert "matches bench/7: Question 3?" in " ".join(done.stdout.split())
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 100

    done = run(project, KEPT, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["kind"], told["id"]) == ("pair", KEPT)
    assert told["rows"][0]["completions"][1]["completion"] == f"bad [b]1[/b] {LONG}"


def test_the_command_works_without_lists(project: Path) -> None:
    done = run(project, LEAKED)
    assert (done.returncode, done.stderr) == (0, "")
    assert "matches bench/7" in done.stdout


def test_the_command_says_faults_in_one_paragraph(project: Path) -> None:
    done = run(project, "zz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: This is not an id. Found: zz (2 characters).")
    assert len(done.stderr.splitlines()) == 1


def test_the_command_never_loads_torch(project: Path) -> None:
    code = (
        "import sys; sys.argv = ['pipeline', 'trace', '" + KEPT + "']\n"
        "import pipeline.__main__ as command\n"
        "try: command.main()\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_broken_artifact_is_named(project: Path) -> None:
    (project / "data/tokenize/test/shard-00000.arrow").write_bytes(b"no Arrow")
    with pytest.raises(PipelineError, match=r"A shard cannot be read.*shard-00000\.arrow"):
        trace(project, KEPT, NO_ASIDES)
    (project / "data/filter/pairs.parquet").write_bytes(b"no Parquet")
    with pytest.raises(PipelineError, match=r"A pairs table cannot be read.*filter"):
        trace(project, KEPT, NO_ASIDES)
