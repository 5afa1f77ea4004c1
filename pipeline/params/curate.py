"""``curate``: people's decisions."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.section import Section


class CurateParams(Section):
    """People's decisions."""

    decisions: str = Field("curation/decisions.jsonl", description="The decisions file, kept in git.")
