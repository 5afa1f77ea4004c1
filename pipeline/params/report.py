"""``report``: the HTML report and the cards."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.section import Section


class ReportParams(Section):
    """The HTML report."""

    examples: int = Field(8, ge=0, description="Side-by-side generations shown.")
    dataset_license: str | None = Field(
        None, description="Hugging Face's identifier of the pairs' licence; null: the source's, where known."
    )
    model_license: str | None = Field(
        None,
        description="Hugging Face's identifier of the model's licence; null: the base model's, where known.",
    )
