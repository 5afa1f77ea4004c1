"""A real HTTP server that speaks the chat-completions API, with the faults a judge can have."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.params import JudgeParams
from tests.local_server import QuietHandler, served

KEY = "sk-very-secret-1234567890"


@dataclass
class Answer:
    """What the server does with a call.

    Attributes:
        text: The reply's content, where the status is 200 and there is no raw body.
        status: HTTP status.
        headers: Further headers.
        raw: The body as it is, instead of a chat completion.
        hang: Seconds to keep silent before answering.
        cut: Send half of the body and close the connection.
        logprobs: The choice's logprobs.
    """

    text: str | None = "fine"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang: float = 0.0
    cut: bool = False
    logprobs: Any = None

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": {"message": f"no: {self.status} for {KEY}"}}).encode()
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.text},
            "finish_reason": "stop",
            "logprobs": self.logprobs,
        }
        usage = {"prompt_tokens": 11, "completion_tokens": 3}
        return json.dumps({"choices": [choice], "usage": usage}).encode()


class JudgeServer:
    """The server's address, and the calls it has had."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.at_once = 0
        self.most_at_once = 0

    def asked(self) -> list[str]:
        """The last message of each call."""
        return [call["messages"][-1]["content"] for call in self.calls]

    def params(self, **changes: Any) -> JudgeParams:
        """Params for this server that wait for next to nothing."""
        fast = {
            "base_url": self.url,
            "model": "test-judge",
            "key_variable": "TEST_JUDGE_KEY",
            "backoff_first": 0.001,
            "backoff_most": 0.002,
            "timeout": 5.0,
            "concurrency": 4,
        }
        return JudgeParams.model_validate({**fast, **changes})


@contextmanager
def judge_server(answer: Callable[[int, dict[str, Any]], Answer]) -> Iterator[JudgeServer]:
    """A server on a free port of this machine.

    Args:
        answer: What to do with a call, from its number (from 0) and its JSON body.
    """
    lock = threading.Lock()
    released = threading.Event()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(server.calls)
                server.calls.append(body)
                server.paths.append(self.path)
                server.keys.append(self.headers.get("Authorization"))
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                self._answer(answer(number, body))
            finally:
                with lock:
                    server.at_once -= 1

        def _answer(self, what: Answer) -> None:
            if what.hang:
                released.wait(what.hang)
            content = what.body()
            try:
                self.send_response(what.status)
                for name, value in {"Content-Length": str(len(content)), **what.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if what.cut else content)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.close_connection = True

    with served(Handler, released) as url:
        server = JudgeServer(f"{url}/v1")
        yield server
