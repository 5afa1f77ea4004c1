"""The data half, measured side by side with what people use today.

    corpus -> pull to split, as stages -> ingest, binarize, near duplicates, each beside its peers -> figures

``python benchmarks/data.py --json FILE`` takes some ten minutes on two cores and 4 GB of disk; with
``--large`` ten times the rows go from pull to split as well, and it takes half an hour and 20 GB.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a file, Python looks for modules in this folder, where tokenize.py would hide the standard library's:
# the folder above takes its place before anything else is imported.
sys.path[0] = str(Path(__file__).parents[1])

import shutil
import tempfile
from importlib.metadata import version
from typing import Annotated, Any

import typer

from benchmarks import files, line, trials
from benchmarks.corpus import BENCHMARK_ITEMS, Corpus, write_benchmark, write_corpus
from benchmarks.machine import machine
from benchmarks.page import markdown, print_sections, sections
from benchmarks.peers import need_peer
from pipeline.errors import PipelineError, foreseen_faults
from pipeline.files import write_json, write_text
from pipeline.progress import track
from pipeline.summary import plain_console

ROWS = 64_000
TIMES_LARGE = 10
WARM_UP_ROWS = 2_000
PEERS_BYTES, LINE_BYTES = 60_000, 30_000
"""Disk a row takes, generously: in everything that is measured, and from pull to split alone."""

INGEST = ("pyarrow_json", "polars_read", "polars_sink", "datasets_json")
BINARIZE = ("ours", "datasets_map", "ours_memory", "datasets_memory", "datasets_map_2")
DEDUPE = ("ours", "datasketch_loop", "datasketch_bulk")
BINARIZE_COMPARED = ("ours_memory", "datasets_memory")
"""The two whose rows per second make ``binarize_speedup``: the rule alone, its rows at hand for both. What
reading adds stands in the table: ours unpacks Parquet, datasets maps a file of three times the size."""

VERSIONS = ("polars", "pyarrow", "numba", "datasets", "datasketch")


def measure(folder: Path, rows: int, rounds: int, large: bool) -> dict[str, Any]:
    """Everything there is to measure.

    Args:
        folder: For scratch files; must be empty.
        rows: Rows of the corpus.
        rounds: How often each contestant, and the line, is run.
        large: Whether to take :data:`TIMES_LARGE` as many rows from pull to split, too.

    Returns:
        The eight figures by name, those of ``large`` null without it, and ``details``.

    Raises:
        PipelineError: If the disk is too small, or a stage or a contestant fails.
    """
    _need_space(folder, rows * max(PEERS_BYTES, LINE_BYTES * TIMES_LARGE if large else 0))
    corpus = Corpus(rows)
    _write(corpus, folder)
    _run_line(folder, Corpus(WARM_UP_ROWS), "warm-up")
    lines = [_run_line(folder, corpus, f"line, round {number}", number) for number in range(1, rounds + 1)]
    details: dict[str, Any] = {
        "rows": rows,
        "rounds": rounds,
        "corpus_mb": (folder / files.CORPUS).stat().st_size / 1e6,
        "benchmark_items": BENCHMARK_ITEMS,
        "machine": machine(),
        "versions": {name: version(name) for name in VERSIONS},
        "line": {"rows": rows, **line.summary(lines)},
        "ingest": _summaries("ingesting", INGEST, folder, rounds),
        "binarize": _binarize(folder, rounds),
        "dedupe": _dedupe(folder, rounds),
        "line_large": None,
    }
    if large:
        details["line_large"] = _large(folder, Corpus(rows * TIMES_LARGE))
    return {**figures_of(details), "details": details}


def figures_of(details: dict[str, Any]) -> dict[str, float | None]:
    """The eight figures that what was measured comes down to, those of ``large`` None without it."""
    binarize, dedupe = details["binarize"], details["dedupe"]
    mine, peer = BINARIZE_COMPARED
    small, large = details["line"], details["line_large"]
    fastest = min(dedupe[name]["seconds"] for name in DEDUPE if name != "ours")
    return {
        "binarize_speedup": binarize[peer]["seconds"] / binarize[mine]["seconds"],
        "dedupe_speedup": fastest / dedupe["ours"]["seconds"],
        "dedupe_recall": dedupe["judged"]["ours"]["recall"],
        "dedupe_precision": dedupe["judged"]["ours"]["precision"],
        "seconds_64k": small["seconds"],
        "peak_mb_64k": small["peak_mb"],
        "seconds_ratio_640k": large["seconds"] / small["seconds"] if large else None,
        "peak_mb_640k": large["peak_mb"] if large else None,
    }


# --- the parts ------------------------------------------------------------------------------------------


def _write(corpus: Corpus, folder: Path) -> None:
    written = write_corpus(corpus, folder / files.CORPUS, folder / files.TRUTH)
    for _ in track(written, f"writing {corpus.rows:,} rows", -(-corpus.rows // corpus.block_rows), "blocks"):
        pass
    write_benchmark(corpus, folder / files.BENCHMARK)


def _run_line(folder: Path, corpus: Corpus, name: str, number: int = 0) -> line.Line:
    """Run all stages once; the completions of the first full run stay for binarize."""
    project = folder / "project"
    project.mkdir()
    rows = folder / files.CORPUS
    if not number:
        _write(corpus, project)
        rows = project / files.CORPUS
    line.make_project(project, rows, folder / files.BENCHMARK)
    done = line.run_line(project, name)
    if number == 1:
        (project / "data" / "pull" / "completions.parquet").rename(folder / files.COMPLETIONS)
    shutil.rmtree(project)
    return done


def _large(folder: Path, corpus: Corpus) -> dict[str, Any]:
    """All stages once over many rows; what was there before is deleted to make room."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    _write(corpus, folder)
    return {"rows": corpus.rows, **line.summary([_run_line(folder, corpus, "large line", 1)])}


def _summaries(module: str, functions: tuple[str, ...], folder: Path, rounds: int) -> dict[str, Any]:
    found = trials.alternate(module, functions, folder, rounds)
    return {name: trial.summary() for name, trial in found.items()}


def _binarize(folder: Path, rounds: int) -> dict[str, Any]:
    trials.contest("binarizing", "prepare", folder)
    found = _summaries("binarizing", BINARIZE, folder, rounds)
    found["agreement"] = trials.contest("binarizing", "compare", folder)
    if found["agreement"]["different"]:
        raise PipelineError(
            "Two ways to binarize by one rule give different pairs, so that their times cannot be compared",
            found=str(found["agreement"]),
        )
    return found


def _dedupe(folder: Path, rounds: int) -> dict[str, Any]:
    prepared = trials.contest("deduping", "prepare", folder)
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        cold = trials.contest("deduping", "ours", folder, {"NUMBA_CACHE_DIR": cache})
    found = _summaries("deduping", DEDUPE, folder, rounds)
    found["judged"] = trials.contest("deduping", "judge", folder)
    return {**found, "fold_seconds": prepared["fold_seconds"], "compile_seconds": cold["warm_up_seconds"]}


def _need_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PipelineError(
            "The disk is too small for these rows",
            file=folder,
            found=f"{free / 1e9:.1f} GB free",
            expected=f"{needed / 1e9:.1f} GB",
            hint="Name a folder on another disk by --work, or take fewer --rows",
        )


# --- the command ----------------------------------------------------------------------------------------


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write the page with the tables here.")
    ] = None,
    large: Annotated[
        bool, typer.Option("--large", help="Ten times the rows from pull to split, too.")
    ] = False,
    rows: Annotated[int, typer.Option(min=1_000, help="Rows of the corpus.")] = ROWS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 3,
    work: Annotated[
        Path | None, typer.Option(help="Where scratch files go, and are deleted; default: the system's.")
    ] = None,
) -> None:
    """Measure the data half side by side with what people use today."""
    with foreseen_faults():
        need_peer("datasketch", "the search for near duplicates")
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=work) as folder:
            figures = measure(Path(folder), rows, rounds, large)
        if json_file is not None:
            write_json(json_file, figures)
        if markdown_file is not None:
            write_text(markdown_file, markdown(figures))
        print_sections(plain_console(), sections(figures))


if __name__ == "__main__":
    typer.run(main)
