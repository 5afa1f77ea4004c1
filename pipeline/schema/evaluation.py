"""Tables of evaluation: scores of pairs, answers, verdicts, and reference values."""

from __future__ import annotations

import polars as pl

from pipeline.schema.table import MESSAGES, Column, Table

GREEDY, SAMPLED = "greedy", "sampled"
"""How an answer is decoded."""

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
