"""``suspects``: training pairs whose label the model disbelieves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.section import PositiveInt, Section


class SuspectsParams(Section):
    """Training pairs whose label the model disbelieves (``python -m pipeline suspects``)."""

    folds: int = Field(5, ge=2, description="Models to train, each on all folds but the one it scores.")
    epochs: PositiveInt = Field(2, description="Passes over the pairs; the rest is as in train.")
    seed: int = Field(0, description="Salt of the folds, and seed of the runs.")
    signals: list[Literal["cross_fit_margin", "dynamics_mean", "probe_margin", "stacked_margin"]] = Field(
        ["stacked_margin", "dynamics_mean"],
        min_length=1,
        description="Signals whose ranks are averaged to the suspicion. Each is described in "
        "docs/curation-suspects.md.",
    )
