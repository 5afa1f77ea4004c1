"""``filter``: rules on pairs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.section import OptionalLimit, PositiveInt, Section

Side = Literal["never", "chosen", "either"]
"""Whose fault drops a pair: nobody's, chosen's, or either response's."""


class FilterParams(Section):
    """Rules on pairs; each rule's name is the reason in the ledger. Null, [] and never switch a rule off."""

    exclude_sources: list[str] = Field(
        default_factory=list, description="Sources whose rows are left out, by exact name (e.g. truthful_qa)."
    )
    min_prompt_chars: int = Field(1, ge=1, description="Characters a prompt needs, outer whitespace apart.")
    max_prompt_chars: OptionalLimit = Field(
        20_000, description="Characters a prompt may have, all turns together."
    )
    min_response_chars: int = Field(
        1, ge=1, description="Characters a response needs, outer whitespace apart."
    )
    max_response_chars: OptionalLimit = Field(20_000, description="Characters a response may have.")
    max_tokens: OptionalLimit = Field(
        None,
        description="Tokens of the base model a prompt and its longer response may have, the chat template's "
        "own apart.",
    )
    max_length_ratio: Annotated[float, Field(ge=1.0)] | None = Field(
        None, description="Characters of the longer response over those of the shorter."
    )
    languages: list[Annotated[str, Field(pattern="^[a-z]{2}$")]] = Field(
        default_factory=list,
        description="ISO 639-1 codes; a pair with a prompt or response in another language leaves. []: any.",
    )
    min_language_chars: PositiveInt = Field(
        40, description="Letters below which a text's language is not judged."
    )
    undecodable: Side = Field(
        "either", description="U+FFFD, or control characters other than tab and line breaks."
    )
    role_leakage: Side = Field(
        "either", description="A turn marker such as '\\n\\nHuman:' or <|im_start|> inside a response."
    )
    refusals: Side = Field("never", description="A response that begins with refusal boilerplate.")
    max_repetition: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None, description="Share of a response's word 4-grams that repeat an earlier one."
    )
    code: Literal["any", "without", "only"] = Field(
        "any", description="Pairs with a response that is mostly code: all, none or only these."
    )
    code_share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5, description="Share of a response's characters in code from which it is mostly code."
    )
    max_prompts_per_response: OptionalLimit = Field(
        5,
        description="A response given to more distinct prompts than this is a constant, not an answer.",
    )
    conflicts: Literal["keep", "drop_contradicted", "drop_contradicted_and_tied"] = Field(
        "keep", description="Pairs whose aspect ratings and overall scores disagree about the order."
    )
