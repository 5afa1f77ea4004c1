"""MT-Bench's questions and references, and what its judge is asked and answers, as FastChat has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.judge_cache import Message
from pipeline.evaluation.benchmarks.mtbench_prompts import JUDGE_PROMPTS
from pipeline.evaluation.benchmarks.rows import line_fault, read_rows

TURNS = 2
"""Turns of every question."""

WITH_REFERENCE = frozenset({"math", "reasoning", "coding"})
"""Categories whose judge is shown a reference answer (FastChat's NEED_REF_CATS)."""

TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
"""Sampling temperature of the answers, by category (FastChat's temperature_config)."""

_RATINGS = (re.compile(r"\[\[(\d+\.?\d*)\]\]"), re.compile(r"\[(\d+\.?\d*)\]"))
"""FastChat's one_score_pattern, and its one_score_pattern_backup for a judge that forgets a bracket."""

_QUESTIONS = "MT-Bench's questions"
_REFERENCES = "MT-Bench's reference answers"


@dataclass(frozen=True)
class MTBenchQuestion:
    """One question.

    Attributes:
        id: Its ``question_id``.
        category: One of eight, or a list's own.
        turns: What the user says.
        references: A good answer to each turn; None where the category is judged without.
    """

    id: str
    category: str
    turns: tuple[str, str]
    references: tuple[str, str] | None


def read_questions(questions: Path, references: Path) -> list[MTBenchQuestion]:
    """The questions with their reference answers, in the file's order.

    Raises:
        PipelineError: If a file cannot be read or has a row of another shape, a question stands there twice,
            or one that needs a reference has none.
    """
    answers = _read_references(references)
    found: dict[str, MTBenchQuestion] = {}
    for line, row in read_rows(questions, _QUESTIONS):
        turns, category = row.get("turns"), row.get("category")
        id = _id(questions, line, row, _QUESTIONS)
        if id in found:
            raise line_fault(_QUESTIONS, questions, line, id, "each question once", "question_id")
        if not _two_texts(turns):
            raise line_fault(_QUESTIONS, questions, line, turns, "a list of two texts", "turns")
        if not isinstance(category, str):
            raise line_fault(_QUESTIONS, questions, line, category, "a text", "category")
        if category in WITH_REFERENCE and id not in answers:
            raise PipelineError(
                "A question of MT-Bench has no reference answer",
                file=references,
                column="question_id",
                found=f"no row for {id}, {category}",
                expected=f"one for each question of {', '.join(sorted(WITH_REFERENCE))}",
                hint="Name the file that belongs to the questions in benchmarks.mtbench.references",
            )
        reference = answers[id] if category in WITH_REFERENCE else None
        found[id] = MTBenchQuestion(id, category, (turns[0], turns[1]), reference)
    if not found:
        raise line_fault(_QUESTIONS, questions, None, "no rows", "one question or more", hint="Name another")
    return list(found.values())


def judge_messages(question: MTBenchQuestion, responses: Sequence[str], turn: int) -> tuple[Message, ...]:
    """The conversation that asks for the rating of one turn.

    Args:
        question: What was asked.
        responses: The model's answer to each turn.
        turn: 1 or 2; the judge of the second is shown both.
    """
    name = "single-v1" if question.references is None else "single-math-v1"
    values = {"ref_answer_1": question.references[0]} if question.references else {}
    if turn == 1:
        values |= {"question": question.turns[0], "answer": responses[0]}
    else:
        name += "-multi-turn"
        values |= {"ref_answer_2": question.references[1]} if question.references else {}
        values |= {"question_1": question.turns[0], "question_2": question.turns[1]}
        values |= {"answer_1": responses[0], "answer_2": responses[1]}
    prompt = JUDGE_PROMPTS[name]
    return (
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": prompt.template.format(**values)},
    )


def parse_rating(text: str) -> float | None:
    """The rating in a reply, as FastChat finds it; None if there is none, or it is not from 1 to 10."""
    for pattern in _RATINGS:
        if match := pattern.search(text):
            rating = float(match[1])
            return rating if 1 <= rating <= 10 else None
    return None


def _read_references(path: Path) -> dict[str, tuple[str, str]]:
    answers: dict[str, tuple[str, str]] = {}
    for line, row in read_rows(path, _REFERENCES):
        try:
            turns = row["choices"][0]["turns"]
        except (KeyError, IndexError, TypeError):
            turns = None
        if not _two_texts(turns):
            raise line_fault(_REFERENCES, path, line, turns, "choices[0].turns: two texts", "choices")
        answers[_id(path, line, row, _REFERENCES)] = (turns[0], turns[1])
    return answers


def _id(path: Path, line: int, row: dict[str, Any], what: str) -> str:
    value = row.get("question_id")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise line_fault(what, path, line, value, "a whole number or a text", "question_id")
    return str(value)


def _two_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and len(value) == TURNS and all(isinstance(text, str) for text in value)
