"""What to change: dotted keys of params.yaml with values, and the number each rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.inspection.facts import PairFacts
from pipeline.inspection.lengths import TokenFindings
from pipeline.inspection.trial import StageTrial, Trial
from pipeline.pairs.presets import resolve
from pipeline.params import Params

MANY = 0.2
"""Share of what a stage takes in from which a rule that drops so much is worth a look."""

MOST = 0.5
"""Share of the margins below ``binarize.min_margin`` from which it does not fit the scale of the scores."""

_SWITCHES: Mapping[str, tuple[str, Any]] = {
    "excluded_source": ("filter.exclude_sources", []),
    "prompt_too_long": ("filter.max_prompt_chars", None),
    "response_too_long": ("filter.max_response_chars", None),
    "undecodable_text": ("filter.undecodable", "never"),
    "constant_response": ("filter.max_prompts_per_response", None),
    "role_leakage": ("filter.role_leakage", "chosen"),
    "length_ratio": ("filter.max_length_ratio", None),
    "conflicting_scores": ("filter.conflicts", "keep"),
    "refusal": ("filter.refusals", "never"),
    "heavy_repetition": ("filter.max_repetition", None),
    "mostly_code": ("filter.code", "any"),
    "not_code": ("filter.code", "any"),
    "too_many_tokens": ("filter.max_tokens", None),
    "other_language": ("filter.languages", []),
}
"""Filter rule to the key and the value that loosens it or switches it off."""

_LENGTH_STEP = 128


@dataclass(frozen=True)
class Change:
    """A key to change.

    Attributes:
        key: Dotted, as in params.yaml.
        value: What to set it to.
        why: What was seen, with numbers.
    """

    key: str
    value: Any
    why: str


def sample_changes(
    params: Params, trial: Trial, facts: PairFacts, tokens: TokenFindings | None, longest: int | None
) -> list[Change]:
    """What the sample speaks for.

    Args:
        params: As they are.
        trial: What the data stages did to the sample.
        facts: Its scores, margins and lengths.
        tokens: Its lengths in tokens; None: not measured.
        longest: Tokens the base model takes at most; None: not known.
    """
    by_stage = {stage.stage: stage for stage in trial.stages}
    return [
        *_margin(params, facts),
        *_ties(params, by_stage.get("binarize"), facts),
        *_filters(by_stage.get("filter")),
        *_duplicates(params, by_stage.get("dedupe")),
        *_lengths(params, tokens, longest),
    ]


def observations(facts: PairFacts) -> list[str]:
    """What a person should know and no key of params mends by itself, in sentences."""
    said = []
    if facts.chosen_longer is not None and not 0.35 < facts.chosen_longer < 0.65:
        longer = "longer" if facts.chosen_longer > 0.5 else "shorter"
        share = max(facts.chosen_longer, 1 - facts.chosen_longer)
        said.append(
            f"Chosen is {longer} than rejected in {share:.0%} of the pairs: a model may learn length "
            "instead of quality. The report compares accuracy with that of length alone; "
            "filter.max_length_ratio leaves out the most unequal pairs."
        )
    if facts.commonest_score is not None and facts.commonest_share >= 0.8:
        said.append(
            f"Scores hardly differ: {facts.commonest_share:.0%} of the scored responses have "
            f"{facts.commonest_score:g}. Check that the right column is read as the score."
        )
    return said


def _margin(params: Params, facts: PairFacts) -> Iterator[Change]:
    least = resolve(params.binarize).params.min_margin
    if params.binarize.preset or not facts.margins or facts.fitting_margin is None:
        return
    share = facts.short_margins / facts.margins
    if share >= MOST:
        yield Change(
            "binarize.min_margin",
            facts.fitting_margin,
            f"{share:.0%} of the margins lie below {least:g}; three in four reach {facts.fitting_margin:g}",
        )


def _ties(params: Params, binarized: StageTrial | None, facts: PairFacts) -> Iterator[Change]:
    ties = binarized.dropped.get("tie", 0) if binarized else 0
    if not binarized or params.binarize.preset or ties < MANY * binarized.taken or not facts.has_aspects:
        return
    yield Change(
        "binarize.ties",
        "keep_by_secondary_score",
        f"{ties:,} of {binarized.taken:,} rows end in a tie, and aspect ratings could part them",
    )


def _filters(filtered: StageTrial | None) -> Iterator[Change]:
    for reason, count in filtered.dropped.items() if filtered else ():
        if filtered and count >= MANY * filtered.taken and reason in _SWITCHES:
            key, value = _SWITCHES[reason]
            yield Change(key, value, f"{reason} drops {count:,} of {filtered.taken:,} pairs")


def _duplicates(params: Params, deduped: StageTrial | None) -> Iterator[Change]:
    dropped = sum(deduped.dropped.values()) if deduped else 0
    if deduped and params.dedupe.by == "prompt" and dropped >= MANY * deduped.taken:
        yield Change(
            "dedupe.by",
            "prompt_and_responses",
            f"{dropped:,} of {deduped.taken:,} pairs share their prompt with a pair of another row; "
            "so set, they stay where their responses differ",
        )


def _lengths(params: Params, tokens: TokenFindings | None, longest: int | None) -> Iterator[Change]:
    """A max_length that holds 99 in 100 pairs, as far as the model takes it; what is longer is cut."""
    if tokens is None or not tokens.pairs:
        return
    limit = params.tokenize.max_length
    over = tokens.over(limit)
    if over < 0.05 * tokens.pairs:
        return
    wanted = -(-tokens.percentiles()["pair"]["p99"] // _LENGTH_STEP) * _LENGTH_STEP
    fits = wanted if longest is None else min(wanted, longest)
    why = f"{over:,} of {tokens.pairs:,} pairs are longer than {limit:,} tokens"
    if fits > limit:
        yield Change("tokenize.max_length", fits, f"{why}; 99 in 100 have at most {wanted:,}")
    elif params.tokenize.truncation == "drop":
        yield Change("tokenize.truncation", "truncate_response", f"{why}, all the model takes")
