"""The judge and every fault it can have, against a real server."""

from __future__ import annotations

import email.utils
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.judge import Judge, Judged, Question
from pipeline.evaluation.benchmarks.judge_cache import JudgeCache, Reply, request_key
from pipeline.evaluation.benchmarks.judge_client import back_off, retry_after
from pipeline.evaluation.benchmarks.judge_cost import estimate_cost, estimate_tokens
from pipeline.params import JudgeParams, load_params
from tests.evaluation.judge_server import KEY, Answer, judge_server

ROOT = Path(__file__).parents[2]
SETTINGS = {"temperature": 0, "max_tokens": 10}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)


def questions(*texts: str) -> list[Question]:
    return [Question(text, ({"role": "user", "content": text},)) for text in texts]


def number(reply: Reply) -> float | None:
    try:
        return float(reply.text)
    except ValueError:
        return None


def ask(params: JudgeParams, cache: Path, *texts: str, **options: Any) -> Judged[float]:
    return Judge(params, "unused", cache, **options).ask(questions(*texts), SETTINGS, number)


def echo(_: int, body: dict[str, Any]) -> Answer:
    """Answers q7 with 7."""
    return Answer(body["messages"][-1]["content"].removeprefix("q"))


def test_a_verdict_on_each_question(tmp_path: Path) -> None:
    with judge_server(echo) as server:
        judged = ask(server.params(), tmp_path / "cache.jsonl", "q3", "q1", "q2")
    assert judged.verdicts == {"q3": 3, "q1": 1, "q2": 2}
    assert list(judged.verdicts) == ["q3", "q1", "q2"]
    assert judged.failures == {} and judged.counts == {"calls": 3, "cache_lines_skipped": 0}
    assert judged.replies["q1"] == Reply("1", None, "stop", 11, 3)
    assert set(server.paths) == {"/v1/chat/completions"} and set(server.keys) == {f"Bearer {KEY}"}
    expected = {"model": "test-judge", "messages": [{"role": "user", "content": "q1"}], **SETTINGS}
    assert expected in server.calls


def test_nothing_is_asked_twice_and_a_full_cache_needs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache.jsonl"
    with judge_server(echo) as server:
        ask(server.params(), cache, "q1", "q2")
        monkeypatch.delenv("TEST_JUDGE_KEY")
        judged = ask(server.params(), cache, "q2", "q1")
        assert judged.verdicts == {"q2": 2, "q1": 1} and judged.counts["calls"] == 0
        assert len(server.calls) == 2
        with pytest.raises(PipelineError, match="TEST_JUDGE_KEY is not set"):
            ask(server.params(), cache, "q3")


def test_equal_questions_share_a_call(tmp_path: Path) -> None:
    same = ({"role": "user", "content": "q5"},)
    with judge_server(echo) as server:
        judge = Judge(server.params(), "unused", tmp_path / "cache.jsonl")
        judged = judge.ask([Question("a", same), Question("b", same)], SETTINGS, number)
    assert judged.verdicts == {"a": 5, "b": 5} and len(server.calls) == 1


def test_nonsense_is_counted_and_never_a_verdict(tmp_path: Path) -> None:
    def answer(_: int, body: dict[str, Any]) -> Answer:
        asked = body["messages"][-1]["content"]
        return Answer("I love both!") if asked == "q1" else Answer(None) if asked == "q2" else echo(_, body)

    cache = tmp_path / "cache.jsonl"
    with judge_server(answer) as server:
        judged = ask(server.params(attempts=3), cache, "q1", "q2", "q3")
        assert judged.verdicts == {"q3": 3}
        assert judged.failures == {"q1": "unparseable", "q2": "unparseable"}
        assert judged.failures_by_reason == {"unparseable": 2}
        assert Counter(server.asked()) == {"q1": 3, "q2": 3, "q3": 1}
        again = ask(server.params(attempts=3), cache, "q1", "q2", "q3")
        assert again.failures == judged.failures and again.verdicts == {"q3": 3}
        assert len(server.calls) == 7
        more = ask(server.params(attempts=4), cache, "q1")
        assert more.failures == {"q1": "unparseable"} and len(server.calls) == 8


def test_nonsense_then_sense(tmp_path: Path) -> None:
    with judge_server(lambda n, _: Answer("?!" if n < 2 else "4")) as server:
        judged = ask(server.params(attempts=3), tmp_path / "cache.jsonl", "q4")
    assert judged.verdicts == {"q4": 4} and judged.counts["calls"] == 3


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        (Answer(status=500), {}),
        (Answer(status=503, headers={"Retry-After": "0.01"}), {}),
        (Answer(status=429), {}),
        (Answer(status=429, headers={"Retry-After": "0.01"}), {}),
        (Answer(status=408), {}),
        (Answer(cut=True), {}),
        (Answer(raw=b"<html>bad gateway</html>"), {}),
        (Answer(raw=b'{"choices": []}'), {}),
        (Answer(raw=b'{"choices": [{"message": {"content": ["7"]}}]}'), {}),
        (Answer(hang=5.0), {"timeout": 0.1}),
    ],
    ids=["500", "503-after", "429", "429-after", "408", "cut", "html", "no-choice", "no-text", "timeout"],
)
def test_a_fault_that_passes_leaves_no_trace(tmp_path: Path, fault: Answer, changes: dict[str, Any]) -> None:
    with judge_server(lambda n, _: fault if n < 2 else Answer("7")) as server:
        judged = ask(server.params(retries=2, **changes), tmp_path / "cache.jsonl", "q")
    assert judged.verdicts == {"q": 7} and judged.failures == {}
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("fault", "changes", "reason", "calls"),
    [
        (Answer(status=500), {}, "server_error", 3),
        (Answer(status=429), {}, "rate_limited", 3),
        (Answer(status=429, headers={"Retry-After": "86400"}), {}, "rate_limited", 1),
        (Answer(cut=True), {}, "connection", 3),
        (Answer(raw=b"[]"), {}, "malformed_response", 3),
        (Answer(hang=5.0), {"timeout": 0.1}, "timeout", 3),
        (Answer(status=400), {}, "refused", 1),
    ],
    ids=["500", "429", "429-tomorrow", "cut", "malformed", "timeout", "400"],
)
def test_a_fault_that_stays_is_counted_by_reason(
    tmp_path: Path, fault: Answer, changes: dict[str, Any], reason: str, calls: int
) -> None:
    """The others are judged; the next run asks again for this one only."""
    cache = tmp_path / "cache.jsonl"

    def answer(n: int, body: dict[str, Any]) -> Answer:
        return fault if body["messages"][-1]["content"] == "q0" else echo(n, body)

    with judge_server(answer) as server:
        judged = ask(server.params(retries=2, **changes), cache, "q1", "q0", "q2")
        assert judged.verdicts == {"q1": 1, "q2": 2} and judged.failures == {"q0": reason}
        assert Counter(server.asked())["q0"] == calls
    with judge_server(echo) as later:
        # The address is a part of the key of a reply, so the server that works comes to the old address.
        moved = later.params().model_copy(update={"base_url": server.url})
        assert Judge(moved, "unused", cache).ask(questions("q1", "q2"), SETTINGS, number).counts["calls"] == 0


def test_waits_grow_and_heed_retry_after(tmp_path: Path) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        return False

    headers = [{}, {}, {"Retry-After": "7"}, {}]
    with judge_server(
        lambda n, _: Answer(status=429, headers=headers[n]) if n < 4 else Answer("1")
    ) as server:
        params = server.params(backoff_first=1.0, backoff_most=3.0, retries=4)
        ask(params, tmp_path / "c.jsonl", "q", pause=pause)
    assert [low <= wait <= 2 * low for wait, low in zip(waits, (0.5, 1.0), strict=False)] == [True, True]
    assert waits[2] == 7.0 and 1.5 <= waits[3] <= 3.0 and len(waits) == 4


def test_back_off_is_seeded() -> None:
    params = JudgeParams(backoff_first=2.0, backoff_most=16.0)
    assert back_off(params, 3, None, "a") == back_off(params, 3, None, "a") != back_off(params, 3, None, "b")
    assert 8.0 <= back_off(params, 10_000, None, "a") <= 16.0
    assert back_off(params, 0, 30.0, "a") == 30.0
    assert back_off(JudgeParams(backoff_first=2.0, seed=1), 0, None, "a") != back_off(params, 0, None, "a")


def test_retry_after_as_number_or_date() -> None:
    assert retry_after("2.5") == 2.5 and retry_after("-1") == 0.0
    assert retry_after(None) is None and retry_after("soon") is None and retry_after("nan") is None
    seconds = retry_after(email.utils.formatdate(time.time() + 100, usegmt=True))
    assert seconds is not None and 95 < seconds <= 100


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Answer(status=401), "refused the key"),
        (Answer(status=403), "refused the key"),
        (Answer(status=404), "does not serve this model"),
        (Answer(status=301, headers={"Location": "http://elsewhere.example/"}), "does not serve this model"),
        (
            Answer(status=429, raw=b'{"error": {"message": "no money", "code": "insufficient_quota"}}'),
            "no credit left",
        ),
    ],
    ids=["401", "403", "404", "moved", "no-credit"],
)
def test_what_no_retry_mends_stops_at_once(tmp_path: Path, fault: Answer, said: str) -> None:
    with (
        judge_server(lambda n, body: fault) as server,
        pytest.raises(PipelineError, match=said) as caught,
    ):
        ask(server.params(concurrency=1), tmp_path / "cache.jsonl", *(f"q{n}" for n in range(50)))
    assert len(server.calls) == 1
    assert KEY not in str(caught.value) and "TEST_JUDGE_KEY" in str(caught.value)


def test_a_dead_endpoint_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    texts = [f"q{n}" for n in range(40)]
    with judge_server(lambda n, body: echo(n, body) if n < 10 else Answer(status=502)) as server:
        params = server.params(concurrency=1, retries=0, give_up_after=5)
        with pytest.raises(PipelineError, match="no reply to 5 questions in a row"):
            ask(params, cache, *texts)
        asked = len(server.calls)
        assert asked == 15
        kept = {json.loads(line)["text"] for line in cache.read_text().splitlines()}
        assert len(kept) == 10
        with pytest.raises(PipelineError, match="in a row"):
            ask(params, cache, *texts)
        assert not kept & {text.removeprefix("q") for text in server.asked()[asked:]}


def test_no_server_at_all(tmp_path: Path) -> None:
    with judge_server(echo) as server:
        gone = server.params(retries=1)
    assert ask(gone, tmp_path / "cache.jsonl", "q1").failures == {"q1": "connection"}


def test_concurrency_is_limited_and_used(tmp_path: Path) -> None:
    def answer(n: int, body: dict[str, Any]) -> Answer:
        time.sleep(0.03)
        return echo(n, body)

    with judge_server(answer) as server:
        ask(server.params(concurrency=3), tmp_path / "cache.jsonl", *(f"q{n}" for n in range(12)))
    assert server.most_at_once == 3


STOPPED = """
    import sys
    from pathlib import Path
    from pipeline.evaluation.benchmarks.judge import Judge, Question
    from pipeline.params import JudgeParams

    params = JudgeParams.model_validate_json(sys.argv[1])
    asked = [Question(f"q{n}", ({"role": "user", "content": f"q{n}"},)) for n in range(20)]
    Judge(params, "unused", Path(sys.argv[2])).ask(
        asked, {"temperature": 0, "max_tokens": 10}, lambda reply: float(reply.text)
    )
"""


def test_a_killed_process_is_resumed_without_a_second_call(tmp_path: Path) -> None:
    """Killed while the ninth call is under way: eight replies are kept, and only the rest is asked."""
    cache = tmp_path / "cache.jsonl"
    hangs = True

    def answer(n: int, body: dict[str, Any]) -> Answer:
        return Answer(hang=30.0) if hangs and n == 8 else echo(n, body)

    with judge_server(answer) as server:
        params = server.params(concurrency=1)
        command = [sys.executable, "-c", textwrap.dedent(STOPPED), params.model_dump_json(), str(cache)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while len(server.calls) < 9 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(cache.read_text().splitlines()) == 8
        with cache.open("a") as file:
            file.write('{"key": "half a li')
        hangs = False
        texts = [f"q{n}" for n in range(20)]
        judged = ask(params, cache, *texts)
        assert judged.verdicts == {text: float(text[1:]) for text in texts}
        assert judged.counts == {"calls": 12, "cache_lines_skipped": 1}
        # q8 was under way when the process was killed: its reply was never had.
        assert Counter(server.asked()) == {text: 2 if text == "q8" else 1 for text in texts}
        assert ask(params, cache, *texts).counts == {"calls": 0, "cache_lines_skipped": 1}


def test_the_key_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    faults = [Answer(status=400), Answer(status=500), Answer(raw=KEY.encode())]
    with judge_server(lambda n, body: faults[n % 4] if n % 4 < 3 else echo(n, body)) as server:
        params = server.params(concurrency=1, retries=0)
        ask(params, tmp_path / "cache.jsonl", "q1", "q2", "q3", "q4")
        with pytest.raises(PipelineError) as caught:
            ask(params.model_copy(update={"give_up_after": 1}), tmp_path / "cache.jsonl", "q1")
    printed = capfd.readouterr()
    written = "".join(path.read_text() for path in tmp_path.rglob("*"))
    assert "q4" in server.asked() and '"text": "4"' in written
    for text in (written, caplog.text, printed.out, printed.err, str(caught.value), repr(params)):
        assert KEY not in text


def test_an_error_that_repeats_the_key_is_shown_without_it(tmp_path: Path) -> None:
    with (
        judge_server(lambda n, body: Answer(status=400)) as server,
        pytest.raises(PipelineError, match=r"no: 400 for \*\*\*") as caught,
    ):
        ask(server.params(give_up_after=1), tmp_path / "cache.jsonl", "q1")
    assert KEY not in str(caught.value)


def test_cost_is_estimated_before_and_refused_above_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """q1: ceil(2 / 4) + 4 = 5 prompt tokens and 10 of the reply; at 1 and 2 a token 25, two of them 50."""
    prices = {"prompt_price": 1e6, "reply_price": 2e6}
    with judge_server(echo) as server:
        with pytest.raises(PipelineError, match=r"benchmarks\.judge\.max_cost"):
            ask(server.params(max_cost=49.0, **prices), tmp_path / "cache.jsonl", "q1", "q2")
        assert server.calls == []
        said = "2 to ask: about 10 prompt tokens and at most 20 reply tokens; at most about 50.00"
        assert said in capsys.readouterr().out
        with pytest.raises(PipelineError, match="price is not known"):
            ask(server.params(max_cost=49.0), tmp_path / "cache.jsonl", "q1")
        assert (
            ask(server.params(max_cost=50.0, **prices), tmp_path / "cache.jsonl", "q1", "q2").failures == {}
        )
        # What is in the cache costs nothing.
        judged = ask(server.params(max_cost=25.0, **prices), tmp_path / "cache.jsonl", "q1", "q2", "q3")
        assert judged.counts["calls"] == 1


def test_asking_again_stays_within_the_limit(tmp_path: Path) -> None:
    with judge_server(lambda n, body: Answer("nonsense")) as server:
        params = server.params(max_cost=60.0, prompt_price=1e6, reply_price=2e6, concurrency=1, attempts=9)
        with pytest.raises(PipelineError, match="may cost more"):
            ask(params, tmp_path / "cache.jsonl", "q1")
        assert len(server.calls) == 2


def test_estimate_counts_bytes() -> None:
    assert estimate_tokens([{"role": "user", "content": "a" * 9}]) == 3 + 4
    assert estimate_tokens([{"role": "user", "content": "é" * 4}, {"role": "user", "content": ""}]) == 2 + 8
    assert estimate_cost([], 10, JudgeParams()).calls == 0


def test_request_key_parts_what_differs() -> None:
    message = [{"role": "user", "content": "a"}]
    keys = {
        request_key("u", "m", message, {"n": 1}),
        request_key("v", "m", message, {"n": 1}),
        request_key("u", "o", message, {"n": 1}),
        request_key("u", "m", [{"role": "user", "content": "b"}], {"n": 1}),
        request_key("u", "m", message, {"n": 2}),
    }
    assert len(keys) == 5
    assert request_key("u", "m", message, {"a": 1, "b": 2}) == request_key(
        "u", "m", message, {"b": 2, "a": 1}
    )


def test_cache_keeps_every_kind_of_text(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cache.jsonl"
    reply = Reply("line\nbreak \u2028 \ud800 😀 <|im_end|>", {"content": [{"token": "m"}]}, "length", 1, 2)
    JudgeCache(path).add("k", reply)
    assert JudgeCache(path).replies("k") == [reply] and len(path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    "line", ["[]", "7", '{"key": "a"}', '{"text": "a"}', '{"key": "a", "text": "b", "x": 1}']
)
def test_a_line_that_is_no_reply_is_counted(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cache.jsonl"
    path.write_text(f'{line}\n{{"key": "a", "text": "kept"}}\n')
    cache = JudgeCache(path)
    assert cache.damaged_lines == 1 and cache.replies("a") == [Reply("kept")]


@pytest.mark.parametrize(
    "values",
    [
        {"key_variable": "sk-abc123"},
        {"key_variable": "sk_live_abc"},
        {"base_url": "https://user:hunter2@host.example/v1"},
        {"base_url": "https://host.example/v1?key=hunter2"},
        {"base_url": "file:///etc/passwd"},
    ],
)
def test_params_hold_no_secret(tmp_path: Path, values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        JudgeParams.model_validate(values)
    file = tmp_path / "params.yaml"
    file.write_text(json.dumps({"benchmarks": {"judge": values}}))
    with pytest.raises(PipelineError) as caught:
        load_params(file)
    assert next(iter(values.values())) not in str(caught.value) and "hunter2" not in str(caught.value)


def test_no_key_is_sent_where_none_is_named(tmp_path: Path) -> None:
    with judge_server(echo) as server:
        ask(server.params(key_variable=None), tmp_path / "cache.jsonl", "q1")
    assert server.keys == [None]
