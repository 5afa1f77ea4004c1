"""Tables of the data half: completions, pairs, what was dropped, and what the sample planted."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from pipeline.schema.table import MESSAGES, Column, Table

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
"""UltraFeedback's four rated aspects."""

SPLITS = ("train", "validation", "test")

COMPLETIONS = Table(
    "completions",
    {
        "row_id": Column(pl.String(), "Content hash of what was read of the raw row."),
        "completion_index": Column(pl.Int32(), "Place of the completion in the raw row, from 0."),
        "source": Column(pl.String(), "The part of the dataset the row comes from.", recurs=True),
        "prompt": Column(MESSAGES, "The conversation up to the completion.", recurs=True),
        "completion": Column(pl.String(), "The response, as it stands in the raw row.", nullable=True),
        "model": Column(pl.String(), "Who wrote it.", nullable=True, recurs=True),
        "overall_score": Column(pl.Float64(), "The judge's overall score.", nullable=True),
        "fine_grained_score": Column(pl.Float64(), "Mean of the aspect ratings.", nullable=True),
        **{
            aspect: Column(pl.Float64(), f"Rating of {aspect} (1 to 5); N/A is null.", nullable=True)
            for aspect in ASPECTS
        },
        "named_score": Column(pl.Float64(), "The score that source.score_column names.", nullable=True),
        "critique": Column(pl.String(), "The judge's words.", nullable=True),
        "label": Column(
            pl.String(),
            "chosen or rejected where the source itself paired the row.",
            nullable=True,
            recurs=True,
        ),
        "constraint": Column(
            pl.String(), "JSON of a pipeline.checks.Constraint where code can check it.", nullable=True
        ),
        "file": Column(pl.String(), "The raw file's name.", recurs=True),
        "line": Column(pl.Int64(), "1-based row in that file."),
    },
    key=("row_id", "completion_index"),
    invariants={
        "prompt is not empty": lambda: pl.col("prompt").list.len() > 0,
        "scores are finite": lambda: (
            pl.col("overall_score").is_finite() & pl.col("fine_grained_score").is_finite()
        ),
        "label is chosen or rejected": lambda: pl.col("label").is_in(["chosen", "rejected"]),
    },
)

_PAIR_COLUMNS = {
    "pair_id": Column(pl.String(), "Content hash of the prompt and the unordered two responses."),
    "prompt_id": Column(pl.String(), "Content hash of the prompt."),
    "row_id": Column(pl.String(), "The raw row the pair comes from."),
    "source": Column(pl.String(), "The part of the dataset the row comes from.", recurs=True),
    "prompt": Column(MESSAGES, "The conversation up to the response."),
    "chosen": Column(pl.String(), "The preferred response."),
    "rejected": Column(pl.String(), "The other one."),
    "chosen_score": Column(pl.Float64(), "Score that ranked it; null where people ranked.", nullable=True),
    "rejected_score": Column(pl.Float64(), "Score that ranked it; null where people ranked.", nullable=True),
    "margin": Column(pl.Float64(), "chosen_score - rejected_score.", nullable=True),
    "aspect_margin": Column(
        pl.Float64(), "Mean aspect rating of chosen minus that of rejected.", nullable=True
    ),
    "conflict": Column(
        pl.String(),
        "Whether the aspect ratings order the two as the overall scores do: agrees, tied (only one of the "
        "two sees no difference) or contradicted; null where one of them is missing.",
        nullable=True,
        recurs=True,
    ),
    "chosen_model": Column(pl.String(), "Who wrote chosen.", nullable=True, recurs=True),
    "rejected_model": Column(pl.String(), "Who wrote rejected.", nullable=True, recurs=True),
    "constraint": Column(pl.String(), "JSON of a pipeline.checks.Constraint, or null.", nullable=True),
}
CONFLICTS = ("agrees", "tied", "contradicted")
"""What the column conflict says."""

_PAIR_INVARIANTS: dict[str, Callable[[], pl.Expr]] = {
    "conflict is known": lambda: pl.col("conflict").is_in(list(CONFLICTS)),
    "chosen differs from rejected": lambda: pl.col("chosen") != pl.col("rejected"),
    "scores are finite": lambda: (
        pl.col("chosen_score").is_finite()
        & pl.col("rejected_score").is_finite()
        & pl.col("margin").is_finite()
    ),
}

PAIRS = Table("pairs", _PAIR_COLUMNS, key=("pair_id",), invariants=_PAIR_INVARIANTS)
"""Chosen/rejected pairs, from binarize on."""

CLUSTERED_PAIRS = Table(
    "clustered pairs",
    {**_PAIR_COLUMNS, "cluster_id": Column(pl.String(), "Id of the near-duplicate cluster of prompts.")},
    key=("pair_id",),
    invariants=_PAIR_INVARIANTS,
)
"""Pairs after dedupe."""

SPLIT_PAIRS = Table(
    "split pairs",
    {**CLUSTERED_PAIRS.columns, "split": Column(pl.String(), "train, validation or test.")},
    key=("pair_id",),
    invariants={**_PAIR_INVARIANTS, "split is known": lambda: pl.col("split").is_in(list(SPLITS))},
)
"""Pairs after split."""

LEDGER = Table(
    "ledger",
    {
        "stage": Column(pl.String(), "The stage that dropped it.", recurs=True),
        "reason": Column(pl.String(), "The rule's own name.", recurs=True),
        "row_id": Column(pl.String(), "The raw row.", nullable=True),
        "pair_id": Column(pl.String(), "The pair, once pairs exist.", nullable=True),
        "match_id": Column(
            pl.String(),
            "What it matched: the pair or row that was kept, or the benchmark and its item.",
            nullable=True,
        ),
        "value": Column(pl.Float64(), "What the rule measured.", nullable=True),
        "threshold": Column(pl.Float64(), "What the rule asked for.", nullable=True),
        "detail": Column(pl.String(), "The rest of the evidence in words.", nullable=True),
    },
    key=(),
    invariants={
        "a row or a pair is named": lambda: pl.col("row_id").is_not_null() | pl.col("pair_id").is_not_null()
    },
)
"""What was dropped, why, and on what evidence."""

TRUTH = Table(
    "sample truth",
    {
        "index": Column(pl.Int64(), "Row of the sample, from 0."),
        "row_id": Column(pl.String(), "The raw row."),
        "kind": Column(pl.String(), "The instruction's kind."),
        "topic": Column(pl.String(), "Its topic."),
        "defects": Column(pl.List(pl.String()), "Names of the defects planted in the row."),
        "duplicate_of": Column(pl.Int64(), "The row whose prompt it repeats.", nullable=True),
        "best_model": Column(
            pl.String(), "Writer of the best completion before a planted flip.", nullable=True
        ),
        "worst_model": Column(pl.String(), "Writer of the worst one before a planted flip.", nullable=True),
        "passed": Column(
            pl.List(pl.Boolean()), "Whether each completion meets the instruction, by the checks."
        ),
    },
    key=("index",),
)
"""What the sample generator planted, row by row."""

FLIPPED_PAIRS = Table(
    "flipped pairs",
    {
        "pair_id": Column(pl.String(), "The training pair whose labels were swapped."),
        "row_id": Column(pl.String(), "The raw row it comes from."),
        "draw": Column(pl.Float64(), "What was drawn for it; below split.flip_train the labels are swapped."),
    },
    key=("pair_id",),
)
"""Training pairs whose labels split swapped on purpose."""
