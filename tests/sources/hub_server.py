"""A real HTTP server that speaks what a download needs of the hub's API, with the faults a hub can have."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.local_server import QuietHandler, served

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Fault = Literal[
    "none", "hang", "500", "429", "429 for an hour", "cut", "cut without range", "wrong length", "wrong bytes"
]
Place = Literal["revision", "tree", "head", "file"]
"""What a request is for: the commit of a branch, the list of files, a file's facts, a file's bytes."""


@dataclass
class HubServer:
    """The server's address, what it holds, how it fails, and the requests it has had.

    Attributes:
        url: The value of HF_ENDPOINT.
        files: Name to content of the one repository there is.
        faults: How each place fails; the others do not.
        failures: How often it fails before it answers as it should; None: always.
        requests: ``METHOD path`` in order.
        headers: The headers of each.
    """

    url: str
    files: dict[str, bytes]
    faults: dict[Place, Fault] = field(default_factory=dict)
    failures: int | None = None
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def fault(self, place: Place) -> Fault:
        """How this request fails."""
        fault = self.faults.get(place, "none")
        if fault != "none" and self.failures is not None:
            if not self.failures:
                return "none"
            self.failures -= 1
        return fault


@contextmanager
def hub_server(files: Mapping[str, bytes], silence: float) -> Iterator[HubServer]:
    """A hub with one repository, of whatever name, on a free port of this machine.

    Args:
        files: What it holds.
        silence: Seconds that it says nothing where it hangs.
    """
    released = threading.Event()
    lock = threading.Lock()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._handle("head")

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            place: Place = "tree" if "/tree/" in path else "revision" if "/revision/" in path else "file"
            self._handle(place)

        def _handle(self, place: Place) -> None:
            with lock:
                server.requests.append(f"{self.command} {self.path}")
                server.headers.append(dict(self.headers))
                fault = server.fault(place)
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer(place, fault)

        def _answer(self, place: Place, fault: Fault) -> None:
            self.close_connection = True
            if fault == "hang":
                released.wait(silence)
            elif fault == "500":
                self._send(500, b"out of order")
            elif fault.startswith("429"):
                self._send(429, b"slow down", {"Retry-After": "3600" if "hour" in fault else "1"})
            elif place == "tree":
                self._send(200, json.dumps([_entry(*item) for item in server.files.items()]).encode())
            elif place == "revision":
                self._send(200, json.dumps({"id": "me/data", "sha": COMMIT}).encode())
            else:
                self._send_file(server.files[self.path.split(f"/resolve/{COMMIT}/")[1]], fault)

        def _send_file(self, content: bytes, fault: Fault) -> None:
            facts = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            status, sent = 200, content
            if fault == "wrong length":
                sent = content[:-3]
            elif fault == "wrong bytes":
                sent = bytes([content[0] ^ 1]) + content[1:]
            elif self.headers["Range"] and fault != "cut without range":
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                status, sent = 206, content[start:]
                facts["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(status, sent, facts, half=fault.startswith("cut"))

        def _send(
            self, status: int, body: bytes, headers: Mapping[str, str] | None = None, half: bool = False
        ) -> None:
            self.send_response(status)
            # Said, or the client may send its next request over this connection just as it is closed.
            self.send_header("Connection", "close")
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[: len(body) // 2] if half else body)

    with served(Handler, released) as url:
        server = HubServer(url, dict(files))
        yield server


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
