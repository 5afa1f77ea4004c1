"""Two small projects, alike but for data and model: what was made before a fault, and what comes after."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
NOW = "2001-02-03T04:05:06+00:00"
"""The time of every answer: the same commands give the same bytes."""

_TELL_TIME = ("pipeline.curation.blind_pairs", "pipeline.curation.offline.sheet_import")
_BEFORE: dict[str, dict[str, Any]] = {
    "sent.jsonl": {"first": "chosen", "texts_sha256": "0" * 64, "where": "review", "when": NOW},
    "decisions.jsonl": {"action": "keep", "annotators": ["ann"], "when": NOW},
}
"""What people's files hold before any command."""

_IFEVAL: dict[str, Any] = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
_WORDS = ("tide", "moon", "sea")
_SCORES = importlib.util.find_spec("if_verifiable") is not None


@dataclass(frozen=True)
class Case:
    """One thing that is run and stopped.

    Attributes:
        name: The stage's, or the command's.
        outs: What it writes, as paths in the project.
        arguments: Of ``python -m pipeline``; empty for a stage.
        earlier: What it reads as it was before any command.
    """

    name: str
    outs: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()

    def run(self) -> None:
        """Run it in the current folder, as its command line does.

        Raises:
            SystemExit: As the program would.
        """
        if self.arguments:
            from pipeline.__main__ import main

            _stop_the_clock()
            sys.argv = ["pipeline", *self.arguments]
            main()
        else:
            from stages._stage import run

            run(importlib.import_module(f"stages.{self.name}").main)


def _stage(name: str) -> Case:
    return Case(name, (f"data/{name}", f"metrics/{name}.json"))


CASES = {
    case.name: case
    for case in (
        _stage("pull"),
        Case("pull_model", ("models/base",)),
        *map(_stage, ("binarize", "filter", "decontaminate", "dedupe")),
        Case(
            "curate_export",
            ("data/queue/queue.parquet", "curation/sent.jsonl", "sheet.csv"),
            ("curate", "export", "sheet.csv"),
            ("curation/decisions.jsonl", "data/annotations/annotations.parquet"),
        ),
        Case(
            "curate_import",
            ("data/annotations/annotations.parquet", "curation/decisions.jsonl"),
            ("curate", "import", "filled.csv", "--annotator", "ann"),
        ),
        *map(_stage, ("curate", "split", "tokenize")),
        Case("reference", ("data/reference",)),
        Case("train", ("models/trained", "metrics/train")),
        _stage("evaluate"),
        _stage("benchmark"),
        Case(
            "report",
            (
                *(
                    f"reports/{name}"
                    for name in ("dataset_card.md", "model_card.md", "report.html", "report.json")
                ),
                "metrics/funnel.json",
            ),
        ),
    )
}
"""Every stage, and the commands that write people's files, in the order of the flow."""


def make_project(folder: Path, model: Path, seed: int, rows: int = 60) -> None:
    """Make the files of a project: params, decisions, and a benchmark where its checkers are installed.

    Args:
        folder: Made; nothing is run in it.
        model: The base model to start from.
        seed: Of the sample.
        rows: Of the sample.
    """
    (folder / "curation").mkdir(parents=True)
    for name, line in _BEFORE.items():
        (folder / "curation" / name).write_text(json.dumps({"pair_id": "0" * 16, **line}) + "\n")
    asked = [{"key": key, "prompt": f"Say {word} {seed}.", **_IFEVAL} for key, word in enumerate(_WORDS)]
    (folder / "ifeval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    sample = {"name": "sample", "path": str(ROOT / "pipeline/sources/sample_benchmark.jsonl")}
    ifeval = {"enabled": _SCORES, "path": "ifeval.jsonl", "max_new_tokens": 3}
    params: dict[str, Any] = {
        "source": {"kind": "sample", "sample": {"rows": rows, "seed": seed}},
        "decontaminate": {"benchmarks": [sample]},
        "model": {"source": "path", "path": str(model)},
        "train": {"objective": "dpo", "epochs": 1, "lr": 1e-3, "dtype": "float32", "checkpoint_every": 2},
        "evaluate": {"max_new_tokens": 3, "max_prompts": 3, "intervals": {"resamples": 100}},
        "benchmarks": {"dtype": "float32", "ifeval": ifeval},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def fill_in(folder: Path) -> None:
    """Answer A on every row of ``sheet.csv``, in ``filled.csv``."""
    import csv

    with (folder / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "filled.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "choice": "A"} for row in rows)


def reset(case: Case, work: Path, old: Path | None, new: Path) -> None:
    """Give a working copy the outs of the old project, or none, and no trace of earlier runs.

    Args:
        case: Whose outs.
        work: The working copy of ``new``.
        old: The old project; None: as if the case had never been run.
        new: The new project, whose records of time and memory are kept.
    """
    for name in (*case.outs, *case.earlier, "data/runs", "data/benchmark.work", "models/checkpoints"):
        remove(work / name)
    for path in leftovers(work):
        remove(path)
    for name in (*case.outs, *case.earlier):
        # People's files are there before the first run too.
        origin = old or (new.with_name("old") if name.startswith("curation/") else None)
        if origin is not None and (origin / name).exists():
            copy(origin / name, work / name)
    copy(new / "data/runs", work / "data/runs")


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """What an unfinished run left under temporary names, and checkpoints that are no longer needed."""
    found = [path for path in folder.rglob("*") if path.suffix in {".partial", ".old", ".lock"}]
    found += [path for path in folder.rglob("tmp*") if path.is_dir()]
    return sorted(found) + [path for path in [folder / "models/checkpoints"] if path.exists()]


class _Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.fromisoformat(NOW)


def _stop_the_clock() -> None:
    for name in _TELL_TIME:
        importlib.import_module(name).datetime = _Clock  # type: ignore[attr-defined]
