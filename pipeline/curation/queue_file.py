"""The queue on the disk: built where it is missing or out of date, the same until then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.curation.decisions import Decision, read_decisions
from pipeline.curation.languages import pair_languages
from pipeline.curation.queue import Queue, build_queue
from pipeline.curation.resolve import resolve
from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.params import CurateParams, project_path
from pipeline.schema import CLUSTERED_PAIRS, COMPLETIONS, QUEUE, SUSPECTS
from pipeline.tables import StoredTable, read_lineage, read_table, write_table

QUEUE_FILE = Path("data/queue/queue.parquet")
PAIRS_FILE = Path("data/dedupe/pairs.parquet")
COMPLETIONS_FILE = Path("data/pull/completions.parquet")
SUSPECTS_FILE = Path("data/suspects/suspects.parquet")


def current_queue(root: Path, params: CurateParams) -> pl.DataFrame:
    """The queue to send or show: the file's, or a new one where pairs, suspects or params have changed.

    People's answers do not change it: who sends it again sends the same pairs.

    Args:
        root: The project's top folder.
        params: The section ``curate``.

    Returns:
        Rows of :data:`~pipeline.schema.QUEUE`, the first to be shown first.

    Raises:
        PipelineError: As :func:`rebuild_queue`.
    """
    path = root / QUEUE_FILE
    if path.is_file() and read_lineage(path) == _lineage(root, params):
        return read_table(path, QUEUE)
    return rebuild_queue(root, params).rows


def rebuild_queue(root: Path, params: CurateParams) -> Queue:
    """Choose the pairs anew, those that are decided on left out, and write ``data/queue/queue.parquet``.

    Raises:
        PipelineError: If there are no pairs yet, a table breaks its schema, a decision is not valid, or every
            pair is decided on.
    """
    lineage = _lineage(root, params)
    suspects = root / SUSPECTS_FILE
    completions = root / COMPLETIONS_FILE
    queue = build_queue(
        StoredTable(root / PAIRS_FILE, CLUSTERED_PAIRS),
        StoredTable(completions, COMPLETIONS) if completions.is_file() else None,
        read_table(suspects, SUSPECTS, ["pair_id", "texts_sha256", "suspicion"])
        if suspects.is_file()
        else None,
        params.queue,
        _decided(root, params),
    )
    if not queue.rows.height:
        raise PipelineError(
            "No pair is left to ask about",
            file=root / PAIRS_FILE,
            found=", ".join(f"{name} had {count}" for name, count in queue.wished.items()),
            expected="pairs without a decision that a strategy of curate.queue.weights wants",
            hint="Give curate.queue.weights.random a weight, or take more data",
        )
    rows = queue.rows.with_columns(pair_languages(queue.rows))
    write_table(rows, root / QUEUE_FILE, QUEUE, lineage)
    return Queue(rows, queue.wished)


def _lineage(root: Path, params: CurateParams) -> dict[str, Any]:
    """What a queue is made from, decisions apart."""
    pairs, suspects = root / PAIRS_FILE, root / SUSPECTS_FILE
    if not pairs.is_file():
        raise PipelineError(
            "There are no pairs to choose from",
            file=pairs,
            expected="the table that stage dedupe writes",
            hint="Run `dvc repro dedupe`",
        )
    return {
        "pairs_sha256": sha256_file(pairs),
        "suspects_sha256": sha256_file(suspects) if suspects.is_file() else None,
        "queue": params.queue.model_dump(mode="json"),
    }


def _decided(root: Path, params: CurateParams) -> dict[str, str | None]:
    """The pairs on which the decisions come to something, with the hash of the texts it is about."""
    path = root / project_path(params.decisions)
    if not path.is_file():
        return {}
    by_pair: dict[str, dict[int, Decision]] = {}
    for number, decision in read_decisions(path).items():
        by_pair.setdefault(decision.pair_id, {})[number] = decision
    found = {pair_id: resolve(lines, params.resolve).decision for pair_id, lines in by_pair.items()}
    return {pair_id: each.texts_sha256 for pair_id, each in found.items() if each is not None}
