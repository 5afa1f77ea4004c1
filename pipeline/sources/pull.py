"""The stage ``pull``: raw rows of any source to the completions table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import PipelineError
from pipeline.files import atomic_folder, sha256_file
from pipeline.ledger import Ledger, stop_if_empty, write_funnel, write_ledger
from pipeline.params import SourceParams
from pipeline.params.source import PRIVATE_KINDS
from pipeline.progress import progress_bar
from pipeline.schema import COMPLETIONS
from pipeline.sources import argilla_binarized, generated, hh_rlhf, ultrafeedback
from pipeline.sources import ultrafeedback_binarized as h4_binarized
from pipeline.sources.blocks import BLOCK_BYTES
from pipeline.sources.formats import format_of
from pipeline.sources.layout import layout_adapter, understand
from pipeline.sources.locate import locate
from pipeline.sources.parquet_blocks import count_rows
from pipeline.sources.private.singles import PROMPT_KEY, grouped
from pipeline.sources.raw_files import check_file
from pipeline.sources.reading import Adapter, OnBad, read_file
from pipeline.sources.source_words import file_facts, understood_lines
from pipeline.sources.tally import Tally
from pipeline.spill import Spill, spill
from pipeline.tables import open_table

# Private kinds have no entry: their adapter follows from their rows (pipeline.sources.layout).
ADAPTERS: Mapping[str, Callable[[str | None], Adapter]] = {
    "sample": ultrafeedback.adapter,
    "ultrafeedback": ultrafeedback.adapter,
    "ultrafeedback_binarized": lambda _: h4_binarized.ADAPTER,
    "argilla_binarized": lambda _: argilla_binarized.ADAPTER,
    "hh_rlhf": lambda _: hh_rlhf.ADAPTER,
}
"""How each kind of source is read, given ``source.score_column``."""

SCORED_KINDS = ("sample", "ultrafeedback")
"""The kinds whose completions may have a score of the user's naming."""

_MEGABYTE = 1_000_000

_ROW_BYTES = 250
"""A short packed row, by which the number of rows is estimated."""


@dataclass(frozen=True)
class Source:
    """What raw files hold, in memory.

    Attributes:
        completions: The completions table, in the order of the files and their rows.
        ledger: The rows that have no completions.
        tally: The counts, and the ids of all rows.
    """

    completions: pl.DataFrame
    ledger: Ledger
    tally: Tally


def pull(params: SourceParams, folder: Path, metrics: Path, block_bytes: int = BLOCK_BYTES) -> None:
    """Read the source named by params and write its completions, ledger and counts.

    Args:
        params: The section ``source``.
        folder: Replaced whole: ``completions.parquet``, ``ledger.parquet``; for the sample also
            ``sample.jsonl`` and ``truth.parquet``.
        metrics: The JSON file of counts.
        block_bytes: About how much raw text is read at once; nothing but memory depends on it and, with rows
            of mixed types, how many are counted as read singly.

    Raises:
        PipelineError: If the source cannot be had or read, a row is not of its shape (with
            ``on_bad_row: drop``: more rows than allowed), or nothing is left.
        OSError: If the outputs cannot be written.
    """
    check_params(params)
    tally = Tally()
    with atomic_folder(folder) as partial:
        lineage: dict[str, Any] = {"kind": params.kind}
        truths: list[pl.DataFrame] = []
        if params.kind == "sample":
            files = {generated.NAME: partial / generated.NAME}
            truths = generated.write_sample(params.sample, files[generated.NAME])
            lineage |= {"rows": params.sample.rows, "seed": params.sample.seed}
        else:
            located = locate(params)
            files = located.files
            lineage |= located.lineage
        adapter, understood = _adapter(params, files)
        lineage |= understood
        if params.score_column is not None:
            lineage["score_column"] = params.score_column
        lineage["files"] = [{"name": name, "sha256": sha256_file(path)} for name, path in files.items()]
        with open_table(partial / "completions.parquet", COMPLETIONS, lineage) as table:
            for completions in completion_blocks(
                files, adapter, tally, block_bytes, params.on_bad_row, partial / "spilled"
            ):
                table.write(completions)
        tally.check_bad_share(params.max_bad_share)
        check_tally(tally, params.score_column)
        write_ledger(partial, tally.ledger)
        if params.kind == "sample":
            generated.write_truth(partial / "truth.parquet", truths, tally.row_ids, lineage)
    rows = tally.row_ids.len()
    write_funnel(
        metrics, "rows", rows, "rows with completions", tally.rows_kept, tally.ledger, tally.counts()
    )


def read_source(files: Mapping[str, Path], adapter: Adapter, block_bytes: int = BLOCK_BYTES) -> Source:
    """Read raw files into the completions table, in memory.

    Args:
        files: Name (as tables record it) to path, in order.
        adapter: How their rows are read.
        block_bytes: About how much raw text is read at once.

    Raises:
        PipelineError: As :func:`completion_blocks`, and if no row has completions.
    """
    tally = Tally()
    blocks = completion_blocks(files, adapter, tally, block_bytes)
    completions = pl.concat([COMPLETIONS.empty(), *blocks])
    check_tally(tally, None)
    return Source(completions, tally.ledger, tally)


def completion_blocks(
    files: Mapping[str, Path],
    adapter: Adapter,
    tally: Tally,
    block_bytes: int = BLOCK_BYTES,
    on_bad: OnBad = "error",
    folder: Path | None = None,
) -> Iterator[pl.DataFrame]:
    """The completions table of raw files, block by block; those of one row lie in one block.

    Args:
        files: Name (as tables record it) to path, in order.
        adapter: How their rows are read.
        tally: Takes the counts, and the rows that have no completions.
        block_bytes: About how much raw text is read at once.
        on_bad: What to do with a row that is not of the adapter's shape: stop, or enter it in the ledger.
        folder: Where rows may wait for others of the same prompt, made and removed if need be; None: they
            wait in memory.

    Raises:
        PipelineError: If a file cannot be read, or a row that is not to be dropped.
        OSError: If the folder cannot be written.
    """
    records = _identified(files, adapter, tally, block_bytes, on_bad)
    if not adapter.by_prompt:
        for block in records:
            tally.count(block)
            yield block.select(list(COMPLETIONS.columns))
        return
    tally.groups = 0
    if folder is None:
        yield from grouped(records, tally, Spill(Path(), PROMPT_KEY, parts=1))
        return
    with spill(
        folder, PROMPT_KEY, sum(path.stat().st_size for path in files.values()) // _ROW_BYTES
    ) as spilled:
        yield from grouped(records, tally, spilled)


def _identified(
    files: Mapping[str, Path], adapter: Adapter, tally: Tally, block_bytes: int, on_bad: OnBad
) -> Iterator[pl.DataFrame]:
    """Records of raw files with the raw row's id, file and line, block by block."""
    for name, path in files.items():
        check_file(path)
        with progress_bar() as display:
            has_rows = format_of(path).kind == "parquet"
            total = count_rows(path) if has_rows else _megabytes(path.stat().st_size)
            task = display.begin(f"reading {name}", total, "rows" if has_rows else "MB")
            before = 0
            for block in read_file(path, adapter, block_bytes, on_bad):
                yield tally.identified(block, name).with_columns(file=pl.lit(name))
                done = block.done if has_rows else _megabytes(block.done)
                display.done(task, done - before)
                before = done


def _megabytes(count: int) -> int:
    return -(-count // _MEGABYTE)


def _adapter(params: SourceParams, files: Mapping[str, Path]) -> tuple[Adapter, dict[str, Any]]:
    """How the source is read, and what the lineage says of it."""
    if params.kind not in PRIVATE_KINDS:
        return ADAPTERS[params.kind](params.score_column), {}
    layout = understand(files, params)
    print("\n".join(understood_lines(layout.kind, file_facts(files), layout)))
    return layout_adapter(layout, params), {"layout": layout.as_lineage()}


def check_params(params: SourceParams) -> None:
    """Refuse params that do not fit the source's kind.

    Raises:
        PipelineError: If there are any.
    """
    if params.kind == "sample" and params.path is not None:
        raise PipelineError(
            "The sample is generated, not read",
            key="source.path",
            found=str(params.path),
            expected="null while source.kind is sample",
            hint="Set source.kind to the shape of that file",
        )
    if params.score_column is not None and params.kind not in SCORED_KINDS:
        raise PipelineError(
            "Rows that are pairs have no score column",
            key="source.score_column",
            found=params.score_column,
            expected=f"null while source.kind is {params.kind}",
            hint=f"It names a number beside each completion, in source.kind {' or '.join(SCORED_KINDS)}",
        )
    asked = [name for name in ("columns", "labels") if getattr(params, name) != type(getattr(params, name))()]
    if asked and params.kind not in PRIVATE_KINDS:
        raise PipelineError(
            "The fields of a known dataset are known",
            key=f"source.{asked[0]}",
            found=", ".join(
                f"{name}: {value}" for name, value in getattr(params, asked[0]).model_dump().items() if value
            ),
            expected=f"nothing but null or [] while source.kind is {params.kind}",
            hint=f"Set source.kind to the shape of your rows: {', '.join(PRIVATE_KINDS)}",
        )


def check_tally(tally: Tally, score_column: str | None) -> None:
    """Check what was counted over the whole source.

    Args:
        tally: The counts.
        score_column: ``source.score_column``.

    Raises:
        PipelineError: If no row has completions, or none the named score; or if the law of conservation is
            broken.
    """
    tally.check()
    stop_if_empty(
        tally.completions,
        tally.ledger,
        "completions",
        "Check that source.kind in params.yaml names the files' shape",
    )
    if score_column is not None and not tally.named_scores:
        raise PipelineError(
            "No completion has the named score",
            key="source.score_column",
            found=f"no number under {score_column!r} in any of {tally.completions} completions",
            expected="a number beside the response of at least one completion",
            hint="Correct the name, or set it to null if binarize.score is not named",
        )
