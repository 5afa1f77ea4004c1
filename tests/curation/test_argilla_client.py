"""Faults that need no Argilla server: nothing there, something else there, nothing installed."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.curation.argilla_client import Server
from pipeline.errors import PipelineError
from pipeline.params import ArgillaParams

PARAMS = ArgillaParams()
KEY = "a-key-that-nobody-may-read"


class Page(http.server.BaseHTTPRequestHandler):
    """A web server that is no Argilla: a page for every address."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fault(monkeypatch: pytest.MonkeyPatch, url: str | None, key: str | None = KEY) -> str:
    for name, value in (("ARGILLA_API_URL", url), ("ARGILLA_API_KEY", key)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError) as caught:
        Server(PARAMS)
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "variable ARGILLA_API_URL is not set" in fault(monkeypatch, None)
    assert "variable ARGILLA_API_KEY is not set" in fault(monkeypatch, "http://localhost:6900", " ")


def test_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("argilla", reason="the extra argilla is not installed")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    said = fault(monkeypatch, f"http://127.0.0.1:{port}")
    assert said.startswith("No Argilla server answers (key ARGILLA_API_URL)") and f":{port}" in said


@pytest.mark.parametrize("url", ["localhost:6900", "http://[half"])
def test_no_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    pytest.importorskip("argilla", reason="the extra argilla is not installed")
    assert fault(monkeypatch, url).startswith("No Argilla server answers (key ARGILLA_API_URL)")


@pytest.mark.parametrize("status", [200, 404])
def test_something_else_answers(
    monkeypatch: pytest.MonkeyPatch, elsewhere: http.server.HTTPServer, status: int
) -> None:
    pytest.importorskip("argilla", reason="the extra argilla is not installed")
    monkeypatch.setattr(Page, "status", status)
    said = fault(monkeypatch, f"http://127.0.0.1:{elsewhere.server_port}")
    assert "no Argilla 2 server" in said


def test_extra_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "argilla", None)
    said = fault(monkeypatch, "http://localhost:6900")
    assert said.startswith("Argilla's client is not installed") and "'.[argilla]'" in said


def test_one_module_imports_argilla_and_only_when_it_is_used() -> None:
    root = Path(__file__).parents[2]
    lines = {
        path.relative_to(root).as_posix()
        for top in ("pipeline", "stages")
        for path in (root / top).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.split()[:2] in (["import", "argilla"], ["from", "argilla"])
        or line.strip().startswith(("from argilla.", "import argilla."))
    }
    assert lines == {"pipeline/curation/argilla_client.py"}
    code = "import sys, pipeline.curation.argilla_sync; sys.exit('argilla' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
