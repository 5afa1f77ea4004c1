"""``source``: where raw rows come from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import PositiveInt, Section


class SampleParams(Section):
    """The embedded generator (``source.kind: sample``)."""

    rows: PositiveInt = Field(640, description="Raw rows to generate.")
    seed: int = Field(7, description="Seed of every row; the same seed gives the same bytes.")


class HubParams(Section):
    """Where on the hub a dataset lies, when ``source.path`` is null."""

    repo: str | None = Field(None, description="Dataset repository; null: the home of source.kind.")
    revision: str | None = Field(
        None,
        description="Commit, tag or branch; null: the commit pinned for source.kind. Resolved to a commit.",
    )

    @model_validator(mode="after")
    def _revision_with_repo(self) -> HubParams:
        if self.repo is not None and self.revision is None:
            raise ValueError(
                "a repo needs a revision: name a commit so that the data cannot change under you"
            )
        return self


class SourceParams(Section):
    """Where raw rows come from."""

    kind: Literal["sample", "ultrafeedback", "ultrafeedback_binarized", "argilla_binarized", "hh_rlhf"] = (
        Field("sample", description="The shape of the raw rows.")
    )
    path: str | list[str] | None = Field(
        None, description="Local file(s): .jsonl, .jsonl.gz, .jsonl.zst or .parquet. Null: the hub."
    )
    score_column: str | None = Field(
        None,
        description="A number beside each completion's response in raw UltraFeedback rows, kept for "
        "binarize.score: named.",
    )
    hub: HubParams = HubParams()
    sample: SampleParams = SampleParams()

    @property
    def paths(self) -> list[Path]:
        """The local files named by ``path``, in order; empty when it is null."""
        if self.path is None:
            return []
        return [Path(p) for p in ([self.path] if isinstance(self.path, str) else self.path)]
