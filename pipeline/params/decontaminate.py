"""``decontaminate``: prompts that a benchmark asks, too."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import Section


class BenchmarkParams(Section):
    """A list of benchmark prompts."""

    name: str = Field(min_length=1, description="What the ledger calls it.")
    path: str = Field(min_length=1, description="JSON Lines file of items (.jsonl, .jsonl.gz, .jsonl.zst).")
    prompt: str | None = Field(
        None,
        description="The field with the prompt, a text or a list of turns; null: prompt, instruction, "
        "question or turns.",
    )
    id: str | None = Field(
        None, description="The field with the item's id; null: id, key, question_id or the line."
    )


class DecontaminateParams(Section):
    """Prompts that a benchmark asks, too."""

    benchmarks: list[BenchmarkParams] = Field(
        default_factory=lambda: [
            BenchmarkParams(name="sample_benchmark", path="pipeline/sources/sample_benchmark.jsonl")
        ],
        description="Lists of benchmark prompts; []: no decontamination.",
    )
    preset: Literal["8_gram", "13_gram"] | None = Field(
        None,
        description="Stands for ngram and min_overlap: 8_gram is (8, 0.5); 13_gram is (13, any one n-gram in "
        "common). Null: the two keys below.",
    )
    ngram: int = Field(8, ge=1, le=50, description="Words per n-gram.")
    min_overlap: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of a benchmark prompt's n-grams that a training prompt must contain to be "
        "dropped; 0: any one. A folded benchmark prompt that equals the training prompt always drops it.",
    )
    texts: Literal["prompt", "prompt_and_responses"] = Field(
        "prompt", description="What is searched for the benchmark's n-grams."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> DecontaminateParams:
        names = [benchmark.name for benchmark in self.benchmarks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two benchmarks are named {', '.join(twice)}: give each a name of its own")
        return self
