"""Pushing over a connection that breaks, to a dataset that is not a real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.argilla_push import BATCH, WAITS, BrokenConnectionError, Pushed, push_queue
from pipeline.curation.sent import append_sent, read_sent
from pipeline.errors import PipelineError
from tests.curation.queues import queue_of


class Dataset:
    """Holds records by id, as Argilla does; ``fate`` is asked before and after each request."""

    where = "argilla:w/d#1"

    def __init__(self, record: Path, fate: Callable[[int, str], None] = lambda call, moment: None) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.calls, self._record, self._fate = 0, record, fate

    def pair_ids(self) -> set[str]:
        return set(self.held)

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        recorded = {line.pair_id for line in read_sent(self._record)}
        assert recorded >= {each["external_id"] for each in records}, "sent before the order was written down"
        self.calls += 1
        self._fate(self.calls, "before")
        self.held |= {each["external_id"]: each for each in records}
        self._fate(self.calls, "after")


def queue(size: int) -> pl.DataFrame:
    return queue_of(*({"chosen": f"good {number}", "rejected": f"bad {number}"} for number in range(size)))


def test_lost_requests_and_lost_answers(tmp_path: Path) -> None:
    record, waits = tmp_path / "sent.jsonl", list[float]()

    def fate(call: int, moment: str) -> None:
        if (call, moment) in {(2, "before"), (3, "before"), (5, "after")}:
            raise BrokenConnectionError

    remote, pairs = Dataset(record, fate), queue(3 * BATCH + 1)
    assert push_queue(pairs, remote, record, sleep=waits.append) == Pushed(3 * BATCH + 1, 0, [])
    assert list(remote.held) == pairs["pair_id"].to_list()
    assert waits == [1.0, 2.0, 1.0]
    assert [(line.pair_id, line.first) for line in read_sent(record)] == pairs.select(
        "pair_id", "first"
    ).rows()


def test_a_connection_that_stays_broken_and_the_next_push(tmp_path: Path) -> None:
    record, waits = tmp_path / "sent.jsonl", list[float]()

    def fate(call: int, moment: str) -> None:
        if 2 <= call <= len(WAITS) + 2:
            raise BrokenConnectionError("gone")

    remote, pairs = Dataset(record, fate), queue(2 * BATCH)
    with pytest.raises(PipelineError) as caught:
        push_queue(pairs, remote, record, sleep=waits.append)
    assert waits == list(WAITS)
    assert f"Found: gone. {BATCH} of {2 * BATCH} pairs were sent; run it again" in str(caught.value)
    before = record.read_bytes()
    # Whatever is drawn by then: the order that was written down for a pair stands.
    other = pairs.with_columns(
        first=pl.when(pl.col("first") == "chosen").then(pl.lit("rejected")).otherwise(pl.lit("chosen"))
    )
    assert push_queue(other, remote, record) == Pushed(BATCH, BATCH, [])
    assert record.read_bytes() == before
    for row in pairs.iter_rows(named=True):
        assert remote.held[row["pair_id"]]["fields"]["response_a"] == row[row["first"]]


def test_labels_exchanged_upstream_since(tmp_path: Path) -> None:
    """The dataset is empty again and the pair's texts have changed places: a new line, which counts."""
    record, pairs = tmp_path / "sent.jsonl", queue(1)
    push_queue(pairs, Dataset(record), record)
    (row,) = pairs.to_dicts()
    exchanged = queue_of({"chosen": row["rejected"], "rejected": row["chosen"], "pair_id": row["pair_id"]})
    remote = Dataset(record)
    push_queue(exchanged, remote, record)
    old, new = read_sent(record)
    assert old.pair_id == new.pair_id and old.texts_sha256 != new.texts_sha256
    assert new.texts_sha256 == exchanged["texts_sha256"][0]
    assert remote.held[new.pair_id]["fields"]["response_a"] == exchanged[new.first][0]


def test_what_is_there_without_a_line_is_told(tmp_path: Path) -> None:
    record, pairs = tmp_path / "sent.jsonl", queue(3)
    remote = Dataset(record)
    push_queue(pairs, remote, record)
    lines = read_sent(record)
    record.unlink()
    append_sent(record, lines[:1])
    assert push_queue(pairs, remote, record) == Pushed(0, 3, sorted(pairs["pair_id"][1:].to_list()))
    assert remote.calls == 1
