"""Which variants a comparison lays side by side, and the params each is trained with.

They stand in ``evaluate.compare`` of ``params.yaml``, or in a file of the same form with what they share::

    set: {train.epochs: 1}            # keys of params.yaml, dotted, for all variants; may be left out
    variants:
      - {name: sft, set: {train.objective: sft}}
      - {name: published, model: models/published}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import PipelineError
from pipeline.files import canonical_json, content_id
from pipeline.params import CompareVariant, Params, distinct_variants, parse_params, read_yaml
from pipeline.recipes import Overlay, leaves, merge, override, parse_settings

_NO_FURTHER_COMPARISON: Mapping[str, Any] = {"evaluate.compare": []}
"""Set for every variant: the list of variants is no part of any of them."""


class Comparison(BaseModel):
    """Variants, in the order they are shown; the first is what the others are measured against.

    Attributes:
        shared: Dotted keys and values for all variants that are trained.
        variants: At least one.
    """

    model_config = ConfigDict(extra="forbid")

    shared: dict[str, Any] = Field({}, alias="set")
    variants: Annotated[list[CompareVariant], AfterValidator(distinct_variants)] = Field(min_length=1)


@dataclass(frozen=True)
class TrainedVariant:
    """A variant to train.

    Attributes:
        name: What to call it.
        settings: Dotted keys and values that make it what it is, without what all share.
        overlay: Everything it sets, nested as in ``params.yaml``.
        params: All of its params.
    """

    name: str
    settings: Mapping[str, Any]
    overlay: Overlay
    params: Params

    @property
    def experiment(self) -> str:
        """The name of its experiment: its own and 8 digits of its params, equal for equal params."""
        values = canonical_json(self.params.model_dump(mode="json", by_alias=True))
        return f"{self.name}-{content_id(values)[:8]}"

    def options(self) -> list[str]:
        """The options of ``dvc exp run`` that set its params."""
        found = []
        for key, value in leaves(self.overlay):
            found += ["-S", f"++{key}={override(value, key)}"]
        return found


def read_comparison(path: Path) -> Comparison:
    """The comparison in a file.

    Raises:
        PipelineError: If the file is missing, is not YAML, or does not say what a comparison says.
    """
    return _validated(read_yaml(path), path)


def comparison_of(params: Params) -> Comparison:
    """The comparison in ``evaluate.compare``.

    Raises:
        PipelineError: If it names no variants.
    """
    variants = params.evaluate.compare
    if not variants:
        raise PipelineError(
            "There is nothing to compare",
            file="params.yaml",
            key="evaluate.compare",
            found="[]",
            expected="a list of variants",
            hint="Fill it in, or name a file: `python -m pipeline compare --variants FILE`",
        )
    return Comparison.model_validate({"variants": [each.model_dump(by_alias=True) for each in variants]})


def trained_variants(
    comparison: Comparison, values: Mapping[str, Any], settings: Sequence[str] = ()
) -> list[TrainedVariant]:
    """The variants that are trained, their params validated before the first of them costs time.

    Args:
        comparison: What to compare.
        values: What ``params.yaml`` holds.
        settings: ``dotted.key=value`` texts, which go before what the variants share.

    Raises:
        PipelineError: If a key is unknown or a value out of range, naming the variant; or a setting cannot be
            read.
    """
    shared = merge(_nested(comparison.shared), parse_settings(settings))
    found = []
    for variant in comparison.variants:
        if variant.model is not None:
            continue
        overlay = merge(merge(shared, _nested(variant.settings)), _nested(_NO_FURTHER_COMPARISON))
        params = parse_params(merge(values, overlay), file=f"variant {variant.name}")
        found.append(TrainedVariant(variant.name, variant.settings, overlay, params))
    return found


def _nested(settings: Mapping[str, Any]) -> Overlay:
    """Dotted keys as sections within sections."""
    overlay: Overlay = {}
    for key, value in settings.items():
        nested: Any = value
        for name in reversed(key.split(".")):
            nested = {name: nested}
        overlay = merge(overlay, nested)
    return overlay


def _validated(values: Any, path: Path) -> Comparison:
    try:
        return Comparison.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise PipelineError(
            "The variants cannot be read",
            file=path,
            key=".".join(str(part) for part in first["loc"]) or None,
            found=repr(first["input"])[:200],
            expected=str(first["msg"]).removeprefix("Value error, "),
            hint="The form is described in pipeline/evaluation/variants.py",
        ) from error
