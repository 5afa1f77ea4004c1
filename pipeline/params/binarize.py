"""``binarize``: how scored completions become pairs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import OptionalLimit, Section, Weight


class AspectWeights(Section):
    """How much each aspect's rating counts in the aspect mean; 0 leaves it out."""

    instruction_following: Weight = Field(1.0, description="Does it do what was asked?")
    honesty: Weight = Field(1.0, description="Does it say how sure it is?")
    truthfulness: Weight = Field(1.0, description="Is it true?")
    helpfulness: Weight = Field(1.0, description="Does it help?")

    @model_validator(mode="after")
    def _some_count(self) -> AspectWeights:
        if not any(self.model_dump().values()):
            raise ValueError("at least one aspect must weigh more than 0")
        return self


class BinarizeParams(Section):
    """How scored completions become chosen/rejected pairs."""

    preset: Literal["h4", "argilla", "argilla_cleaned"] | None = Field(
        None,
        description="A published recipe, which then stands for every other key of this section; null: the "
        "keys below. Each is described in pipeline/pairs/presets.py.",
    )
    score: Literal["overall", "fine_grained", "aspect_mean", "named"] = Field(
        "overall",
        description="What ranks completions: the judge's overall score, the recorded mean of its ratings, "
        "the mean of the ratings there are (N/A left out), or the number source.score_column names.",
    )
    secondary_score: Literal["overall", "fine_grained", "aspect_mean", "named"] = Field(
        "aspect_mean", description="What parts equal scores, for ties: keep_by_secondary_score."
    )
    aspect_weights: AspectWeights = AspectWeights()
    min_ratings: int = Field(
        1, ge=1, le=4, description="Ratings of weight above 0 a completion needs for an aspect mean."
    )
    overall_repair: Literal["none", "drop", "by_fine_grained"] = Field(
        "by_fine_grained",
        description="UltraFeedback records some 1s as 10. by_fine_grained: a 10 whose fine-grained mean is "
        "<= 2 becomes 1, one between 2 and 4 goes to the ledger. drop: both go there. none: as recorded.",
    )
    pairing: Literal["best_vs_worst", "best_vs_random", "best_vs_second", "adjacent", "all"] = Field(
        "best_vs_worst",
        description="Which completions of a row are paired: the best with the worst, with one drawn from the "
        "others (seeded by the row's id) or with the second; each with the next in rank; each with each.",
    )
    seed: int = Field(0, description="Salt of the draw of best_vs_random.")
    ties: Literal["drop", "keep_by_secondary_score", "keep"] = Field(
        "drop",
        description="Equal scores: to the ledger; ordered by the secondary score, or else to the ledger; "
        "kept, in an order that only the row's id decides.",
    )
    min_margin: float = Field(
        0.5,
        ge=0.0,
        description="Least chosen minus rejected score; ties that are kept are not asked for one.",
    )
    max_pairs_per_prompt: OptionalLimit = Field(
        None, description="Most pairs of one row, largest margins first (rest to the ledger); null: all."
    )
