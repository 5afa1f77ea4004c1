"""What every section of params is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
OptionalLimit = Annotated[int, Field(ge=1)] | None
Weight = Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A group of params: unknown keys and infinite numbers are refused, values do not change once loaded."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, populate_by_name=True, allow_inf_nan=False
    )
