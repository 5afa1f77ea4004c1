"""``dedupe``: duplicate pairs, and clusters of near-duplicate prompts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.section import Section


class DedupeParams(Section):
    """Duplicate pairs, and clusters of near-duplicate prompts."""

    by: Literal["prompt", "prompt_and_responses"] = Field(
        "prompt",
        description="What makes pairs of different rows duplicates: their prompts, or the prompt with both "
        "responses. Clusters, by which the split is made, are always of prompts.",
    )
    turns: Literal["all", "user", "last_user"] = Field(
        "all", description="The turns of a conversation that are compared."
    )
    threshold: float = Field(
        0.7,
        gt=0.0,
        le=1.0,
        description="Jaccard similarity of word n-grams at and above which two texts are one.",
    )
    ngram: int = Field(3, ge=1, le=13, description="Words per n-gram.")
