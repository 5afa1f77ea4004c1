"""``evaluate``: base against trained, and what else is compared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.params.section import PositiveInt, Section

RESERVED_MODELS = ("base", "trained", "comparison", "length_baseline", "split", "contamination")
"""Names ``evaluate.models`` may not use: what else stands beside them in the metrics files."""


class IntervalParams(Section):
    """How 95 % intervals and p-values are drawn."""

    resamples: int = Field(
        10_000, ge=100, description="Bootstrap samples, and sign flips of a paired test too large to list."
    )
    seed: int = Field(0, ge=0, description="Seed of both.")


class CompareVariant(Section):
    """A model that ``python -m pipeline compare`` lays beside others."""

    name: str = Field(
        pattern="^[a-z0-9][a-z0-9_-]*$", max_length=40, description="What to call it in tables and figures."
    )
    settings: dict[str, Any] = Field(
        {}, alias="set", description="Dotted keys of params.yaml and their values: it is trained with them."
    )
    model: str | None = Field(None, description="A model directory instead: it is measured as it is.")

    @model_validator(mode="after")
    def _trained_or_loaded(self) -> CompareVariant:
        if self.model is not None and self.settings:
            raise ValueError("a model that is there already takes no set: give one of the two")
        if self.name == "base":
            raise ValueError("base is the name of the base model, which is laid beside them anyway")
        return self


def distinct_variants(variants: list[CompareVariant]) -> list[CompareVariant]:
    """The variants as they are.

    Raises:
        ValueError: If two have one name.
    """
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise ValueError(f"each variant needs a name of its own, found {', '.join(names)}")
    return variants


class EvaluateParams(Section):
    """Base against trained."""

    split: Literal["test", "validation"] = Field(
        "test", description="Held-out pairs to report on; choose settings on validation, report on test."
    )
    batch_pairs: PositiveInt = Field(16, description="Pairs per forward pass; only memory depends on it.")
    score_dtype: Literal["bf16", "float32"] = Field(
        "float32", description="Type of the matmuls that score pairs (bf16: autocast)."
    )
    generate_dtype: Literal["bf16", "float32"] = Field(
        "bf16", description="Type of the weights that generate; bf16 is several times faster."
    )
    max_prompts: int = Field(128, ge=0, description="Held-out prompts to generate for; 0: none.")
    max_new_tokens: PositiveInt = Field(96, description="Tokens a generated answer may have.")
    batch_prompts: PositiveInt = Field(32, description="Prompts generated for at once.")
    samples: int = Field(
        4, ge=0, description="Sampled answers per prompt, beside the greedy one, for diversity; 0: none."
    )
    sample_prompts: int = Field(
        8, ge=0, description="How many of the prompts are sampled for, the first ones; 0: none."
    )
    temperature: float = Field(1.0, gt=0.0, description="Of the samples: what logits are divided by.")
    top_p: float = Field(
        1.0, gt=0.0, le=1.0, description="Of the samples: likeliest tokens up to this probability; 1: all."
    )
    seed: int = Field(0, description="Salt of the samples, which are seeded by the prompt's id.")
    embedding_model: str | None = Field(
        None,
        description="Local directory of a sentence-embedding model (mean-pooled, safetensors) by which "
        "answers are compared for diversity; null: by word n-grams.",
    )
    models: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], str] = Field(
        {},
        description="Further model directories measured beside base and trained, by name; with the base "
        "model's tokenizer and chat template.",
    )
    intervals: IntervalParams = IntervalParams()

    compare: Annotated[list[CompareVariant], AfterValidator(distinct_variants)] = Field(
        [], description="What `python -m pipeline compare` trains or loads, and lays side by side."
    )

    @field_validator("models")
    @classmethod
    def _names_are_free(cls, models: dict[str, str]) -> dict[str, str]:
        taken = [name for name in models if name in RESERVED_MODELS]
        if taken:
            raise ValueError(f"the name {taken[0]} is taken: call the model otherwise")
        return models
