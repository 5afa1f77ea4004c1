"""One real Argilla server for all tests of a process, and a project that talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.params import ArgillaParams, CurateParams
from tests.argilla_server.running import WORKSPACE, ArgillaServer, key, missing


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgillaServer]:
    if reason := missing():
        pytest.skip(reason)
    server = ArgillaServer(tmp_path_factory.mktemp("argilla"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def argilla(running: ArgillaServer, monkeypatch: pytest.MonkeyPatch) -> ArgillaServer:
    """The server, named by the environment as the owner would."""
    monkeypatch.setenv("ARGILLA_API_URL", running.url)
    monkeypatch.setenv("ARGILLA_API_KEY", key("owner"))
    return running


@pytest.fixture
def params(request: pytest.FixtureRequest, tmp_path: Path) -> CurateParams:
    """A dataset of the test's own."""
    (tmp_path / "curation").mkdir()
    (tmp_path / "curation/decisions.jsonl").touch()
    return CurateParams(argilla=ArgillaParams(dataset=request.node.name, workspace=WORKSPACE))
