"""Columns, dtypes and invariants of every table: the agreement between stages.

A :class:`Table` says what a Parquet file holds. :mod:`pipeline.tables` refuses to write or read one that
breaks it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""A conversation: messages in order, each with a role (system, user, assistant) and its text."""

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
"""UltraFeedback's four rated aspects."""

SPLITS = ("train", "validation", "test")

GREEDY, SAMPLED = "greedy", "sampled"
"""How an answer is decoded."""


@dataclass(frozen=True)
class Column:
    """One column: its dtype, what it means, whether null is allowed, and whether few values recur.

    A column whose values recur is written as a dictionary; for long or distinct texts that only costs time.
    """

    dtype: pl.DataType | type[pl.DataType]
    doc: str
    nullable: bool = False
    recurs: bool = False


@dataclass(frozen=True)
class Table:
    """A named set of columns, its key, and invariants every row keeps.

    Attributes:
        name: The table's name, as errors and lineage call it.
        columns: Columns in file order.
        key: Columns that together name one row.
        invariants: Name to an expression that is true for a good row (null counts as true).
        ids_of_rows: Columns that name a row in an error message.
    """

    name: str
    columns: dict[str, Column]
    key: tuple[str, ...]
    invariants: dict[str, Callable[[], pl.Expr]] = field(default_factory=dict)

    def schema(self) -> pl.Schema:
        """The Polars schema."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    def empty(self) -> pl.DataFrame:
        """A frame with these columns and no rows."""
        return pl.DataFrame(schema=self.schema())


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
        ),
    },
)
"""Training pairs by how much a model disbelieves their label; in every signal, the lower the more suspect."""

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

REFERENCE_LOGPS = Table(
    "reference log-probabilities",
    {
        "pair_id": Column(pl.String(), "The pair."),
        "chosen_logp_sum": Column(
            pl.Float64(), "Log-probability of chosen under the base model, summed over its tokens, nats."
        ),
        "rejected_logp_sum": Column(pl.Float64(), "The same of rejected."),
    },
    key=("pair_id",),
    invariants={
        "log-probabilities are finite": lambda: (
            pl.col("chosen_logp_sum").is_finite() & pl.col("rejected_logp_sum").is_finite()
        ),
    },
)
"""What DPO's reference model thinks of a pair."""

EVALUATED_PAIRS = Table(
    "evaluated pairs",
    {
        "pair_id": Column(pl.String(), "The pair."),
        "model": Column(pl.String(), "base, trained or a name from evaluate.models."),
        "prompt_id": Column(pl.String(), "Its prompt."),
        "source": Column(pl.String(), "The part of the dataset the row comes from.", recurs=True),
        "chosen_model": Column(pl.String(), "Who wrote chosen.", nullable=True, recurs=True),
        "rejected_model": Column(pl.String(), "Who wrote rejected.", nullable=True, recurs=True),
        "turns": Column(pl.Int64(), "Messages of the user in the prompt."),
        "margin": Column(pl.Float64(), "Score margin of the pair.", nullable=True),
        "chosen_logp": Column(pl.Float64(), "Mean log-probability per token of chosen (eq. 3), nats."),
        "rejected_logp": Column(pl.Float64(), "Mean log-probability per token of rejected, nats."),
        "log_odds_margin": Column(pl.Float64(), "log odds(chosen) - log odds(rejected) (eq. 4 and 7)."),
        "odds_ratio_term": Column(pl.Float64(), "-log sigmoid(log_odds_margin) (eq. 7)."),
        "correct": Column(pl.Boolean(), "Whether the margin is above 0."),
        "prompt_tokens": Column(pl.Int64(), "Tokens of the prompt."),
        "chosen_tokens": Column(pl.Int64(), "Tokens of chosen, EOS included."),
        "rejected_tokens": Column(pl.Int64(), "Tokens of rejected, EOS included."),
    },
    key=("pair_id", "model"),
)
"""Preference metrics, one row per held-out pair and model."""

EVALUATED_SLICES = Table(
    "evaluated slices",
    {
        "model": Column(pl.String(), "base, trained or a name from evaluate.models.", recurs=True),
        "slice": Column(pl.String(), "What the pairs are parted by.", recurs=True),
        "value": Column(pl.String(), "The part.", recurs=True),
        "pairs": Column(pl.Int64(), "Pairs in it."),
        "accuracy": Column(pl.Float64(), "Share of them with log_odds_margin above 0."),
        "accuracy_low": Column(pl.Float64(), "Low end of its 95% interval."),
        "accuracy_high": Column(pl.Float64(), "High end of its 95% interval."),
        "log_odds_margin": Column(pl.Float64(), "Mean over the pairs."),
        "chosen_nll": Column(pl.Float64(), "Mean over the pairs, nats per token."),
        "rejected_nll": Column(pl.Float64(), "Mean over the pairs, nats per token."),
    },
    key=("model", "slice", "value"),
    invariants={
        "accuracy lies in its interval": lambda: pl.col("accuracy").is_between(
            pl.col("accuracy_low"), pl.col("accuracy_high")
        )
    },
)
"""Preference metrics by slice, one row per model and part."""

GENERATIONS = Table(
    "generations",
    {
        "prompt_id": Column(pl.String(), "The prompt."),
        "model": Column(pl.String(), "base or trained."),
        "decoding": Column(pl.String(), "greedy or sampled.", recurs=True),
        "sample": Column(pl.Int64(), "The sample's number, from 0; 0 for a greedy answer."),
        "prompt": Column(MESSAGES, "The conversation."),
        "response": Column(pl.String(), "The generated text."),
        "tokens": Column(pl.Int64(), "Tokens generated, EOS included."),
        "finished": Column(pl.Boolean(), "Whether the model ended its turn before max_new_tokens."),
        "constraint": Column(pl.String(), "JSON of the constraint, or null.", nullable=True),
        "success": Column(pl.Boolean(), "Whether the checks pass; null where there is none.", nullable=True),
        "failures": Column(pl.List(pl.String()), "Names of the checks that failed.", nullable=True),
    },
    key=("prompt_id", "model", "decoding", "sample"),
    invariants={"decoding is known": lambda: pl.col("decoding").is_in([GREEDY, SAMPLED])},
)
"""Answers to held-out prompts: one greedy row per prompt and model, and one for each sample."""

IFEVAL_VERDICTS = Table(
    "IFEval verdicts",
    {
        "key": Column(pl.String(), "The prompt's id."),
        "prompt": Column(pl.String(), "What was asked."),
        "response": Column(pl.String(), "What the model said."),
        "instructions": Column(pl.List(pl.String()), "Ids of the prompt's instructions."),
        "strict": Column(pl.List(pl.Boolean()), "Whether the response follows each, as it stands."),
        "loose": Column(pl.List(pl.Boolean()), "Whether it or a loose variant of it follows each."),
        "all_strict": Column(pl.Boolean(), "Whether it follows all, as it stands."),
        "all_loose": Column(pl.Boolean(), "Whether it or loose variants follow all."),
    },
    key=("key",),
    invariants={
        "a verdict for each instruction": lambda: (
            (pl.col("strict").list.len() == pl.col("instructions").list.len())
            & (pl.col("loose").list.len() == pl.col("instructions").list.len())
        ),
        "what is followed strictly is followed loosely": lambda: pl.col("all_loose") | ~pl.col("all_strict"),
    },
)
"""IFEval, one row per prompt."""
