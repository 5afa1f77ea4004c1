"""What the data stages would do: the very functions they call, on a sample in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger
from pipeline.pairs.binarize import binarize
from pipeline.pairs.decontaminate import decontaminate
from pipeline.pairs.dedupe import dedupe
from pipeline.pairs.filters import apply_filters
from pipeline.pairs.split import split
from pipeline.params import FilterParams, Params
from pipeline.schema import CLUSTERED_PAIRS, PAIRS

COMPILED = ("decontaminate", "dedupe")
"""Stages whose first run on a machine compiles code, which does not take longer for more rows."""

SLOW = 1.0
"""Seconds over which such a stage is timed a second time, and the shorter time counts."""

Work = Callable[[pl.DataFrame], tuple[pl.DataFrame, Ledger]]


@dataclass(frozen=True)
class StageTrial:
    """What one stage did to the sample.

    Attributes:
        stage: Its name.
        unit: What it took in: rows or pairs.
        taken: How many.
        kept: How many pairs came out.
        dropped: Ledger entries by reason, the most first.
        seconds: Wall time.
    """

    stage: str
    unit: str
    taken: int
    kept: int
    dropped: dict[str, int]
    seconds: float


@dataclass
class Trial:
    """What the data stages did to the sample, one after the other.

    Attributes:
        rows: Raw rows in the sample.
        stages: Those that ran, in their order.
        made: The pairs that binarize made.
        margins: Margins of all candidate pairs, those below the minimum and ties among them; without nulls.
        pairs: The pairs that dedupe left, with their clusters; empty where a stage stopped.
        stopped: Why the pipeline would stop in one of these stages; None: it would not.
        notes: What was not tried, in sentences.
    """

    rows: int
    stages: list[StageTrial] = field(default_factory=list)
    made: pl.DataFrame = field(default_factory=PAIRS.empty)
    margins: pl.Series = field(default_factory=lambda: pl.Series("margin", [], pl.Float64))
    pairs: pl.DataFrame = field(default_factory=CLUSTERED_PAIRS.empty)
    stopped: PipelineError | None = None
    notes: list[str] = field(default_factory=list)


def try_stages(
    params: Params, completions: pl.DataFrame, is_whole: bool, tokenizer_file: Path | None
) -> Trial:
    """Run binarize, filter, decontaminate and dedupe on a sample; split too, where it is the whole.

    Args:
        params: All of them.
        completions: The completions table of the sample's rows.
        is_whole: Whether these are all rows there are: a split by counts means nothing on fewer.
        tokenizer_file: The base model's ``tokenizer.json``; None: a limit in tokens is not tried.
    """
    trial = Trial(completions["row_id"].n_unique())
    rules = _triable(params.filter, tokenizer_file, trial)
    works: dict[str, Work] = {
        "binarize": lambda frame: binarize(params.binarize, frame),
        "filter": lambda frame: apply_filters(rules, frame, tokenizer_file),
        "decontaminate": lambda frame: decontaminate(params.decontaminate, frame),
        "dedupe": lambda frame: dedupe(params.dedupe, frame),
    }
    frame = completions
    try:
        for stage, work in works.items():
            frame = _run(stage, work, frame, trial)
        trial.pairs = frame
        if is_whole:
            _run("split", lambda pairs: split(params.split, pairs), frame, trial)
    except PipelineError as error:
        trial.stopped = error
    return trial


def _triable(rules: FilterParams, tokenizer_file: Path | None, trial: Trial) -> FilterParams:
    if rules.max_tokens is None or tokenizer_file is not None:
        return rules
    trial.notes.append("filter.max_tokens is not tried: the base model's tokenizer is not here yet.")
    return rules.model_copy(update={"max_tokens": None})


def _run(stage: str, work: Work, frame: pl.DataFrame, trial: Trial) -> pl.DataFrame:
    """Run one stage and note what it did.

    Raises:
        PipelineError: If the stage refuses the sample, or leaves nothing of it.
    """
    unit = "rows" if stage == "binarize" else "pairs"
    taken = trial.rows if stage == "binarize" else frame.height
    seconds, (kept, ledger) = _timed(work, frame)
    if stage in COMPILED and seconds > SLOW:
        seconds = min(seconds, _timed(work, frame)[0])
    counts = sorted(ledger.counts().items(), key=lambda item: (-item[1], item[0]))
    trial.stages.append(StageTrial(stage, unit, taken, kept.height, dict(counts), seconds))
    if stage == "binarize":
        trial.made, trial.margins = kept, _margins(kept, ledger.frame())
    if kept.is_empty():
        raise PipelineError(
            f"Stage {stage} would be left with no pairs",
            found=", ".join(f"{reason}: {count}" for reason, count in counts) or "nothing came in",
            expected=f"at least one pair of {taken} {unit}",
            hint="Look at the reasons, and at what check would change",
        )
    return kept


def _timed(work: Work, frame: pl.DataFrame) -> tuple[float, tuple[pl.DataFrame, Ledger]]:
    began = time.perf_counter()
    done = work(frame)
    return time.perf_counter() - began, done


def _margins(pairs: pl.DataFrame, ledger: pl.DataFrame) -> pl.Series:
    """The margins of pairs, and of the candidates that had too little of one."""
    short = ledger.filter(pl.col("reason").is_in(["margin_below_minimum", "tie"]))["value"]
    return pl.concat([pairs["margin"], short.alias("margin")]).drop_nulls()
