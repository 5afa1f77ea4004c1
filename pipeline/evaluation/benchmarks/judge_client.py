"""One question to an OpenAI-compatible chat-completions endpoint: retries, waiting, and what is a fault.

HTTP goes through httpx2, which huggingface_hub brings along. The ``openai`` client would not spare the code
here: its retries can neither be seeded nor counted by reason, and it caps ``Retry-After`` at a minute.
"""

from __future__ import annotations

import email.utils
import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import httpx2

from pipeline.errors import PipelineError, shorten
from pipeline.evaluation.benchmarks.judge_cache import Message, Reply
from pipeline.params import JudgeParams

FailureReason = Literal[
    "timeout", "rate_limited", "server_error", "connection", "malformed_response", "refused", "stopped"
]
"""Why a call gave no reply."""

FATAL = {401, 403, 404, 405, 407, 410}
"""Statuses that no other question would fare better with: a wrong key, address or model."""

AGAIN = {408, 409, 425, 429}
"""Statuses below 500 after which the same request may succeed."""

LONGEST_WAIT = 600.0
"""Seconds; a ``Retry-After`` beyond it is not waited for: the question is left for another run."""


class CallFailed(Exception):
    """A call that gave no reply, after all its retries.

    Args:
        reason: Which kind of fault, for the count.
        detail: The last fault in a few words; never holds the key.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class _Fault(Exception):
    """A call that failed in a way that may pass."""

    def __init__(self, reason: FailureReason, detail: str, retry_after: float | None = None) -> None:
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after


class ChatClient:
    """A client of one endpoint. Threads may share it; leave it with ``close``.

    Args:
        params: Address, time-out, retries and back-off.
        model: The endpoint's name of the model.
        key: The secret sent as bearer token; None: none is sent.
        pause: Waits so many seconds and says whether to stop instead of going on.
    """

    def __init__(
        self, params: JudgeParams, model: str, key: str | None, pause: Callable[[float], bool]
    ) -> None:
        self._params = params
        self._model = model
        self._key = key
        self._pause = pause
        self._http = httpx2.Client(
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=params.timeout,
            limits=httpx2.Limits(max_connections=params.concurrency),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def complete(self, messages: Sequence[Message], settings: Mapping[str, Any], salt: str) -> Reply:
        """The endpoint's reply, after as many retries as params allow.

        Args:
            messages: The conversation.
            settings: Further fields of the request: temperature, max_tokens, logprobs.
            salt: What the back-off's jitter is seeded by, beside params.

        Raises:
            CallFailed: If there is no reply after all retries, or the endpoint refuses this request.
            PipelineError: If no request can succeed: wrong key, unknown model or address, no credit left.
        """
        for tries in range(self._params.retries + 1):
            try:
                return self._once(messages, settings)
            except _Fault as fault:
                wait = back_off(self._params, tries, fault.retry_after, f"{salt}/{tries}")
                if tries == self._params.retries or wait > LONGEST_WAIT:
                    raise CallFailed(fault.reason, fault.detail) from None
            if self._pause(wait):
                break
        raise CallFailed("stopped", "the run was stopped")

    def _once(self, messages: Sequence[Message], settings: Mapping[str, Any]) -> Reply:
        body = {"model": self._model, "messages": list(messages), **settings}
        try:
            response = self._http.post(f"{self._params.base_url.rstrip('/')}/chat/completions", json=body)
        except httpx2.TimeoutException as error:
            raise _Fault("timeout", f"{type(error).__name__} after {self._params.timeout:g} s") from None
        except httpx2.RequestError as error:
            raise _Fault("connection", self._without_key(f"{type(error).__name__} {error}")) from None
        if response.status_code != 200:
            raise self._fault(response)
        try:
            return _reply(response.json())
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            detail = f"HTTP 200 whose body is no chat completion: {response.text!r}"
            raise _Fault("malformed_response", self._without_key(detail)) from None

    def _fault(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        said = _error_message(response)
        detail = self._without_key(f"HTTP {status} {said}".rstrip())
        if status == 429 and "insufficient_quota" in response.text:
            return self._fatal("The judge's endpoint has no credit left for this key", detail)
        if status == 429:
            return _Fault("rate_limited", detail, retry_after(response.headers.get("retry-after")))
        if status >= 500 or status in AGAIN:
            return _Fault("server_error", detail, retry_after(response.headers.get("retry-after")))
        if status in {401, 403}:
            # What the endpoint says of a wrong key may repeat a part of it: it is not shown.
            return self._fatal("The judge's endpoint refused the key", f"HTTP {status}")
        if status in FATAL or status < 400:
            return self._fatal("The judge's endpoint does not serve this model or address", detail)
        return CallFailed("refused", detail)

    def _fatal(self, problem: str, found: str) -> PipelineError:
        variable = self._params.key_variable
        return PipelineError(
            problem,
            key="benchmarks.judge",
            found=f"{found} from {self._params.base_url}, model {self._model}",
            hint=f"Check benchmarks.judge.base_url and model, and the environment variable {variable}"
            if variable
            else "Check benchmarks.judge.base_url and model, and whether key_variable must name a key",
        )

    def _without_key(self, text: str) -> str:
        return shorten(text if self._key is None else text.replace(self._key, "***"))


def back_off(params: JudgeParams, tries: int, asked_for: float | None, salt: str) -> float:
    """Seconds to wait after the ``tries``-th failed try (from 0).

    Twice as long each time, from ``backoff_first`` up to ``backoff_most``, times a factor between 0.5 and 1
    that the seed and the salt decide, so that clients do not come back all at once; and never less than what
    the endpoint asked for.
    """
    # Beyond 2**60 every bound is reached; a larger exponent would overflow.
    longest: float = min(params.backoff_most, params.backoff_first * 2 ** min(tries, 60))
    drawn: float = longest * random.Random(f"{params.seed}/{salt}").uniform(0.5, 1.0)
    return max(drawn, asked_for or 0.0)


def retry_after(value: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, as a number or a date; None where it says neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _reply(body: Any) -> Reply:
    choice = body["choices"][0]
    text = choice["message"].get("content") or ""
    if not isinstance(text, str):
        raise TypeError(type(text).__name__)
    usage = body.get("usage") or {}
    return Reply(
        text=text,
        logprobs=choice.get("logprobs"),
        finish_reason=choice.get("finish_reason"),
        prompt_tokens=usage.get("prompt_tokens"),
        reply_tokens=usage.get("completion_tokens"),
    )


def _error_message(response: httpx2.Response) -> str:
    """The endpoint's own words, from OpenAI's shape of an error or else as they are."""
    try:
        error = response.json()["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError):
        return response.text
