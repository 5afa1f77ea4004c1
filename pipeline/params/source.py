"""``source``: where raw rows come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import Fraction, PositiveInt, Section


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
    split: str | None = Field(
        None, description="Split of the repository that is read, such as train; null: all files."
    )

    @model_validator(mode="after")
    def _revision_with_repo(self) -> HubParams:
        if self.repo is not None and self.revision is None:
            raise ValueError(
                "a repo needs a revision: name a commit so that the data cannot change under you"
            )
        return self


class ColumnsParams(Section):
    """What the fields of private rows are called; null: found by their usual names.

    A name may be dotted (``meta.source``), also into the objects of a list (``answers.text``). One that takes
    a list names one field for each response, in the order of ``responses``.
    """

    prompt: str | None = Field(None, description="The prompt or conversation before the response.")
    system: str | None = Field(None, description="A system prompt beside it.")
    context: str | None = Field(None, description="Text that belongs under the prompt (Alpaca's input).")
    history: str | None = Field(
        None, description="Turns before the prompt: a list of [user, assistant] pairs or of messages."
    )
    chosen: str | None = Field(None, description="The preferred response, or the conversation it ends.")
    rejected: str | None = Field(None, description="The other one.")
    chosen_score: str | None = Field(None, description="Score of chosen.")
    rejected_score: str | None = Field(None, description="Score of rejected.")
    chosen_model: str | None = Field(None, description="Who wrote chosen.")
    rejected_model: str | None = Field(None, description="Who wrote rejected.")
    responses: str | list[str] | None = Field(
        None, description="A list of responses, or one field for each of them."
    )
    scores: str | list[str] | None = Field(None, description="Their scores; more is better.")
    ranks: str | list[str] | None = Field(None, description="Their ranks; 1 is the best.")
    models: str | list[str] | None = Field(None, description="Who wrote them.")
    label: str | list[str] | None = Field(
        None, description="Which of two responses won; or a truth value for each, and one for a tie."
    )
    response: str | None = Field(None, description="The one response of a row of rated_single.")
    rating: str | None = Field(None, description="Its rating, or thumbs up or down; more is better.")
    model: str | None = Field(None, description="Who wrote it.")
    source: str | None = Field(None, description="The part of the dataset a row comes from.")


class LabelParams(Section):
    """Values of ``columns.label`` that are not understood by themselves; [] everywhere: the usual ones."""

    first: list[str | int | bool] = Field([], description="The first response won.")
    second: list[str | int | bool] = Field([], description="The second one won.")
    tie: list[str | int | bool] = Field([], description="Neither won: the row goes to the ledger.")


PRIVATE_KINDS = ("pairs", "completions", "ranking", "rated_single")
"""Kinds whose fields are found by name or by ``source.columns``."""


class SourceParams(Section):
    """Where raw rows come from."""

    kind: Literal[
        "sample",
        "ultrafeedback",
        "ultrafeedback_binarized",
        "argilla_binarized",
        "hh_rlhf",
        "pairs",
        "completions",
        "ranking",
        "rated_single",
    ] = Field(
        "sample",
        description="The shape of the raw rows: a known dataset's, or your own: pairs (chosen and rejected), "
        "completions (responses with scores), ranking (two responses and which won, or several with ranks), "
        "rated_single (one response a row with a rating, paired within its prompt).",
    )
    path: str | list[str] | None = Field(
        None,
        description="File, glob, folder, `datasets` folder or URL (s3://, gs://, hf://), or a list of these. "
        "Null: the hub.",
    )
    columns: ColumnsParams = ColumnsParams()
    labels: LabelParams = LabelParams()
    on_bad_row: Literal["error", "drop"] = Field(
        "error",
        description="A row that cannot be read: stops the stage with its place, or goes to the ledger.",
    )
    max_bad_share: Fraction = Field(
        0.01, description="Share of rows that may go to the ledger so; more of them stop the stage."
    )
    score_column: str | None = Field(
        None,
        description="A number beside each completion's response in raw UltraFeedback rows, kept for "
        "binarize.score: named.",
    )
    hub: HubParams = HubParams()
    sample: SampleParams = SampleParams()

    @property
    def entries(self) -> list[str]:
        """What ``path`` names, in order: files, globs, folders and URLs; empty when it is null."""
        if self.path is None:
            return []
        return [self.path] if isinstance(self.path, str) else self.path
