"""The whole of check: read the source, try the stages on a sample, measure, and say what to change."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from pipeline.errors import PipelineError, as_fault
from pipeline.inspection.advice import observations, sample_changes
from pipeline.inspection.earlier import earlier_runs
from pipeline.inspection.estimates import Probe, estimate_stages
from pipeline.inspection.facts import pair_facts
from pipeline.inspection.findings import Findings, RowError
from pipeline.inspection.model_part import ModelPart, local_model, look_with_model
from pipeline.inspection.opening import Asked, Opened, locate_source, open_source
from pipeline.inspection.reservoir import Reservoir
from pipeline.inspection.row_advice import row_changes, source_changes
from pipeline.inspection.trial import Trial, try_stages
from pipeline.inspection.watch import Watch
from pipeline.inspection.workload import expected_work
from pipeline.params import Params
from pipeline.runs import peak_memory_bytes
from pipeline.sources.pull import check_tally, completion_blocks
from pipeline.sources.source_words import file_facts

SAMPLE_ROWS = 2000
"""Rows that the stages are tried on."""


@dataclass(frozen=True)
class _Read:
    """The source, read: its counts, a sample of its completions and of how many rows it is, and the time."""

    watch: Watch
    sample: pl.DataFrame
    rows: int
    seconds: float


def inspect(params: Params, root: Path, asked: Asked, sample_rows: int = SAMPLE_ROWS) -> Findings:
    """Look at a source without writing anything that stays.

    Args:
        params: All of them.
        root: The project's top folder, with ``models/base`` and earlier runs if there are any.
        asked: What is looked at, if not the source of params.
        sample_rows: Rows that are held and tried.

    Returns:
        What was found; a fault of the source or of params is in it, not raised.
    """
    found = Findings()
    with tempfile.TemporaryDirectory(prefix="check-") as scratch:
        try:
            located = locate_source(params.source, asked, Path(scratch))
            found.files = file_facts(located.files)
            opened = open_source(located)
            found.kind, found.layout = opened.params.kind, opened.layout
            read = _read(opened, sample_rows, Path(scratch))
        except (PipelineError, OSError) as error:
            _stop(found, as_fault(error))
            return found
    _count(found, opened, read)
    if found.usable:
        _try(found, params.model_copy(update={"source": opened.params}), root, read)
    found.changes = [
        *source_changes(params.source, opened, asked),
        *row_changes(opened.params, found),
        *found.changes,
    ]
    return found


def _read(opened: Opened, sample_rows: int, scratch: Path) -> _Read:
    """Go through all rows, those that cannot be read too.

    Raises:
        PipelineError: If a file is missing, cut off or damaged.
    """
    watch, reservoir = Watch(labels=opened.labels), Reservoir(sample_rows)
    began = time.perf_counter()
    waiting = scratch / "waiting"
    for completions in completion_blocks(opened.files, opened.adapter, watch, on_bad="drop", folder=waiting):
        reservoir.add(completions)
    return _Read(watch, reservoir.completions(), reservoir.seen, time.perf_counter() - began)


def _stop(found: Findings, error: PipelineError) -> None:
    found.stops.append(error)
    found.errors.append(RowError.of(error))


def _count(found: Findings, opened: Opened, read: _Read) -> None:
    """Rows, defects, and what pull itself would stop at."""
    watch = read.watch
    found.rows, found.usable = watch.row_ids.len(), watch.rows_kept
    found.files = [replace(file, rows=watch.rows_of(file.name)) for file in found.files]
    found.defects, found.errors = watch.defects(), list(watch.errors)
    found.bad_rows = sum(watch.bad.values())
    if watch.errors and opened.params.on_bad_row == "error":
        found.stops.append(watch.errors[0].error())
        return
    if not found.usable and watch.errors:
        found.stops.append(watch.errors[0].error())
        return
    try:
        watch.check_bad_share(opened.params.max_bad_share)
        check_tally(watch, opened.params.score_column)
    except PipelineError as error:
        _stop(found, error)


def _try(found: Findings, params: Params, root: Path, read: _Read) -> None:
    """The stages on the sample, the model's view of what is left, estimates and advice."""
    folder = local_model(root, params.model)
    tokenizer_file = folder / "tokenizer.json" if folder is not None else None
    is_whole = read.sample["row_id"].n_unique() == read.rows
    trial = try_stages(params, read.sample, is_whole, tokenizer_file)
    data_memory = peak_memory_bytes()
    shown = (trial.pairs if trial.pairs.height else trial.made).sort("pair_id").head(SAMPLE_ROWS)
    model = look_with_model(folder, params, shown)
    facts = pair_facts(params.binarize, read.sample, trial.made, trial.margins)
    found.trial, found.facts, found.tried_of = trial, facts, read.rows
    found.tokenizer = None if model.folder is None else model.folder.relative_to(root).as_posix()
    found.tokens, found.examples = model.tokens, model.examples
    for error in (trial.stopped, model.stopped):
        if error is not None:
            _stop(found, error)
    work = expected_work(read.rows, trial, model.tokens, params.split, params.train)
    work.units["pull"] = found.rows
    probe = _probe(found, read, trial, model, data_memory)
    found.estimates = estimate_stages(params, work, probe, earlier_runs(root))
    longest = None if model.size is None else model.size.longest
    found.changes = sample_changes(params, trial, facts, model.tokens, longest)
    found.observations = [*observations(facts), *_busy()]


def _busy() -> list[str]:
    """A word on other work on this machine, which makes what is measured slower than it will be."""
    if not hasattr(os, "getloadavg"):
        return []
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < 1.5 * cores:
        return []
    return [
        f"Other work ran here meanwhile (load {load:.0f} on {cores} cores): alone, stages take less time."
    ]


def _probe(found: Findings, read: _Read, trial: Trial, model: ModelPart, memory: int | None) -> Probe:
    seconds = {"pull": read.seconds, **{stage.stage: stage.seconds for stage in trial.stages}}
    units = {"pull": float(found.rows), **{stage.stage: float(stage.taken) for stage in trial.stages}}
    if model.tokens is not None:
        seconds["tokenize"], units["tokenize"] = model.tokens.seconds, float(model.tokens.pairs)
    return Probe(seconds, units, memory, peak_memory_bytes(), model.size, model.flops, model.device)
