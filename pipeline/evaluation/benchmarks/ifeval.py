"""IFEval (Zhou et al., arXiv 2311.07911): how well answers follow instructions that code can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.evaluation.benchmarks.ifeval_checkers import check_items, judge
from pipeline.evaluation.benchmarks.ifeval_prompts import IFEvalItem, prompts_file, read_items
from pipeline.evaluation.benchmarks.interface import (
    RESAMPLING,
    BenchmarkAnswer,
    BenchmarkPrompt,
    BenchmarkScore,
    ScoringPlace,
)
from pipeline.evaluation.benchmarks.prompt_files import draw
from pipeline.evaluation.benchmarks.responses import read_responses
from pipeline.evaluation.statistics import percentile_interval, resampled_ratios
from pipeline.params import IFEvalParams
from pipeline.schema import IFEVAL_VERDICTS
from pipeline.tables import write_table

SCORES = (
    "prompt_level_strict_acc",
    "inst_level_strict_acc",
    "prompt_level_loose_acc",
    "inst_level_loose_acc",
)
"""The four published numbers, by lm-eval's names: the share of prompts whose instructions are all followed,
and the share of instructions that are followed; by the response as it stands, and by its loose variants."""

AVERAGE = "average"
"""The mean of the four."""


def verdicts(items: Sequence[IFEvalItem], responses: Mapping[str, str]) -> pl.DataFrame:
    """Check the response to each prompt.

    Args:
        items: The prompts.
        responses: A response to each, by the prompt's key.

    Returns:
        A table :data:`~pipeline.schema.IFEVAL_VERDICTS`, in the order of the prompts.

    Raises:
        PipelineError: As :func:`~pipeline.evaluation.benchmarks.ifeval_checkers.judge`.
    """
    rows = []
    for item in items:
        verdict = judge(item, responses[item.key])
        rows.append(
            {
                "key": item.key,
                "prompt": item.prompt,
                "response": responses[item.key],
                "instructions": item.instructions,
                "strict": verdict.strict,
                "loose": verdict.loose,
                "all_strict": all(verdict.strict),
                "all_loose": all(verdict.loose),
            }
        )
    return pl.DataFrame(rows, schema=IFEVAL_VERDICTS.schema())


def summarise(table: pl.DataFrame) -> BenchmarkScore:
    """The published numbers of checked responses.

    Args:
        table: From :func:`verdicts`, at least one row.

    Returns:
        :data:`SCORES` and :data:`AVERAGE` as shares from 0 to 1, each with its interval (95%, bootstrap over
        prompts, seeded); counts of prompts, instructions and blank responses; and ``by_instruction``: how
        many there are of each kind of instruction and the shares followed, strict and loose.
    """
    sums = table.select(
        pl.col("all_strict"),
        pl.col("strict").list.sum().alias("followed_strict"),
        pl.col("all_loose"),
        pl.col("loose").list.sum().alias("followed_loose"),
        instructions=pl.col("instructions").list.len(),
    )
    successes = sums.drop("instructions").cast(pl.Float64).to_numpy()
    sizes = sums["instructions"].cast(pl.Float64).to_numpy()
    trials = np.stack([np.ones_like(sizes), sizes, np.ones_like(sizes), sizes], axis=1)
    values = successes.sum(axis=0) / trials.sum(axis=0)
    draws = resampled_ratios(successes, trials, RESAMPLING)
    intervals = {name: percentile_interval(draws[:, place]) for place, name in enumerate(SCORES)}
    return BenchmarkScore(
        scores={**dict(zip(SCORES, values.tolist(), strict=True)), AVERAGE: float(values.mean())},
        intervals={**intervals, AVERAGE: percentile_interval(draws.mean(axis=1))},
        counts={
            "prompts": table.height,
            "instructions": int(sizes.sum()),
            "blank_responses": int((table["response"].str.strip_chars() == "").sum()),
        },
        details={"by_instruction": _by_instruction(table)},
    )


def _by_instruction(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    kinds = (
        table.explode("instructions", "strict", "loose")
        .group_by("instructions")
        .agg(pl.len().alias("count"), pl.col("strict").mean(), pl.col("loose").mean())
        .sort("instructions")
    )
    return {row.pop("instructions"): row for row in kinds.iter_rows(named=True)}


class IFEval:
    """IFEval as stage benchmark runs it.

    Args:
        params: The section ``benchmarks.ifeval``.

    Raises:
        PipelineError: If the prompts cannot be had or are damaged, or the checkers are not installed.
    """

    name = "ifeval"

    def __init__(self, params: IFEvalParams) -> None:
        path = prompts_file(params)
        self.files: Sequence[Path] = (path,)
        self.max_new_tokens: int = params.max_new_tokens
        self._asked = draw(read_items(path), params.limit, params.seed, lambda item: item.key)
        check_items(self._asked)

    def prompts(self) -> Sequence[BenchmarkPrompt]:
        """The prompts that are asked, of one turn each, answered greedily."""
        return [BenchmarkPrompt(item.key, (item.prompt,)) for item in self._asked]

    def score(self, answers: Sequence[BenchmarkAnswer], place: ScoringPlace) -> BenchmarkScore:
        """As :func:`summarise`, with ``unfinished`` among the counts; the verdicts go to verdicts.parquet."""
        table = verdicts(self._asked, {answer.key: answer.responses[0] for answer in answers})
        write_table(table, place.folder / "verdicts.parquet", IFEVAL_VERDICTS, {"model": place.model})
        score = summarise(table)
        unfinished = sum(not answer.finished[0] for answer in answers)
        return replace(score, counts={**score.counts, "unfinished": unfinished})


def score_responses(
    prompts: Path, responses: Path, partial: bool = False
) -> tuple[pl.DataFrame, BenchmarkScore]:
    """IFEval of responses in a file, whoever wrote them.

    Args:
        prompts: See :func:`~pipeline.evaluation.benchmarks.ifeval_prompts.read_items`.
        responses: See :func:`~pipeline.evaluation.benchmarks.responses.read_responses`.
        partial: Whether prompts without a response are left out, and counted, instead of refused.

    Returns:
        The verdicts, and the score with ``prompts_without_response`` among its counts.

    Raises:
        PipelineError: If either file is damaged or they do not fit, or the checkers are not installed.
    """
    items = read_items(prompts)
    found = read_responses(responses, {item.key: item.prompt for item in items}, partial)
    table = verdicts(
        [item for item in items if item.key in found], {key: response.text for key, response in found.items()}
    )
    score = summarise(table)
    missing = len(items) - table.height
    return table, replace(score, counts={**score.counts, "prompts_without_response": missing})
