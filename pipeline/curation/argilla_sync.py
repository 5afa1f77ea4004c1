"""Pushing, pulling and asking after the dataset that params name, each as one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.curation.argilla_client import RemoteDataset, Server
from pipeline.curation.argilla_form import read_guidelines
from pipeline.curation.argilla_push import BrokenConnectionError, Pushed, push_queue
from pipeline.curation.argilla_responses import Responses, read_responses
from pipeline.curation.sent import latest_sent, read_sent, record_path
from pipeline.errors import PipelineError
from pipeline.params import CurateParams
from pipeline.schema import QUEUE
from pipeline.tables import read_table


@dataclass(frozen=True)
class Pulled:
    """What a dataset in Argilla holds.

    Attributes:
        url: The server.
        where: The dataset, as the record of what was sent calls it.
        responses: What annotators said.
    """

    url: str
    where: str
    responses: Responses


def push(queue: pl.DataFrame, params: CurateParams, root: Path = Path(), recreate: bool = False) -> Pushed:
    """Send the queue's pairs that the dataset does not hold; make the dataset where there is none.

    Args:
        queue: The table QUEUE.
        params: Section ``curate``.
        root: The project's top folder, which holds the record of what was sent.
        recreate: Whether to make a dataset anew that was sent to before and is gone.

    Raises:
        PipelineError: As :class:`~pipeline.curation.argilla_client.Server` and
            :func:`~pipeline.curation.argilla_push.push_queue`; and if the dataset was deleted.
    """
    guidelines = read_guidelines(params.argilla.guidelines)
    server, record = Server(params.argilla), record_path(params, root)
    remote = server.find()
    if remote is None:
        if not recreate:
            _stop_if_deleted(server, record)
        remote = server.create(guidelines)
    return push_queue(queue, remote, record, params.argilla.suggestions)


def pull(params: CurateParams, root: Path = Path()) -> Pulled:
    """What annotators said in the dataset, un-blinded.

    Args:
        params: Section ``curate``.
        root: The project's top folder.

    Raises:
        PipelineError: As :class:`~pipeline.curation.argilla_client.Server` and
            :func:`~pipeline.curation.argilla_responses.read_responses`; if there is no such dataset, or the
            connection breaks.
    """
    server, record = Server(params.argilla), record_path(params, root)
    remote = server.find()
    if remote is None:
        _stop_if_deleted(server, record)
        raise PipelineError(
            "There is no such dataset in Argilla",
            key="curate.argilla.dataset",
            found=f"{params.argilla.workspace}/{params.argilla.dataset} at {server.url}",
            hint="`python -m pipeline curate push` makes it",
        )
    return Pulled(server.url, remote.where, _responses(remote, record))


def unsent(pulled: Pulled, queue: Path) -> int | None:
    """How many pairs of a queue the dataset does not hold; None where there is no such file.

    Args:
        pulled: What the dataset holds.
        queue: A file of the table QUEUE.
    """
    if not queue.is_file():
        return None
    queued = read_table(queue, QUEUE, ["pair_id"])
    return queued.filter(~pl.col("pair_id").is_in(pulled.responses.texts["pair_id"].implode())).height


def _responses(remote: RemoteDataset, record: Path) -> Responses:
    sent = latest_sent(read_sent(record), remote.where)
    try:
        return read_responses(remote.records(), remote.user_names(), sent, remote.where)
    except BrokenConnectionError as error:
        raise PipelineError(
            "The connection to Argilla broke", found=error, hint="Nothing was changed; run it again"
        ) from error


def _stop_if_deleted(server: Server, record: Path) -> None:
    earlier = [line for line in read_sent(record) if line.where.startswith(server.named)]
    if earlier:
        raise PipelineError(
            "The dataset was deleted from Argilla, or this is another server",
            file=record,
            key="curate.argilla.dataset",
            found=f"{len(earlier)} pairs were sent to {earlier[-1].where}, the last {earlier[-1].when}; "
            f"{server.url} has no such dataset",
            hint="What was pulled is safe. To begin anew: `python -m pipeline curate push --recreate`",
        )
