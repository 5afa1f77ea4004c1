"""A judge: many questions to a language model, each answered by a verdict or counted as failed.

Replies are kept as they came in :class:`~pipeline.evaluation.benchmarks.judge_cache.JudgeCache` and read
anew on every run. So a run that was stopped goes on where it was, and makes no call a second time.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.judge_cache import JudgeCache, Message, Reply, request_key
from pipeline.evaluation.benchmarks.judge_client import CallFailed, ChatClient
from pipeline.evaluation.benchmarks.judge_cost import Budget, check_cost, estimate_cost
from pipeline.params import JudgeParams
from pipeline.progress import progress_bar

Verdict = TypeVar("Verdict")

UNPARSEABLE = "unparseable"
"""The reason of a question whose every reply held no verdict."""


@dataclass(frozen=True)
class Question:
    """One thing to judge.

    Attributes:
        key: Its name among the questions of one call of :meth:`Judge.ask`.
        messages: The conversation that asks for the verdict.
    """

    key: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Judged(Generic[Verdict]):
    """What came of the questions: each is in ``verdicts`` or in ``failures``.

    Attributes:
        verdicts: The verdict, by key.
        replies: The reply it was read from, by key.
        failures: Why there is no verdict, by key.
        counts: ``calls`` made now, and ``cache_lines_skipped`` that an interrupted run had left half written.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def failures_by_reason(self) -> dict[str, int]:
        """How many questions have no verdict, by reason."""
        return dict(sorted(Counter(self.failures.values()).items()))

    @property
    def counts_with_failures(self) -> dict[str, int]:
        """For a benchmark's counts: ``failed_<reason>`` for each reason there is, and ``counts``."""
        failed = {f"failed_{reason}": count for reason, count in self.failures_by_reason.items()}
        return {**failed, **self.counts}


class Judge:
    """A language model behind an endpoint, and what it has said so far.

    Args:
        params: The ``benchmarks.judge`` section.
        model: The model, where params name none.
        cache: The file that replies are kept in.
        pause: Instead of waiting between retries: takes the seconds, says whether to stop.
    """

    def __init__(
        self, params: JudgeParams, model: str, cache: Path, pause: Callable[[float], bool] | None = None
    ) -> None:
        self.model = params.model or model
        self._params = params
        self._cache = JudgeCache(cache)
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait

    def ask(
        self,
        questions: Sequence[Question],
        settings: Mapping[str, Any],
        parse: Callable[[Reply], Verdict | None],
    ) -> Judged[Verdict]:
        """A verdict on each question, from the cache or from the endpoint.

        A reply without a verdict is asked for again, up to ``attempts`` replies in all. A question that gets
        no reply is counted and left for the next run; so many in a row stop the run.

        Args:
            questions: What to judge, each key once.
            settings: Fields of every request; ``max_tokens`` among them.
            parse: The verdict in a reply; None if there is none.

        Returns:
            Verdicts and failures, in the order of the questions.

        Raises:
            PipelineError: If the estimate is above ``max_cost``, the key's variable is not set, no request
                can succeed (wrong key, unknown model), or too many in a row gave no reply. What was judged by
                then is kept.
        """
        groups: dict[str, list[Question]] = {}
        for question in questions:
            groups.setdefault(self._request_key(question, settings), []).append(question)
        outcomes = {key: self._from_cache(key, parse) for key in groups}
        pending = {key: groups[key][0] for key, outcome in outcomes.items() if outcome is None}
        estimate = estimate_cost(
            [question.messages for question in pending.values()], settings["max_tokens"], self._params
        )
        print(f"judge {self.model}: {len(groups):,} questions, {estimate.line()}", flush=True)
        check_cost(estimate, self._params)
        calls = 0
        if pending:
            asked, calls = self._ask_all(pending, settings, parse)
            outcomes.update(asked)
        judged: Judged[Verdict] = Judged(
            counts={"calls": calls, "cache_lines_skipped": self._cache.damaged_lines}
        )
        keys = {question.key: key for key, group in groups.items() for question in group}
        for question in questions:
            outcome = outcomes[keys[question.key]]
            if isinstance(outcome, str):
                judged.failures[question.key] = outcome
            elif outcome is not None:
                judged.verdicts[question.key], judged.replies[question.key] = outcome
        return judged

    def _request_key(self, question: Question, settings: Mapping[str, Any]) -> str:
        return request_key(self._params.base_url, self.model, question.messages, settings)

    def _from_cache(
        self, key: str, parse: Callable[[Reply], Verdict | None]
    ) -> tuple[Verdict, Reply] | str | None:
        """The verdict that stands in the cache, the reason why there will be none, or None: to be asked."""
        replies = self._cache.replies(key)
        for reply in replies:
            verdict = parse(reply)
            if verdict is not None:
                return verdict, reply
        return UNPARSEABLE if len(replies) >= self._params.attempts else None

    def _ask_all(
        self,
        pending: Mapping[str, Question],
        settings: Mapping[str, Any],
        parse: Callable[[Reply], Verdict | None],
    ) -> tuple[dict[str, tuple[Verdict, Reply] | str | None], int]:
        """Outcomes by request key, and how many replies were asked for."""
        self._stop.clear()
        client = ChatClient(self._params, self.model, read_key(self._params), self._pause)
        asked = _Asked(self._params, self._cache, client, settings, self._stop)
        outcomes: dict[str, tuple[Verdict, Reply] | str | None] = {}
        pool = ThreadPoolExecutor(self._params.concurrency, thread_name_prefix="judge")
        try:
            with progress_bar() as display:
                task = display.begin(f"judging with {self.model}", len(pending), "questions")
                futures = {
                    pool.submit(
                        asked.until_verdict, key, question, lambda key: self._from_cache(key, parse)
                    ): key
                    for key, question in pending.items()
                }
                for future in as_completed(futures):
                    try:
                        outcomes[futures[future]] = future.result()
                    except CallFailed as failure:
                        outcomes[futures[future]] = failure.reason
                    display.done(task)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            client.close()
        return outcomes, asked.calls


class _Asked:
    """The asking of many questions by several threads."""

    def __init__(
        self,
        params: JudgeParams,
        cache: JudgeCache,
        client: ChatClient,
        settings: Mapping[str, Any],
        stop: threading.Event,
    ) -> None:
        self.calls = 0
        self._params = params
        self._cache = cache
        self._client = client
        self._settings = settings
        self._budget = Budget(params)
        self._failed_in_a_row = 0
        self._stop = stop
        self._lock = threading.Lock()

    def until_verdict(
        self, key: str, question: Question, outcome: Callable[[str], tuple[Verdict, Reply] | str | None]
    ) -> tuple[Verdict, Reply] | str:
        """Ask one question until a reply holds a verdict or there have been enough; every reply is kept.

        Raises:
            CallFailed: If there is no reply.
            PipelineError: If no other question would fare better: those that wait for a thread are not asked.
        """
        while True:
            found = outcome(key)
            if found is not None:
                return found
            if self._stop.is_set():
                raise CallFailed("stopped", "the run was stopped")
            try:
                self._cache.add(key, self._reply(key, question))
            except PipelineError:
                self._stop.set()
                raise

    def _reply(self, key: str, question: Question) -> Reply:
        with self._lock:
            self._budget.spend(question.messages, self._settings["max_tokens"])
            self.calls += 1
        try:
            salt = f"{key}/{len(self._cache.replies(key))}"
            reply = self._client.complete(question.messages, self._settings, salt)
        except CallFailed as failure:
            with self._lock:
                self._failed_in_a_row += failure.reason != "stopped"
                if self._failed_in_a_row >= self._params.give_up_after:
                    raise self._gave_up(failure) from None
            raise
        with self._lock:
            self._failed_in_a_row = 0
        return reply

    def _gave_up(self, failure: CallFailed) -> PipelineError:
        return PipelineError(
            f"The judge gave no reply to {self._failed_in_a_row} questions in a row",
            key="benchmarks.judge",
            found=f"{failure.reason}: {failure.detail}",
            expected=f"replies from {self._params.base_url}",
            hint="Run the stage again when it answers: what was judged is kept, and is not asked again",
        )


def read_key(params: JudgeParams) -> str | None:
    """The endpoint's key, from the environment variable that params name; None where they name none.

    Raises:
        PipelineError: If the variable is not set, or holds what cannot be sent in a header. Never shows it.
    """
    if params.key_variable is None:
        return None
    key = os.environ.get(params.key_variable, "").strip()
    if key and key.isascii() and key.isprintable():
        return key
    raise PipelineError(
        "The judge's key is not to be had",
        key="benchmarks.judge.key_variable",
        found=f"{params.key_variable} holds characters no key has"
        if key
        else f"{params.key_variable} is not set",
        hint=f"Set {params.key_variable} in the environment; or key_variable: null where no key is needed",
    )
