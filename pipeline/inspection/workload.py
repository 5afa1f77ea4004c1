"""How much each stage will have to do with the whole source, from what became of the sample."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.inspection.lengths import TokenFindings
from pipeline.inspection.trial import Trial
from pipeline.params import SplitParams, TrainParams

AFTER = {"binarize": "filter", "filter": "decontaminate", "decontaminate": "dedupe", "dedupe": "curate"}
"""Data stage to the one that takes what it made."""


@dataclass(frozen=True)
class Workload:
    """What is expected.

    Attributes:
        units: By stage, how many of its units it takes in: rows, pairs, or tokens (train).
        train_pairs: Pairs to train on, once tokenize has dropped what is too long.
        test_pairs: Pairs to evaluate on.
        train_tokens: Tokens that training goes through, all epochs together.
        pair_tokens: Tokens of a pair on average, the prompt counted once.
        sequence_tokens: Tokens of its two sequences, the prompt counted in both.
        longest: Tokens of the longest pair of the sample, as train sees it.
    """

    units: dict[str, float]
    train_pairs: float
    test_pairs: float
    train_tokens: float
    pair_tokens: float
    sequence_tokens: float
    longest: int


def expected_work(
    rows: int, trial: Trial, tokens: TokenFindings | None, split: SplitParams, train: TrainParams
) -> Workload:
    """What the stages will take in if all rows are like the sample.

    Args:
        rows: Rows of the whole source that have completions.
        trial: What the data stages did to the sample.
        tokens: Lengths of the sample's pairs; None: no tokenizer is here, and nothing is known of tokens.
        split: The section ``split``.
        train: The section ``train``.
    """
    grown = rows / trial.rows if trial.rows else 0.0
    units = {stage.stage: stage.taken * grown for stage in trial.stages}
    for stage in trial.stages:
        if stage.stage in AFTER:
            units[AFTER[stage.stage]] = stage.kept * grown
    pairs = trial.pairs.height * grown
    units |= {"split": pairs, "tokenize": pairs}
    held_out = {name: share * pairs if share < 1 else min(share, pairs) for name, share in _shares(split)}
    parts = {**held_out, "train": max(0.0, pairs - sum(held_out.values()))}
    for name, most in (("train", split.max_train), ("test", split.max_test)):
        parts[name] = parts[name] if most is None else min(parts[name], most)
    kept = tokens.kept if tokens else []
    staying = len(kept) / tokens.pairs if tokens and tokens.pairs else 0.0
    mean = sum(pair.tokens for pair in kept) / len(kept) if kept else 0.0
    sequences = sum(pair.sequence_tokens for pair in kept) / len(kept) if kept else 0.0
    trained = parts["train"] * staying
    passed = trained * train.epochs * (mean if train.shared_prefix else sequences)
    return Workload(
        units={**units, "train": passed, "evaluate": parts["test"] * staying},
        train_pairs=trained,
        test_pairs=parts["test"] * staying,
        train_tokens=passed,
        pair_tokens=mean,
        sequence_tokens=sequences,
        longest=max((_longest(pair.tokens, pair.sequence_tokens, train) for pair in kept), default=0),
    )


def _shares(split: SplitParams) -> list[tuple[str, float]]:
    return [("validation", split.validation), ("test", split.test)]


def _longest(tokens: int, sequence_tokens: int, train: TrainParams) -> int:
    return tokens if train.shared_prefix else sequence_tokens
