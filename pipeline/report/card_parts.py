"""What both cards say: the funnel, contamination and licences, in Markdown."""

from __future__ import annotations

from pipeline.licenses import UNKNOWN, License
from pipeline.report.artifacts import Artifacts
from pipeline.report.benchmarks import contamination_words
from pipeline.report.markdown import inline, table


def funnel_section(artifacts: Artifacts) -> str:
    """The way from raw rows to training pairs, with the reasons of what was dropped."""
    rows = [
        [
            funnel.stage,
            f"{funnel.rows_in:,} {inline(funnel.unit_in)}",
            f"{funnel.kept:,} {inline(funnel.unit_out)}",
            ", ".join(f"{inline(reason)} {count:,}" for reason, count in funnel.dropped.items() if count)
            or "none",
        ]
        for funnel in artifacts.funnels
    ]
    return "## From raw rows to training pairs\n\n" + table(
        ["Stage", "In", "Kept", "Dropped, by reason"], rows
    )


def contamination_section(artifacts: Artifacts) -> str:
    """What is known of benchmarks' prompts in the training data."""
    (extra,) = [funnel.extra for funnel in artifacts.funnels if funnel.stage == "decontaminate"]
    searched = extra.get("benchmarks") or {}
    lines = [f"- {inline(name)}: {contamination_words(found)[0]}" for name, found in searched.items()]
    said = "\n".join(lines) or "The data was not searched for any benchmark's prompts."
    return f"## Contamination\n\n{said}"


def license_section(licenses: list[tuple[str, License]]) -> str:
    """The licence of each part, and what to do where one is not known."""
    rows = [[role, inline(found.work), found.id] for role, found in licenses]
    note = (
        "\n\nWhere a licence is unknown, find it out before you share this."
        if any(found.id == UNKNOWN for _, found in licenses)
        else ""
    )
    return f"## Licences of the sources\n\n{table(['Part', 'Work', 'Licence'], rows)}{note}"
