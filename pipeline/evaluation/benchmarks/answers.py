"""Answers kept in a file as they are made, so that a stage that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.evaluation.benchmarks.appending import append
from pipeline.evaluation.benchmarks.interface import BenchmarkAnswer, BenchmarkPrompt
from pipeline.files import canonical_json, sha256_file, write_text

LIBRARIES = ("torch", "transformers")
"""Whose versions an answer depends on."""

_MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model")
_NOT_OF_THE_MODEL = {"lineage.json"}


def answers_fingerprint(model: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that a model's answers depend on besides the prompts.

    Args:
        model: The model directory; its weights, configs and tokenizer are hashed.
        settings: How answers are made: limits and types.
    """
    files = sorted({path for pattern in _MODEL_FILES for path in model.glob(pattern)})
    return {
        "model": {path.name: sha256_file(path) for path in files if path.name not in _NOT_OF_THE_MODEL},
        "settings": dict(settings),
        "versions": {name: version(name) for name in LIBRARIES},
    }


class AnswerFile:
    """One model's answers to one benchmark: a first line with the fingerprint, then a line per answer.

    Answers of another fingerprint are not gone on from: the file begins anew with the first answer that is
    added. The same holds from the first line on that is not whole, as a killed run may leave it.

    Args:
        path: The file; need not be there.
        fingerprint: See :func:`answers_fingerprint`.
        prompts: What is asked now; answers to other prompts stay in the file.
    """

    def __init__(
        self, path: Path, fingerprint: Mapping[str, Any], prompts: Sequence[BenchmarkPrompt]
    ) -> None:
        self._path = path
        self._prompts = {prompt.key: prompt for prompt in prompts}
        self._kept: dict[str, tuple[float, BenchmarkAnswer]] = {}
        self._lines = [canonical_json({"fingerprint": fingerprint}).encode()]
        *lines, rest = path.read_bytes().split(b"\n") if path.is_file() else [b""]
        for line in lines[1:] if lines[:1] == self._lines else []:
            try:
                self._take(*_parsed(line))
            except (ValueError, KeyError, TypeError):
                break
            self._lines.append(line)
        self._whole = self._lines == lines and not rest

    def missing(self) -> list[BenchmarkPrompt]:
        """The prompts that have no answer yet, in their order."""
        return [prompt for prompt in self._prompts.values() if self._answer(prompt) is None]

    def answers(self) -> list[BenchmarkAnswer]:
        """The answers there are, in the order of the prompts."""
        found = (self._answer(prompt) for prompt in self._prompts.values())
        return [answer for answer in found if answer is not None]

    def add(self, answers: Sequence[BenchmarkAnswer]) -> None:
        """Append answers to prompts of these.

        Raises:
            OSError: If they cannot be written.
        """
        if not self._whole:
            write_text(self._path, "".join(f"{line.decode()}\n" for line in self._lines))
            self._whole = True
        taken = [(self._prompts[answer.key].temperature, answer) for answer in answers]
        lines = [
            canonical_json({"temperature": temperature, "answer": asdict(answer)}) + "\n"
            for temperature, answer in taken
        ]
        append(self._path, "".join(lines).encode())
        for temperature, answer in taken:
            self._take(temperature, answer)

    def _answer(self, prompt: BenchmarkPrompt) -> BenchmarkAnswer | None:
        """The answer to a prompt; None where there is none, or none to its turns as they are now."""
        temperature, answer = self._kept.get(prompt.key, (None, None))
        fits = answer is not None and answer.turns == prompt.turns and temperature == prompt.temperature
        return answer if fits else None

    def _take(self, temperature: float, answer: BenchmarkAnswer) -> None:
        self._kept[answer.key] = (temperature, answer)


def _parsed(line: bytes) -> tuple[float, BenchmarkAnswer]:
    row = json.loads(line.decode("utf-8"))
    answer = row["answer"]
    lists = {name: tuple(answer[name]) for name in ("turns", "responses", "tokens", "finished")}
    return row["temperature"], BenchmarkAnswer(key=answer["key"], **lists)
