"""Keys in the environment: nowhere in what servers' failures make the pipeline say, write or keep.

The whole line with keys set: test_line.py; DVC's remotes: test_remotes.py.
"""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import zstandard
from huggingface_hub import constants
from huggingface_hub.utils import _http

from pipeline.curation.argilla_client import Server
from pipeline.errors import TRACEBACK, foreseen_faults
from pipeline.evaluation.benchmarks.judge import Judge, Question
from pipeline.params import ArgillaParams, HubParams, JudgeParams
from pipeline.schema import LEDGER
from pipeline.sources.hub import fetch
from pipeline.tables import write_table
from tests.project.secrets import MARK, SECRETS, leaks

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def parrot() -> Iterator[http.server.ThreadingHTTPServer]:
    """A server that refuses everything and repeats, in body and headers, the headers it was sent."""

    class Parrot(http.server.BaseHTTPRequestHandler):
        status = 401
        heard = ""

        def _repeat(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            heard = " ".join(f"{name}={value}" for name, value in self.headers.items())
            type(self).heard += heard
            self.send_response(self.status)
            self.send_header("X-Error-Message", heard)
            self.send_header("Content-Length", str(len(heard)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(heard.encode())

        do_GET = do_HEAD = do_POST = _repeat

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def address(server: http.server.ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def set_status(server: http.server.ThreadingHTTPServer, status: int) -> None:
    server.RequestHandlerClass.status = status  # type: ignore[attr-defined]


def heard(server: http.server.ThreadingHTTPServer) -> str:
    return str(server.RequestHandlerClass.heard)  # type: ignore[attr-defined]


def ask_hub(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))  # between its tries
    fetch("ultrafeedback", HubParams(repo="me/data", revision=COMMIT))


def ask_argilla(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("argilla", reason="the extra argilla is not installed")
    monkeypatch.setenv("ARGILLA_API_URL", url)
    Server(ArgillaParams())


def ask_judge(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "base_url": url,
        "model": "m",
        "key_variable": "TEST_JUDGE_KEY",
        "retries": 0,
        "give_up_after": 1,
    }
    judge = Judge(JudgeParams.model_validate(values), "m", folder / "cache.jsonl")
    question = Question("q", ({"role": "user", "content": "q"},))
    judge.ask([question], {"temperature": 0, "max_tokens": 10}, lambda reply: reply.text)


ASKED = {
    "hub": (ask_hub, "HF_TOKEN"),
    "argilla": (ask_argilla, "ARGILLA_API_KEY"),
    "judge": (ask_judge, "TEST_JUDGE_KEY"),
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
@pytest.mark.parametrize("who", ASKED)
def test_a_server_that_repeats_the_key_is_not_repeated(
    who: str,
    status: int,
    parrot: http.server.ThreadingHTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_status(parrot, status)
    ask, variable = ASKED[who]
    monkeypatch.delenv(TRACEBACK, raising=False)
    with pytest.raises(SystemExit), foreseen_faults():
        ask(address(parrot), tmp_path, monkeypatch)
    # The key was sent, and everything else is about its not coming back.
    assert SECRETS[variable] in heard(parrot)
    captured = capfd.readouterr()
    assert captured.err.rpartition("error: ")[2].strip()
    for text in (captured.out, captured.err, caplog.text):
        assert MARK not in text
    assert leaks(tmp_path) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """In plain text, in a table's cells and in its lineage, and in what is packed."""
    assert leaks(tmp_path) == []
    secret = SECRETS["HF_TOKEN"]
    long = " ".join(f"{number} {number * number:x}" for number in range(500))
    row = {"stage": "pull", "reason": "r", "row_id": "1", "detail": f"{long} said {secret}"}
    cell, note = tmp_path / "cell.parquet", tmp_path / "note.parquet"
    rows = pl.DataFrame([row], schema=LEDGER.empty().schema)
    write_table(rows, cell, LEDGER)
    write_table(rows.with_columns(detail=pl.lit("x")), note, LEDGER, {"said": secret})
    assert secret.encode() not in cell.read_bytes(), "compression hides it from a plain search"
    cell.rename(tmp_path / "cell")  # as in DVC's cache, without an ending
    (tmp_path / "log").write_text(f"token {secret}")
    (tmp_path / "rows.gz").write_bytes(gzip.compress(secret.encode()))
    (tmp_path / "rows.zst").write_bytes(zstandard.compress(secret.encode()))
    (tmp_path / "clean").write_text("nothing here")
    assert leaks(tmp_path) == ["cell", "log", "note.parquet", "rows.gz", "rows.zst"]
