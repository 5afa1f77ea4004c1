"""The dataset card: what the preference pairs are, where they come from, and how to load them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from huggingface_hub import DatasetCardData

from pipeline.files import sha256_file
from pipeline.licenses import License, source_license
from pipeline.params import ReportParams
from pipeline.report import card_parts
from pipeline.report.artifacts import Artifacts
from pipeline.report.lineage import dataset_facts
from pipeline.report.markdown import inline, table
from pipeline.schema import SPLIT_PAIRS, SPLITS

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MOST_WRITERS = 12


def dataset_card(artifacts: Artifacts, folder: Path, params: ReportParams) -> str:
    """A dataset card in Markdown with Hugging Face front matter, for the split pairs.

    Args:
        artifacts: What the stages wrote.
        folder: data/split, whose files' hashes it names.
        params: The ``report`` section: the licence, where the user has decided on one.

    Raises:
        OSError: If a split's file cannot be read.
    """
    source = source_license(artifacts.dataset)
    front = DatasetCardData(
        license=params.dataset_license or source.id,
        task_categories=["text-generation"],
        tags=["preference", "dpo", "orpo", "rlhf"],
        size_categories=_size(sum(frame.height for frame in artifacts.splits.values())),
        pretty_name=f"Preference pairs from {artifacts.dataset.get('kind', 'a private source')}",
        source_datasets=[str(artifacts.dataset["repo"])] if artifacts.dataset.get("repo") else None,
        configs=_configs(),
    )
    parts = [
        f"---\n{front.to_yaml()}\n---",
        "# Preference pairs",
        "Pairs of a chosen and a rejected response to one prompt, for preference optimisation.\n"
        "Near-duplicate prompts lie in one split, never on both sides of one.",
        _splits(artifacts, folder),
        _columns(),
        card_parts.funnel_section(artifacts),
        _writers(artifacts),
        card_parts.contamination_section(artifacts),
        card_parts.license_section([("Source", source), *_own(params)]),
        _origin(artifacts),
    ]
    return "\n\n".join(parts) + "\n"


def _configs() -> list[dict[str, Any]]:
    files = [{"split": name, "path": f"data/{name}.parquet"} for name in SPLITS]
    return [{"config_name": "default", "data_files": files}]


def _size(pairs: int) -> str:
    return next(
        (name for bound, name in _SIZES if pairs < bound), "1M<n<10M" if pairs < 10_000_000 else "n>10M"
    )


def _own(params: ReportParams) -> list[tuple[str, License]]:
    return (
        [("These pairs", License(params.dataset_license, "this dataset"))] if params.dataset_license else []
    )


def _splits(artifacts: Artifacts, folder: Path) -> str:
    rows = []
    for name in SPLITS:
        frame = artifacts.splits[name]
        margin = frame["margin"].mean()
        shown = f"{margin:.2f}" if isinstance(margin, float) else "–"
        rows.append([name, f"{frame.height:,}", shown, f"`{sha256_file(folder / f'{name}.parquet')}`"])
    return "## Splits\n\n" + table(["Split", "Pairs", "Mean margin", "SHA-256 of the file"], rows)


def _columns() -> str:
    rows = [
        [f"`{name}`", inline(str(column.dtype)), inline(column.doc)]
        for name, column in SPLIT_PAIRS.columns.items()
    ]
    return "## Columns\n\n" + table(["Column", "Type", "Meaning"], rows)


def _writers(artifacts: Artifacts) -> str:
    sides = [
        frame[side].rename("model")
        for frame in artifacts.splits.values()
        for side in ("chosen_model", "rejected_model")
    ]
    counts = (
        pl.concat(sides).drop_nulls().value_counts(sort=True).sort("count", "model", descending=[True, False])
    )
    if counts.height == 0:
        return "## Who wrote the responses\n\nThe source does not say."
    rows = [[inline(model), f"{count:,}"] for model, count in counts.head(_MOST_WRITERS).iter_rows()]
    rest = counts.height - len(rows)
    more = f"\n\nAnd {rest:,} others." if rest else ""
    note = "\n\nTheir own terms of use may bear on what is trained with their words."
    return "## Who wrote the responses\n\n" + table(["Model", "Responses"], rows) + more + note


def _origin(artifacts: Artifacts) -> str:
    rows = [[inline(name), inline(value)] for name, value in dataset_facts(artifacts.dataset)]
    return "## Where it comes from\n\n" + table(["", ""], rows)
