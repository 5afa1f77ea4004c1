"""What a benchmark is to the stage that runs it: prompts for a model, and a score for the model's answers.

:mod:`pipeline.evaluation.benchmarks.run` generates the answers of every model, keeps them, and asks for the
score; a benchmark never loads a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.evaluation.statistics import Resampling
from pipeline.intervals import Interval as Interval  # part of what a benchmark gives

RESAMPLING = Resampling(10_000, seed=0)
"""Draws for a benchmark's intervals: their ends move by a hundredth of the width from seed to seed."""


@dataclass(frozen=True)
class BenchmarkPrompt:
    """One item of a benchmark.

    Attributes:
        key: Its id, unique within the benchmark.
        turns: What the user says; with several, each is said after the model has answered the one before.
        temperature: 0: greedy. Above: sampled, seeded by the key and the turn.
    """

    key: str
    turns: tuple[str, ...]
    temperature: float = 0.0


@dataclass(frozen=True)
class BenchmarkAnswer:
    """A model's answer to one item.

    Attributes:
        key: The item's id.
        turns: What the user said.
        responses: What the model said to each turn, as text without special tokens.
        tokens: How many tokens each response took, the EOS included.
        finished: Whether each response ended by itself, with the EOS, within the limit.
    """

    key: str
    turns: tuple[str, ...]
    responses: tuple[str, ...]
    tokens: tuple[int, ...]
    finished: tuple[bool, ...]


@dataclass(frozen=True)
class BenchmarkScore:
    """What a benchmark says of one model's answers.

    Attributes:
        scores: The published numbers, by name; None where there is nothing to take one from.
        intervals: The 95% interval of each score that has one.
        counts: What the scores were taken from and what was left out (prompts, failed judgements, ...).
        details: Further JSON, by name: scores by category, the judge's name.
    """

    scores: Mapping[str, float | None]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The scores, then ``intervals`` (low and high by score), ``counts`` and the details."""
        intervals = {name: interval._asdict() for name, interval in self.intervals.items()}
        return {**self.scores, "intervals": intervals, "counts": dict(self.counts), **self.details}


@dataclass(frozen=True)
class ScoringPlace:
    """Whose answers are scored, and where files may be written.

    Attributes:
        model: The model's name: base, trained or another.
        folder: A fresh folder of the artifact; what is written here appears when the whole stage succeeds.
        work: A folder that outlives a stage that fails, for what is dear to make again (judgements).
    """

    model: str
    folder: Path
    work: Path


class Benchmark(Protocol):
    """A benchmark that params enable."""

    @property
    def name(self) -> str:
        """Its key in ``benchmarks`` of params, in metrics/benchmark.json and under data/benchmark."""

    @property
    def max_new_tokens(self) -> int:
        """Tokens the model may answer a turn with."""

    @property
    def files(self) -> Sequence[Path]:
        """The files its prompts were read from: by their SHA-256 decontamination's lists are recognised."""

    def prompts(self) -> Sequence[BenchmarkPrompt]:
        """The items to answer, each key once."""

    def score(self, answers: Sequence[BenchmarkAnswer], place: ScoringPlace) -> BenchmarkScore:
        """Score one model's answers.

        Args:
            answers: One per prompt, in the order of :meth:`prompts`.
            place: Whose they are, and where to write.

        Raises:
            PipelineError: If they cannot be scored, with what to do next.
        """
