"""Scores in words, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.benchmarks.interface import BenchmarkScore


def score_lines(score: BenchmarkScore) -> list[str]:
    """A line for each score, with its interval where it has one, and one for the counts."""
    width = max(map(len, score.scores), default=0)
    lines = []
    for name, value in score.scores.items():
        shown = "none" if value is None else f"{value:.4f}"
        interval = score.intervals.get(name)
        around = "" if interval is None else f"  (95%: {interval.low:.4f} to {interval.high:.4f})"
        lines.append(f"{name:<{width}}  {shown}{around}")
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in score.counts.items())
    return [*lines, counts] if counts else lines


def contamination_line(contamination: Mapping[str, Any]) -> str:
    """What is known of the training data's contamination."""
    if contamination["status"] != "decontaminated":
        return "training data not checked for this benchmark's prompts"
    return (
        f"training data decontaminated against it: pairs dropped for its prompts: "
        f"{contamination['dropped_pairs']:,}, prompts found: {contamination['items_found']:,} of "
        f"{contamination['items']:,} (list {contamination['list']}, known by its "
        f"{contamination['recognised_by']})"
    )
