"""MT-Bench: FastChat's prompts and parsing, and scores by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.interface import BenchmarkAnswer, BenchmarkScore, Interval, ScoringPlace
from pipeline.evaluation.benchmarks.mtbench import MTBench
from pipeline.evaluation.benchmarks.mtbench_prompts import JUDGE_PROMPTS
from pipeline.evaluation.benchmarks.mtbench_questions import judge_messages, parse_rating, read_questions
from pipeline.evaluation.benchmarks.mtbench_scores import Rating, score_ratings
from pipeline.evaluation.benchmarks.registry import enabled_benchmarks
from pipeline.params import BenchmarksParams, MTBenchParams
from tests.evaluation.judge_server import KEY, Answer, judge_server

PUBLISHED = Path(__file__).parents[3] / "shared/data/bench"

DIGESTS = {
    "single-v1": "7d276fe1d4b3f18f09cee44c27895d39be8ee425fdb364476fa66171dc5c5180",
    "single-math-v1": "226191a3df0fe7a9bc4c09ff94caefec3a8dc2ee418df85210c1080932bb0122",
    "single-v1-multi-turn": "a91a5b4266b4e3774f6408c1b0b05de1202843b72b58925710a9efa56b3fa636",
    "single-math-v1-multi-turn": "572e5843611206971e4b74650e66420ea57fef99e1f59d180c5e64e8442eb9b3",
}
"""SHA-256 of system prompt, NUL and template in FastChat's judge_prompts.jsonl."""


def test_prompts_are_fastchats_word_for_word() -> None:
    found = {
        name: hashlib.sha256(f"{prompt.system}\0{prompt.template}".encode()).hexdigest()
        for name, prompt in JUDGE_PROMPTS.items()
    }
    assert found == DIGESTS


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Good. Rating: [[7]]", 7.0),
        ("Rating: [[8.5]] rather than [[2]]", 8.5),
        ("Rating: [6]", 6.0),
        ("See [3]. Rating: [[9]]", 9.0),
        ("Rating: [[10]]", 10.0),
        ("Rating: 7", None),
        ("Rating: [[rating]]", None),
        ("Rating: [[11]]", None),
        ("Rating: [[0]]", None),
        ("Rating: [[-5]]", None),
        ("", None),
    ],
)
def test_ratings_are_found_as_fastchat_finds_them(text: str, rating: float | None) -> None:
    assert parse_rating(text) == rating


@given(st.text())
def test_no_reply_gives_a_rating_out_of_range(text: str) -> None:
    rating = parse_rating(text)
    assert rating is None or 1 <= rating <= 10


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


QUESTIONS = [
    {"question_id": 1, "category": "writing", "turns": ["write {x}", "again"]},
    {"question_id": 2, "category": "math", "turns": ["1+1?", "2+2?"]},
    {"question_id": 3, "category": "stem", "turns": ["why?", "how?"]},
]
REFERENCES = [{"question_id": 2, "choices": [{"index": 0, "turns": ["two", "four"]}]}]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write_lines(tmp_path / "q.jsonl", QUESTIONS), write_lines(tmp_path / "r.jsonl", REFERENCES)


def test_the_judge_is_shown_what_fastchat_shows(files: tuple[Path, Path]) -> None:
    writing, math, _ = read_questions(*files)
    system, user = judge_messages(writing, ["first {y}", "second"], 1)
    assert system == {"role": "system", "content": "You are a helpful assistant."}
    assert (
        "[Question]\nwrite {x}\n\n[The Start of Assistant's Answer]\nfirst {y}\n[The End" in user["content"]
    )
    assert "reference" not in user["content"] and "second" not in user["content"]
    system, user = judge_messages(math, ["one", "five"], 2)
    assert system["content"].startswith("Please act as an impartial judge")
    assert user["content"] == (
        "<|The Start of Reference Answer|>\n\n### User:\n1+1?\n\n### Reference answer:\ntwo\n\n"
        "### User:\n2+2?\n\n### Reference answer:\nfour\n\n<|The End of Reference Answer|>\n\n\n"
        "<|The Start of Assistant A's Conversation with User|>\n\n### User:\n1+1?\n\n"
        "### Assistant A:\none\n\n### User:\n2+2?\n\n### Assistant A:\nfive\n\n"
        "<|The End of Assistant A's Conversation with User|>"
    )
    assert "[The Start of Reference Answer]\ntwo\n" in judge_messages(math, ["one", "five"], 1)[1]["content"]


@pytest.mark.parametrize(
    ("questions", "references", "said"),
    [
        ([], REFERENCES, "no rows"),
        ([{**QUESTIONS[0], "turns": ["one"]}], REFERENCES, "two texts"),
        ([QUESTIONS[0], QUESTIONS[0]], REFERENCES, "each question once"),
        (QUESTIONS, [], "reference answer"),
        (QUESTIONS, [{"question_id": 2, "choices": []}], "choices"),
        ([{**QUESTIONS[0], "question_id": None}], REFERENCES, "question_id"),
        ([{**QUESTIONS[0], "category": 3}], REFERENCES, "category"),
    ],
)
def test_files_of_another_shape_are_refused(
    tmp_path: Path, questions: list[dict[str, Any]], references: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(PipelineError, match=said):
        read_questions(
            write_lines(tmp_path / "q.jsonl", questions), write_lines(tmp_path / "r.jsonl", references)
        )


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"MT-Bench's files are not at {PUBLISHED}")
def test_the_published_questions_and_references() -> None:
    questions = read_questions(PUBLISHED / "mtbench_80.jsonl", PUBLISHED / "mtbench_ref_gpt4.jsonl")
    assert len(questions) == 80 and len({question.category for question in questions}) == 8
    referenced = [question.category for question in questions if question.references]
    assert sorted(set(referenced)) == ["coding", "math", "reasoning"] and len(referenced) == 30
    for question in questions:
        assert len(judge_messages(question, ["a", "b"], 2)) == 2


def test_scores_by_hand() -> None:
    ratings = [
        Rating("1", "writing", 1, 8.0),
        Rating("1", "writing", 2, 6.0),
        Rating("2", "math", 1, 1.0),
        Rating("3", "stem", 1, 5.0),
        Rating("3", "stem", 2, 5.0),
    ]
    scores, intervals = score_ratings(ratings)
    assert scores == {
        "score": 5.0,
        "turn_1": pytest.approx(14 / 3),
        "turn_2": 5.5,
        "category_math": 1.0,
        "category_stem": 5.0,
        "category_writing": 7.0,
    }
    # One question of a category has no interval; of two questions, 6 and 5, half the draws mix both.
    assert set(intervals) == {"score", "turn_1", "turn_2"}
    assert intervals["turn_2"] == Interval(5.0, 6.0)
    assert 1.0 <= intervals["score"].low < 5.0 < intervals["score"].high <= 7.0
    assert score_ratings([]) == ({"score": None, "turn_1": None, "turn_2": None}, {})


def run(tmp_path: Path, files: tuple[Path, Path], answer: Any) -> BenchmarkScore:
    params = MTBenchParams(enabled=True, questions=str(files[0]), references=str(files[1]))
    with judge_server(answer) as server:
        benchmark = MTBench(params, server.params(attempts=2, retries=1))
        prompts = benchmark.prompts()
        assert [prompt.temperature for prompt in prompts] == [0.7, 0.0, 0.1]
        answers = [
            BenchmarkAnswer(prompt.key, prompt.turns, ("one", "two"), (1, 1), (True, True))
            for prompt in prompts
        ]
        folder = tmp_path / "folder"
        folder.mkdir()
        score = benchmark.score(answers, ScoringPlace("trained", folder, tmp_path / "work"))
    assert {json.dumps([call["temperature"], call["max_tokens"]]) for call in server.calls} == {"[0, 2048]"}
    return score


def test_what_is_not_rated_is_counted_and_never_scored(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Question 1 is rated 4 and 8; the first turn of 2 gets nonsense, its second a server that breaks off."""
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)

    def answer(n: int, body: dict[str, Any]) -> Answer:
        asked = body["messages"][1]["content"]
        second = "Conversation" in asked
        if "1+1?" in asked:
            return Answer(cut=True) if second else Answer("A ten out of ten!")
        if "why?" in asked:
            return Answer("Rating: [[3]]")
        return Answer("Rating: [[8]]" if second else "Rating: [[4]]")

    score = run(tmp_path, files, answer)
    assert score.scores["score"] == 4.5 and score.scores["turn_1"] == 3.5 and score.scores["turn_2"] == 5.5
    assert "category_math" not in score.scores
    assert score.counts["rated"] == 4 and score.counts["unrated"] == 2 and score.counts["answers"] == 6
    assert score.counts["failed_unparseable"] == 1 and score.counts["failed_connection"] == 1
    judgments = json.loads((tmp_path / "folder/judgments.json").read_text())
    assert [row["score"] for row in judgments] == [4.0, 8.0, None, None, 3.0, 3.0]
    assert [row["failure"] for row in judgments[2:4]] == ["unparseable", "connection"]
    assert score.details["judge"] == "test-judge"


def test_params_switch_it_on(files: tuple[Path, Path]) -> None:
    params = MTBenchParams(enabled=True, questions=str(files[0]), references=str(files[1]))
    (benchmark,) = enabled_benchmarks(BenchmarksParams(mtbench=params))
    assert isinstance(benchmark, MTBench) and benchmark.name == "mtbench"
    assert benchmark.files == (files[0],) and benchmark.max_new_tokens == 1024
    assert [prompt.turns for prompt in benchmark.prompts()][1] == ("1+1?", "2+2?")


def test_an_enabled_benchmark_needs_its_files() -> None:
    with pytest.raises(ValidationError, match="questions and references"):
        MTBenchParams(enabled=True, questions="q.jsonl")
