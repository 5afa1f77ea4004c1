"""What a judge has said, kept line by line so that nothing asked before is asked, or paid for, again."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.appending import append
from pipeline.files import canonical_json

Message = Mapping[str, str]
"""A chat message: ``role`` and ``content``."""


@dataclass(frozen=True)
class Reply:
    """What a chat-completions endpoint answered.

    Attributes:
        text: The message's content; empty where the endpoint sent none.
        logprobs: The ``logprobs`` object of the choice, as sent; None where there is none.
        finish_reason: Why the reply ended, as the endpoint says it.
        prompt_tokens: Tokens of the prompt by the endpoint's own count; None where it gives no count.
        reply_tokens: Tokens of the reply, likewise.
    """

    text: str
    logprobs: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None


def request_key(base_url: str, model: str, messages: Sequence[Message], settings: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what decides a reply: the endpoint, the model, the messages and the settings."""
    asked = {"base_url": base_url, "messages": list(messages), "model": model, "settings": dict(settings)}
    return hashlib.sha256(canonical_json(asked).encode("utf-8", "surrogatepass")).hexdigest()


class JudgeCache:
    """An append-only JSON Lines file of replies, several per request where it was asked again.

    Every line is flushed to the disk before :meth:`add` returns. A line that a killed process left half
    written is skipped, and counted in ``damaged_lines``; the next one starts on a line of its own.

    Args:
        path: The file; made with the first reply.

    Raises:
        PipelineError: If the file is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged_lines = 0
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        self._line_is_open = False
        if path.exists():
            self._read()

    def replies(self, key: str) -> list[Reply]:
        """The replies to a request so far, oldest first."""
        with self._lock:
            return list(self._replies.get(key, ()))

    def add(self, key: str, reply: Reply) -> None:
        """Keep a reply; it is on the disk when this returns. Safe to call from several threads.

        Raises:
            OSError: If it cannot be written.
        """
        line = json.dumps({"key": key, **vars(reply)}) + "\n"
        with self._lock:
            append(self.path, ("\n" * self._line_is_open + line).encode("ascii"))
            self._line_is_open = False
            self._replies.setdefault(key, []).append(reply)

    def _read(self) -> None:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise PipelineError(
                "The judge's earlier replies cannot be read",
                file=self.path,
                found=error.strerror,
                hint="Mend its permissions, or move it away: then everything is asked, and paid for, again",
            ) from error
        self._line_is_open = bool(content) and not content.endswith(b"\n")
        for line in content.split(b"\n"):
            if not line.strip():
                continue
            try:
                kept = json.loads(line)
                key = kept.pop("key")
                reply = Reply(**kept)
            except (ValueError, TypeError, KeyError, AttributeError):
                self.damaged_lines += 1
                continue
            self._replies.setdefault(key, []).append(reply)
