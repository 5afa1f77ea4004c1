"""Tables of curation: the queue, what annotators said, what became of decisions, and suspects."""

from __future__ import annotations

import polars as pl

from pipeline.schema.table import MESSAGES, Column, Table

_TEXTS_SHA256 = "Hash of prompt, chosen and rejected (pipeline.curation.texts_hash)"

SIDES = ("chosen", "rejected")

QUEUE = Table(
    "queue",
    {
        "pair_id": Column(pl.String(), "The pair to be looked at."),
        "texts_sha256": Column(pl.String(), f"{_TEXTS_SHA256} as queued."),
        "source": Column(pl.String(), "The part of the dataset the row comes from.", recurs=True),
        "prompt": Column(MESSAGES, "The conversation up to the response."),
        "chosen": Column(pl.String(), "The response preferred so far."),
        "rejected": Column(pl.String(), "The other one."),
        "first": Column(pl.String(), "Which stands as A: chosen or rejected; drawn by pair_id.", recurs=True),
        "reasons": Column(pl.List(pl.String()), "Names of the strategies that chose it."),
        "priority": Column(pl.Float64(), "The higher, the sooner it is shown."),
        "margin": Column(pl.Float64(), "chosen_score - rejected_score.", nullable=True),
        "chosen_chars": Column(pl.Int64(), "Characters of chosen."),
        "rejected_chars": Column(pl.Int64(), "Characters of rejected."),
        "language": Column(pl.String(), "ISO 639-1 code, where it was judged.", nullable=True, recurs=True),
        "suspicion": Column(
            pl.Float64(), "How much the model disbelieves the label, where it was asked.", nullable=True
        ),
    },
    key=("pair_id",),
    invariants={
        "first is chosen or rejected": lambda: pl.col("first").is_in(list(SIDES)),
        "some strategy chose it": lambda: pl.col("reasons").list.len() > 0,
        "priority is finite": lambda: pl.col("priority").is_finite(),
    },
)
"""Pairs that wait for a person, in the order they are shown."""

ANNOTATION_STATUSES = ("submitted", "draft", "discarded")
CHOICES = ("A", "B", "tie", "both_bad")
"""What a blind annotator may answer."""

PREFERENCES = ("chosen", "rejected", "tie", "both_bad")
"""What the answer means once it is known which response stood as A."""

ANNOTATIONS = Table(
    "annotations",
    {
        "pair_id": Column(pl.String(), "The pair."),
        "texts_sha256": Column(pl.String(), f"{_TEXTS_SHA256} as the annotator saw them."),
        "annotator": Column(pl.String(), "Who.", recurs=True),
        "status": Column(pl.String(), "submitted, draft or discarded.", recurs=True),
        "choice": Column(pl.String(), "A, B, tie or both_bad; null unless submitted.", nullable=True),
        "preferred": Column(pl.String(), "chosen, rejected, tie or both_bad; null likewise.", nullable=True),
        "correction": Column(pl.String(), "A better response, in the annotator's words.", nullable=True),
        "rating": Column(pl.Int64(), "Rating of the better response, 1 to 5.", nullable=True),
        "note": Column(pl.String(), "What else the annotator said, where there was room.", nullable=True),
        "when": Column(pl.Datetime("us", "UTC"), "When it was given or last changed."),
        "where": Column(pl.String(), "The dataset or file it comes from.", recurs=True),
    },
    key=("pair_id", "texts_sha256", "annotator", "where"),
    invariants={
        "status is known": lambda: pl.col("status").is_in(list(ANNOTATION_STATUSES)),
        "choice is known": lambda: pl.col("choice").is_in(list(CHOICES)),
        "preferred is known": lambda: pl.col("preferred").is_in(list(PREFERENCES)),
        "a choice where submitted": lambda: (
            (pl.col("status") == "submitted") == pl.col("choice").is_not_null()
        ),
        "a preference where submitted": lambda: (
            (pl.col("status") == "submitted") == pl.col("preferred").is_not_null()
        ),
        "rating is 1 to 5": lambda: pl.col("rating").is_between(1, 5),
    },
)
"""What annotators said, one row per pair, annotator and place; drafts and discards too."""

FATES = ("applied", "superseded", "outvoted", "contested", "stale")
"""What becomes of a line of the decisions file."""

_DECIDED = {
    "pair_id": Column(pl.String(), "The pair it is about."),
    "action": Column(pl.String(), "keep, swap, drop or edit.", recurs=True),
    "annotators": Column(pl.List(pl.String()), "Who decided so."),
    "agreement": Column(pl.Float64(), "Share of those asked that said so.", nullable=True),
    "reason": Column(pl.String(), "In words."),
    "when": Column(pl.String(), "ISO 8601 date and time."),
}

DECISIONS = Table(
    "decisions",
    {
        "line": Column(pl.Int64(), "1-based line of the decisions file."),
        **_DECIDED,
        "fate": Column(pl.String(), "What became of it: pipeline.curation.resolve.", recurs=True),
        "problem": Column(pl.String(), "Why it was not applied.", nullable=True),
    },
    key=("line",),
    invariants={
        "fate is known": lambda: pl.col("fate").is_in(list(FATES)),
        "a problem unless applied": lambda: (pl.col("fate") == "applied") == pl.col("problem").is_null(),
    },
)
"""Every line of the decisions file and what became of it: none is lost."""

CHANGED_PAIRS = Table(
    "changed pairs",
    {
        **_DECIDED,
        "row_id": Column(pl.String(), "The raw row the pair comes from."),
        "line": Column(pl.Int64(), "The line of the decisions file that counted."),
        "changed": Column(pl.List(pl.String()), "Which of prompt, chosen and rejected are others now."),
        "texts_sha256": Column(pl.String(), f"{_TEXTS_SHA256} before."),
        "new_texts_sha256": Column(pl.String(), f"{_TEXTS_SHA256} since."),
    },
    key=("pair_id",),
    invariants={
        "swap or edit": lambda: pl.col("action").is_in(["swap", "edit"]),
        "something changed": lambda: pl.col("changed").list.len() > 0,
    },
)
"""Pairs that people's decisions changed, with who, why and how sure: the ledger of what stays but differs."""

SUSPECTS = Table(
    "suspects",
    {
        "pair_id": Column(pl.String(), "The training pair."),
        "texts_sha256": Column(pl.String(), f"{_TEXTS_SHA256} as trained on."),
        "suspicion": Column(
            pl.Float64(), "Mean rank by the signals of suspects.signals, 1 the most disbelieved label."
        ),
        "cross_fit_margin": Column(
            pl.Float64(), "log odds(chosen) - log odds(rejected) by a model trained on the other folds."
        ),
        "dynamics_mean": Column(
            pl.Float64(), "Mean over epochs of that margin by a model trained on all pairs, this one too."
        ),
        "dynamics_std": Column(pl.Float64(), "Standard deviation over epochs of the same."),
        "probe_margin": Column(
            pl.Float64(), "Log odds of the label by a linear probe of the base model, fitted to the others."
        ),
        "stacked_margin": Column(
            pl.Float64(), "Log odds of the label by the signals that never saw it, weighted on the others."
        ),
        "base_margin": Column(pl.Float64(), "log odds(chosen) - log odds(rejected) by the base model."),
        "base_sum_margin": Column(
            pl.Float64(), "Log-probability of chosen less rejected's by the base model, summed over tokens."
        ),
        "length_margin": Column(pl.Float64(), "Logarithm of chosen's characters over rejected's."),
        "score_margin": Column(pl.Float64(), "chosen_score - rejected_score.", nullable=True),
        "fold": Column(pl.Int64(), "The fold it was left out with, from 0."),
    },
    key=("pair_id",),
    invariants={
        "suspicion lies in 0..1": lambda: pl.col("suspicion").is_between(0, 1),
        "margins are finite": lambda: (
            pl.col("cross_fit_margin").is_finite()
            & pl.col("dynamics_mean").is_finite()
            & pl.col("dynamics_std").is_finite()
            & pl.col("probe_margin").is_finite()
            & pl.col("stacked_margin").is_finite()
            & pl.col("base_margin").is_finite()
            & pl.col("base_sum_margin").is_finite()
        ),
    },
)
"""Training pairs by how much a model disbelieves their label; in every signal, the lower the more suspect."""
