"""A real Argilla server on a port of this machine: started, asked, killed, started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
PYTHON = Path(os.environ.get("ARGILLA_SERVER_PYTHON", ROOT / ".venv-argilla/bin/python"))
"""The server has a virtualenv of its own: it pins other versions than this project. `make test-argilla`."""

WORKSPACE = "curation"
PASSWORD = "for-tests-only"
USERS = {"owner": "owner", "admin": "admin", "ann": "annotator", "bob": "annotator"}
"""Role by name."""

START_SECONDS = 120.0
REQUEST_SECONDS = 60.0


def missing() -> str | None:
    """Why no server can be started here; None: it can."""
    if not PYTHON.is_file():
        return "the Argilla server's virtualenv is not there: `make test-argilla` makes it"
    if shutil.which("redis-server") is None:
        return "redis-server is not installed (Debian: apt install redis-server)"
    return None


def key(name: str) -> str:
    """A user's API key."""
    return f"{name}.key-for-tests"


class ArgillaServer:
    """Redis and an Argilla server over SQLite, with an owner, an admin and two annotators.

    Args:
        folder: Takes the database and the logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._redis_port, self._port = _free_ports(2)
        self.url = f"http://127.0.0.1:{self._port}"
        command = ["redis-server", "--port", str(self._redis_port), "--bind", "127.0.0.1", "--save", ""]
        self._redis = self._run("redis", [*command, "--dir", str(folder)])
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it over the database there is, and wait until it answers."""
        users = [
            {"name": name, "role": role, "password": PASSWORD, "key": key(name)}
            for name, role in USERS.items()
        ]
        command = [str(PYTHON), str(FOLDER / "serve.py"), str(self._port), WORKSPACE, json.dumps(users)]
        self._server = self._run("server", command)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._server.poll() is None:
            try:
                # /api/v1/status asks more of the server than that it is there.
                self.ask("owner", "GET", "/api/v1/version")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"Argilla did not start:\n{(self._folder / 'server.log').read_text()[-3000:]}")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._server is not None
        self._server.send_signal(signal.SIGKILL)
        self._server.wait()

    def stop(self) -> None:
        """End all that was started."""
        for process in (self._server, self._redis):
            if process is not None:
                process.kill()
                process.wait()

    def ask(self, user: str, method: str, path: str, body: Any = None) -> Any:
        """The JSON a user gets for a request."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Argilla-Api-Key": key(user), "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def records(self, dataset: str) -> list[dict[str, Any]]:
        """All records of a dataset with everybody's responses."""
        path = f"/api/v1/datasets/{dataset}/records?limit=1000&include=responses"
        return list(self.ask("owner", "GET", path)["items"])

    def queue_of(self, user: str, dataset: str) -> list[dict[str, Any]]:
        """The records that an annotator still has to answer, as their page gets them."""
        status = {"entity": "response", "property": "status"}
        body = {"filters": {"and": [{"type": "terms", "scope": status, "values": ["pending"]}]}}
        path = f"/api/v1/me/datasets/{dataset}/records/search?limit=1000&include=responses"
        return [item["record"] for item in self.ask(user, "POST", path, body)["items"]]

    def respond(self, user: str, record: str, status: str, **answers: Any) -> None:
        """Submit, discard or save a draft as a user."""
        values = {question: {"value": value} for question, value in answers.items()}
        self.ask(user, "POST", f"/api/v1/records/{record}/responses", {"values": values, "status": status})

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "ARGILLA_HOME_PATH": str(self._folder),
            "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{self._folder}/argilla.db",
            "ARGILLA_SEARCH_ENGINE": "database",
            "ARGILLA_REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0",
            "ARGILLA_AUTH_SECRET_KEY": "a-secret-for-tests-only-of-32-or-more-characters",
            "HF_HUB_OFFLINE": "1",
        }
        for name_of_client in ("ARGILLA_API_URL", "ARGILLA_API_KEY", "PYTHONPATH"):
            environment.pop(name_of_client, None)
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
