"""MT-Bench (arXiv 2306.05685): answers to 80 questions of two turns, each rated from 1 to 10 by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.evaluation.benchmarks.interface import (
    BenchmarkAnswer,
    BenchmarkPrompt,
    BenchmarkScore,
    ScoringPlace,
)
from pipeline.evaluation.benchmarks.judge import Judge, Judged, Question
from pipeline.evaluation.benchmarks.mtbench_questions import (
    TEMPERATURES,
    TURNS,
    WITH_REFERENCE,
    MTBenchQuestion,
    judge_messages,
    parse_rating,
    read_questions,
)
from pipeline.evaluation.benchmarks.mtbench_scores import Rating, score_ratings
from pipeline.files import write_json
from pipeline.params import JudgeParams, MTBenchParams, project_path

JUDGE = "gpt-4"
"""The judge that MT-Bench is published with."""

SETTINGS = {"temperature": 0, "max_tokens": 2048}
"""How FastChat asks it."""


class MTBench:
    """MT-Bench by single-answer grading, as the stage runs it.

    Args:
        params: The ``benchmarks.mtbench`` section, enabled.
        judge: The ``benchmarks.judge`` section.
    """

    name = "mtbench"

    def __init__(self, params: MTBenchParams, judge: JudgeParams) -> None:
        self._params = params
        self._judge = judge
        self._path = project_path(params.questions or "")
        self._references = project_path(params.references or "")
        self.files: Sequence[Path] = (self._path,)
        self.max_new_tokens: int = params.max_new_tokens

    @cached_property
    def _questions(self) -> list[MTBenchQuestion]:
        return read_questions(self._path, self._references)

    def prompts(self) -> Sequence[BenchmarkPrompt]:
        """The questions, at FastChat's temperature for their category; greedy where it names none.

        Raises:
            PipelineError: If the questions or their references cannot be read.
        """
        return [
            BenchmarkPrompt(question.id, question.turns, TEMPERATURES.get(question.category, 0.0))
            for question in self._questions
        ]

    def score(self, answers: Sequence[BenchmarkAnswer], place: ScoringPlace) -> BenchmarkScore:
        """Have both turns of every answer rated, and score the ratings.

        Writes ``judgments.json`` into ``place.folder`` and keeps the judge's replies in ``place.work``.

        Raises:
            PipelineError: As :meth:`~pipeline.evaluation.benchmarks.judge.Judge.ask`.
        """
        responses = {answer.key: answer.responses for answer in answers}
        turns = [(question, turn) for question in self._questions for turn in range(1, TURNS + 1)]
        questions = [
            Question(_key(question, turn), judge_messages(question, responses[question.id], turn))
            for question, turn in turns
        ]
        judge = Judge(self._judge, JUDGE, place.work / "mtbench_judge.jsonl")
        judged = judge.ask(questions, SETTINGS, lambda reply: parse_rating(reply.text))
        write_json(
            place.folder / "judgments.json",
            [_judgment(question, turn, judged, judge.model, place.model) for question, turn in turns],
        )
        ratings = [
            Rating(question.id, question.category, turn, judged.verdicts[_key(question, turn)])
            for question, turn in turns
            if _key(question, turn) in judged.verdicts
        ]
        scores, intervals = score_ratings(ratings)
        return BenchmarkScore(
            scores=scores,
            intervals=intervals,
            counts={
                "questions": len(self._questions),
                "answers": len(turns),
                "rated": len(ratings),
                "unrated": len(judged.failures),
                **judged.counts_with_failures,
            },
            details={"judge": judge.model, "judged_with_reference": sorted(WITH_REFERENCE)},
        )


def _key(question: MTBenchQuestion, turn: int) -> str:
    return f"{question.id}/{turn}"


def _judgment(
    question: MTBenchQuestion, turn: int, judged: Judged[float], judge: str, model: str
) -> dict[str, Any]:
    """One rating with its reply, much as FastChat's judgment files hold it; a null score is no rating."""
    key = _key(question, turn)
    reply = judged.replies.get(key)
    return {
        "question_id": question.id,
        "category": question.category,
        "turn": turn,
        "model": model,
        "judge": judge,
        "score": judged.verdicts.get(key),
        "judgment": None if reply is None else reply.text,
        "failure": judged.failures.get(key),
    }
