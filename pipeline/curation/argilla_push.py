"""Pairs of the queue on their way to an Argilla dataset: in batches, once each, whatever the connection does.

A record's id in the dataset is its pair_id, so that a batch whose answer was lost can be sent again and
doubles nothing. What the dataset holds already is left as it is, responses and all. The order of A and B is
written down before a batch leaves, so that no record is ever anywhere without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import polars as pl

from pipeline.curation.argilla_records import blind_record
from pipeline.curation.sent import Sent, append_sent, latest_sent, read_sent
from pipeline.errors import PipelineError
from pipeline.progress import progress_bar

Value = TypeVar("Value")

BATCH = 50
"""Records in one request: some 300 KB of the usual texts."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds to wait before each further try of a batch; a server that restarts is back within a minute."""


class BrokenConnectionError(Exception):
    """A request may or may not have arrived: it is safe, and of use, to try it again."""


class Remote(Protocol):
    """The dataset that records are sent to."""

    @property
    def where(self) -> str:
        """Its name in the record of what was sent."""

    def pair_ids(self) -> set[str]:
        """Ids of the pairs it holds; may raise :class:`BrokenConnectionError`."""

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        """Make or update records; may raise :class:`BrokenConnectionError`."""


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        sent: Pairs sent now.
        there: Pairs of the queue that the dataset held already; left as they are.
        unrecorded: Ids among those without a line in the record of what was sent; nobody can read their
            answers.
    """

    sent: int
    there: int
    unrecorded: list[str]


def push_queue(
    queue: pl.DataFrame,
    remote: Remote,
    record: Path,
    suggestions: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Pushed:
    """Send the pairs that the dataset does not hold yet.

    Args:
        queue: The table QUEUE; pairs go out in its order.
        remote: The dataset.
        record: The file of what was sent (:mod:`pipeline.curation.sent`).
        suggestions: As ``curate.argilla.suggestions`` in params.
        sleep: Waits so many seconds before a batch is tried again.

    Raises:
        PipelineError: If the connection stays broken; what arrived stays, and the next push sends the rest.
    """
    held = _persist(remote.pair_ids, sleep, "0 pairs were sent")
    known = latest_sent(read_sent(record), remote.where)
    there = queue.filter(pl.col("pair_id").is_in(list(held)))["pair_id"]
    missing = queue.filter(~pl.col("pair_id").is_in(list(held)))
    unrecorded = sorted(set(there) - set(known))
    with progress_bar() as display:
        task = display.begin("sending", missing.height, "pairs")
        sent = 0
        for batch in _batches(missing):
            lines = [_line(row, known.get(row["pair_id"]), remote.where) for row in batch]
            append_sent(record, (line for line in lines if known.get(line.pair_id) != line))
            records = [
                blind_record(row, line.first, suggestions) for row, line in zip(batch, lines, strict=True)
            ]
            state = f"{sent} of {missing.height} pairs were sent"
            _persist(partial(remote.send, records), sleep, state)
            sent += len(batch)
            display.done(task, len(batch))
    return Pushed(sent, len(there), unrecorded)


def _batches(queue: pl.DataFrame) -> Iterator[list[dict[str, Any]]]:
    for part in queue.iter_slices(BATCH):
        yield part.to_dicts()


def _line(row: dict[str, Any], known: Sent | None, where: str) -> Sent:
    """The pair's line; where one was written before for the same texts, it stands."""
    if known is not None and known.texts_sha256 == row["texts_sha256"]:
        return known
    return Sent(
        pair_id=row["pair_id"],
        texts_sha256=row["texts_sha256"],
        first=row["first"],
        where=where,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _persist(request: Callable[[], Value], sleep: Callable[[float], None], state: str) -> Value:
    """What a request gives, tried again over a broken connection."""
    for wait in WAITS:
        try:
            return request()
        except BrokenConnectionError:
            sleep(wait)
    try:
        return request()
    except BrokenConnectionError as error:
        raise PipelineError(
            "The connection to Argilla broke and stays broken",
            found=error,
            hint=f"{state}; run it again when the server is back, and it sends the rest",
        ) from error
