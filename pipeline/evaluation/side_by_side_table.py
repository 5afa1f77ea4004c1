"""Variants side by side on a terminal, from ``data/compare/summary.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

_ROWS = {
    "accuracy": ("preference accuracy", 3),
    "log_odds_margin": ("log odds margin", 3),
    "chosen_nll": ("NLL of chosen", 3),
    "rejected_nll": ("NLL of rejected", 3),
    "odds_ratio_term": ("odds-ratio term", 3),
    "instruction_success": ("instruction success", 3),
}


def comparison_table(summary: Mapping[str, Any]) -> Table:
    """A column for each variant: each metric with its interval below, and what training took.

    An asterisk marks what differs from the first variant with p < 0.05, by the paired test, not corrected for
    the number of comparisons.
    """
    title = (
        f"Held-out {summary['split']} split, {summary['pairs']:,} pairs; * differs from {summary['against']}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    variants = summary["variants"]
    for variant in variants:
        table.add_column(variant["name"], justify="right", overflow="fold")
    for metric, (label, digits) in _ROWS.items():
        if any(metric in variant["metrics"] for variant in variants):
            table.add_row(label, *(_metric(variant, metric, digits) for variant in variants))
    for label, cells in _costs(variants).items():
        if any(cells):
            table.add_row(label, *(cell or "–" for cell in cells))
    return table


def _metric(variant: Mapping[str, Any], metric: str, digits: int) -> str:
    found = variant["metrics"].get(metric)
    if found is None:
        return "–"
    p_value = variant["difference"].get(metric, {}).get("p_value")
    mark = "*" if p_value is not None and p_value < 0.05 else ""
    if found["low"] is None:
        return f"{found['value']:.{digits}f}{mark}"
    return f"{found['value']:.{digits}f}{mark}\n{found['low']:.{digits}f} to {found['high']:.{digits}f}"


def _costs(variants: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Rows of what training took; an empty cell is unknown."""
    costs = [variant["cost"] for variant in variants]

    def cells(name: str, scale: float, form: str) -> list[str]:
        return ["" if cost[name] is None else format(cost[name] / scale, form) for cost in costs]

    return {
        "training, seconds": cells("train_seconds", 1, ",.0f"),
        "reference pass, seconds": cells("reference_seconds", 1, ",.0f"),
        "tokens per second": cells("tokens_per_second", 1, ",.0f"),
        "peak memory, GB": cells("peak_memory_bytes", 1e9, ".1f"),
        "steps": cells("steps", 1, ",.0f"),
    }
