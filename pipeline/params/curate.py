"""``curate``: people's decisions, and which pairs they are asked about."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import PositiveInt, Section, Weight


class ArgillaParams(Section):
    """The dataset people annotate in Argilla; its URL and key come from the environment."""

    dataset: str = Field("preference-pairs", min_length=1, description="Name of the dataset in Argilla.")
    workspace: str = Field("default", min_length=1, description="Workspace it lies in.")
    min_submitted: PositiveInt = Field(
        1,
        description="Annotators who must have answered before a pair is decided; Argilla shows it to that "
        "many.",
    )
    suggestions: bool = Field(
        False, description="Show which response the scores prefer. Off: it anchors people."
    )
    guidelines: str | None = Field(
        None, description="A Markdown file of guidelines for annotators; null: the pipeline's own."
    )


class QueueWeights(Section):
    """Relative share of the queue that each strategy chooses; 0 switches it off."""

    random: Weight = Field(1.0, description="Any pair, as a control group.")
    disagreement: Weight = Field(
        1.0, description="Overall score against aspect ratings, critique against score."
    )
    small_margin: Weight = Field(1.0, description="Pairs whose scores lie close together.")
    suspects: Weight = Field(
        1.0, description="Pairs whose label the model disbelieves; needs data/suspects, else left out."
    )

    @model_validator(mode="after")
    def _some_choose(self) -> QueueWeights:
        if not any(self.model_dump().values()):
            raise ValueError("at least one strategy must weigh more than 0")
        return self


class QueueParams(Section):
    """Which pairs deserve a person's minute."""

    size: PositiveInt = Field(200, description="Pairs in the queue.")
    seed: int = Field(0, description="Salt of the random draw, and of which response stands as A.")
    weights: QueueWeights = QueueWeights()


class CurateParams(Section):
    """People's decisions."""

    decisions: str = Field("curation/decisions.jsonl", description="The decisions file, kept in git.")
    resolve: Literal["latest", "majority", "unanimous"] = Field(
        "majority",
        description="What counts where several annotators decided on one pair, each by their latest word: "
        "the latest of all, what more than half say, or what all say. An undecided pair stays as it is.",
    )
    corrections: Literal["edit", "ignore"] = Field(
        "edit", description="What an annotator's corrected response does: it becomes chosen, or nothing."
    )
    argilla: ArgillaParams = ArgillaParams()
    queue: QueueParams = QueueParams()
