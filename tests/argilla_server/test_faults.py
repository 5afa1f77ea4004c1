"""What goes wrong between this pipeline and a real Argilla server, and what is said of it."""

from __future__ import annotations

import html
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.curation.argilla_client import RemoteDataset, Server
from pipeline.curation.argilla_form import GUIDELINES
from pipeline.curation.argilla_push import BATCH, BrokenConnectionError, Pushed, push_queue
from pipeline.curation.argilla_sync import pull, push
from pipeline.curation.sent import read_sent
from pipeline.errors import PipelineError
from pipeline.params import ArgillaParams, CurateParams
from tests.argilla_server.running import ArgillaServer, key
from tests.curation.queues import queue_of, real_queue

ONE = {"chosen": "x", "rejected": "y"}


def changed(params: CurateParams, **argilla: Any) -> CurateParams:
    return params.model_copy(update={"argilla": params.argilla.model_copy(update=argilla)})


class Unlucky:
    """A dataset whose server is killed under the second batch, and whose third answer is lost.

    Args:
        remote: The dataset.
        server: Its server.
    """

    def __init__(self, remote: RemoteDataset, server: ArgillaServer) -> None:
        self._remote, self._server, self.calls = remote, server, 0
        self.where, self.pair_ids = remote.where, remote.pair_ids

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        self.calls += 1
        if self.calls == 2:
            killer = threading.Timer(0.02, self._server.kill)
            killer.start()
            try:
                self._remote.send(records)
            finally:
                killer.join()
            return
        self._remote.send(records)
        if self.calls == 4:
            raise BrokenConnectionError("the answer was lost")


def test_server_killed_mid_push(argilla: ArgillaServer, params: CurateParams, tmp_path: Path) -> None:
    """Killed under a request and started again: every pair is there once, and no answer is lost."""
    queue, record = real_queue(6 * BATCH), tmp_path / "sent.jsonl"
    remote = Server(params.argilla).create(GUIDELINES)
    push_queue(queue.head(1), remote, record)
    dataset = remote.where.partition("#")[2]
    argilla.respond("ann", argilla.records(dataset)[0]["id"], "submitted", preference="both_bad")
    waits: list[float] = []

    def restart(seconds: float) -> None:
        waits.append(seconds)
        try:
            argilla.ask("owner", "GET", "/api/v1/version")
        except OSError:
            argilla.start()

    unlucky = Unlucky(remote, argilla)
    assert push_queue(queue, unlucky, record, sleep=restart) == Pushed(6 * BATCH - 1, 1, [])
    assert waits and set(waits) == {1.0}

    records = argilla.records(dataset)
    ids = queue["pair_id"].to_list()
    assert sorted(each["external_id"] for each in records) == sorted(ids)
    assert [line.pair_id for line in read_sent(record)] == ids
    by_id = {each["external_id"]: each for each in records}
    for line, row in zip(read_sent(record), queue.iter_rows(named=True), strict=True):
        assert html.unescape(by_id[row["pair_id"]]["fields"]["response_a"]) == row[line.first]
    (said,) = [each for each in records if each["responses"]]
    assert said["external_id"] == ids[0]
    assert said["responses"][0]["values"] == {"preference": {"value": "both_bad"}}


@pytest.mark.parametrize("command", [push, pull])
def test_deleted_dataset(argilla: ArgillaServer, params: CurateParams, tmp_path: Path, command: Any) -> None:
    params = changed(params, dataset=f"deleted-before-{command.__name__}")
    arguments = (queue_of(ONE),) if command is push else ()
    push(queue_of(ONE), params, tmp_path)
    (line,) = read_sent(tmp_path / "curation/sent.jsonl")
    argilla.ask("owner", "DELETE", f"/api/v1/datasets/{line.where.partition('#')[2]}")
    with pytest.raises(PipelineError) as caught:
        command(*arguments, params, tmp_path)
    assert "The dataset was deleted from Argilla, or this is another server" in str(caught.value)
    assert f"1 pairs were sent to {line.where}" in str(caught.value)
    assert "push --recreate" in str(caught.value)
    if command is push:
        assert push(*arguments, params, tmp_path, recreate=True) == Pushed(1, 0, [])
        assert len({each.where for each in read_sent(tmp_path / "curation/sent.jsonl")}) == 2


def test_dataset_deleted_while_it_is_sent_to(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path
) -> None:
    remote = Server(params.argilla).create(GUIDELINES)
    argilla.ask("owner", "DELETE", f"/api/v1/datasets/{remote.where.partition('#')[2]}")
    with pytest.raises(PipelineError, match="the dataset was deleted"):
        push_queue(queue_of(ONE), remote, tmp_path / "sent.jsonl")


def test_nothing_pushed_yet(argilla: ArgillaServer, params: CurateParams, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no such dataset.*curate push` makes it"):
        pull(params, tmp_path)


def test_a_dataset_that_was_never_published_is_made_again(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path
) -> None:
    """A connection that broke between making and publishing leaves one; it can hold no answers."""
    workspaces = argilla.ask("owner", "GET", "/api/v1/me/workspaces")["items"]
    body = {"name": params.argilla.dataset, "workspace_id": workspaces[0]["id"]}
    half = argilla.ask("owner", "POST", "/api/v1/datasets", body)["id"]
    assert push(queue_of(ONE), params, tmp_path) == Pushed(1, 0, [])
    assert not read_sent(tmp_path / "curation/sent.jsonl")[0].where.endswith(half)


def test_a_dataset_with_other_questions(argilla: ArgillaServer, params: CurateParams, tmp_path: Path) -> None:
    workspaces = argilla.ask("owner", "GET", "/api/v1/me/workspaces")["items"]
    body = {"name": params.argilla.dataset, "workspace_id": workspaces[0]["id"]}
    path = f"/api/v1/datasets/{argilla.ask('owner', 'POST', '/api/v1/datasets', body)['id']}"
    shown = {"name": "prompt", "title": "Prompt", "required": True, "settings": {"type": "text"}}
    argilla.ask("owner", "POST", f"{path}/fields", shown)
    asked = {"name": "rating", "title": "?", "required": True, "settings": {"type": "text"}}
    argilla.ask("owner", "POST", f"{path}/questions", asked)
    argilla.ask("owner", "PUT", f"{path}/publish")
    with pytest.raises(PipelineError) as caught:
        push(queue_of(ONE), params, tmp_path)
    assert "no correction, preference, response_a, response_b" in str(caught.value)


def test_another_number_of_answers(argilla: ArgillaServer, params: CurateParams, tmp_path: Path) -> None:
    push(queue_of(ONE), params, tmp_path)
    with pytest.raises(PipelineError, match=r"min_submitted.*3 in params, 1 in Argilla"):
        pull(changed(params, min_submitted=3), tmp_path)


def test_records_that_nobody_can_unblind(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path
) -> None:
    """The record of what was sent is lost: answers are left out, never guessed."""
    queue = queue_of(ONE)
    push(queue, params, tmp_path)
    (line,) = read_sent(tmp_path / "curation/sent.jsonl")
    (record,) = argilla.records(line.where.partition("#")[2])
    argilla.respond("ann", record["id"], "submitted", preference="A")
    (tmp_path / "curation/sent.jsonl").unlink()
    responses = pull(params, tmp_path).responses
    assert responses.annotations.height == 0 and responses.unknown == queue["pair_id"].to_list()
    assert push(queue, params, tmp_path) == Pushed(0, 1, queue["pair_id"].to_list())


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("nobody", "Argilla does not know this key (key ARGILLA_API_KEY)"),
        ("ann", "This Argilla key may not manage datasets (key ARGILLA_API_KEY). Found: ann, annotator."),
    ],
)
def test_keys(argilla: ArgillaServer, monkeypatch: pytest.MonkeyPatch, user: str, said: str) -> None:
    monkeypatch.setenv("ARGILLA_API_KEY", key(user))
    with pytest.raises(PipelineError) as caught:
        Server(ArgillaParams(workspace="curation"))
    assert said in str(caught.value) and key(user) not in str(caught.value)


def test_no_such_workspace(argilla: ArgillaServer) -> None:
    with pytest.raises(PipelineError, match=r"workspace.*Found: nowhere\. Expected: one of curation\."):
        Server(ArgillaParams(workspace="nowhere"))
