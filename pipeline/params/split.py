"""``split``: train, validation and test."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipeline.params.section import Fraction, OptionalLimit, PositiveInt, Section


class SplitParams(Section):
    """Train, validation and test, by duplicate cluster."""

    seed: int = Field(1, description="Salt of the hash that places a cluster.")
    validation: Fraction | PositiveInt = Field(
        0.15, description="For validation: a share of the clusters (below 1), or how many pairs at most."
    )
    test: Fraction | PositiveInt = Field(
        0.15, description="For test: a share of the clusters (below 1), or how many pairs at most."
    )
    max_train: OptionalLimit = Field(None, description="Most training pairs (rest to the ledger); null: all.")
    max_validation: OptionalLimit = Field(None, description="Most validation pairs; null: all.")
    max_test: OptionalLimit = Field(None, description="Most test pairs; null: all.")
    flip_train: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Share of the training pairs whose chosen and rejected change places, drawn by pair_id: "
        "noise put in on purpose. 0.5 leaves labels that say nothing.",
    )

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitParams:
        shares = [share for share in (self.validation, self.test) if share < 1]
        if sum(shares) >= 1.0:
            raise ValueError(
                f"validation + test must be under 1 so that training pairs remain, got {sum(shares):g}"
            )
        return self
