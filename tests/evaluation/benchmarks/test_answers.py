"""Answers outlive a run that stops, and are not taken for those of another model or setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.evaluation.benchmarks.answers import AnswerFile, answers_fingerprint
from pipeline.evaluation.benchmarks.interface import BenchmarkAnswer, BenchmarkPrompt

PROMPTS = [BenchmarkPrompt("a", ("x",)), BenchmarkPrompt("b", ("y", "z"))]
A = BenchmarkAnswer("a", ("x",), ("über\u2028\n",), (3,), (True,))
B = BenchmarkAnswer("b", ("y", "z"), ("", "r"), (1, 9), (True, False))
PRINT = {"model": {"weights": "1"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work" / "answers.jsonl"


def test_what_was_added_is_there_again(path: Path) -> None:
    file = AnswerFile(path, PRINT, PROMPTS)
    assert file.missing() == PROMPTS
    file.add([B])
    assert AnswerFile(path, PRINT, PROMPTS).missing() == PROMPTS[:1]
    file.add([A])
    again = AnswerFile(path, PRINT, PROMPTS)
    assert (again.missing(), again.answers()) == ([], [A, B])


def test_another_model_begins_anew(path: Path) -> None:
    AnswerFile(path, PRINT, PROMPTS).add([A, B])
    other = AnswerFile(path, {"model": {"weights": "2"}}, PROMPTS)
    assert other.missing() == PROMPTS
    other.add([A])
    assert AnswerFile(path, PRINT, PROMPTS).missing() == PROMPTS
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("cut", [1, 20])
def test_half_a_line_is_answered_again(path: Path, cut: int) -> None:
    AnswerFile(path, PRINT, PROMPTS).add([A, B])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    file = AnswerFile(path, PRINT, PROMPTS)
    assert file.missing() == [PROMPTS[1]]
    file.add([B])
    assert path.read_bytes() == whole


def test_a_damaged_line_is_answered_again(path: Path) -> None:
    AnswerFile(path, PRINT, PROMPTS).add([A, B])
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1], b"{}", b""]))
    assert AnswerFile(path, PRINT, PROMPTS).answers() == [A]


def test_an_answer_counts_for_the_prompt_as_it_is_now(path: Path) -> None:
    AnswerFile(path, PRINT, PROMPTS).add([A, B])
    changed = [BenchmarkPrompt("a", ("other",)), BenchmarkPrompt("b", ("y", "z"), temperature=0.7)]
    file = AnswerFile(path, PRINT, changed)
    assert file.missing() == changed
    new = BenchmarkAnswer("a", ("other",), ("o",), (1,), (True,))
    file.add([new])
    # A smaller draw leaves the other answers in the file.
    assert AnswerFile(path, PRINT, changed[:1]).answers() == [new]
    assert AnswerFile(path, PRINT, PROMPTS).missing() == PROMPTS[:1]


def test_the_fingerprint_knows_weights_tokenizer_and_settings(tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json", "README.md", "lineage.json"):
        (tmp_path / name).write_text("1")
    one = answers_fingerprint(tmp_path, {"dtype": "bf16"})
    assert sorted(one["model"]) == ["model.safetensors", "tokenizer.json"]
    assert answers_fingerprint(tmp_path, {"dtype": "float32"}) != one
    for name in one["model"]:
        (tmp_path / name).write_text("2")
        assert answers_fingerprint(tmp_path, {"dtype": "bf16"}) != one
        (tmp_path / name).write_text("1")
    assert answers_fingerprint(tmp_path, {"dtype": "bf16"}) == one
