"""JSON Schema of ``params.yaml``, by which editors complete and check it; made from the sections here.

It is what stands in ``params.schema.json``. It accepts what pydantic accepts, but for two things: values that
pydantic reads as another type (``"8"`` as 8, ``"yes"`` as true) are refused here, and rules for which JSON
Schema has no words (:mod:`pipeline.params.cross_rules`) are left to pydantic.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from pipeline.params.cross_rules import cross_rules
from pipeline.params.root import Params

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic's generator, without a title for each key: it would only say the key again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def params_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``params.yaml``, its keys as they are written there."""
    made = Params.model_json_schema(by_alias=True, schema_generator=_WithoutTitles)
    definitions = made.pop("$defs")
    for model in dict.fromkeys(sections(Params)):
        _complete(made if model is Params else definitions[model.__name__], model)
    return {
        "$schema": DIALECT,
        "$comment": "Made from pipeline/params by `python -m pipeline.params.generated --write`.",
        **made,
        "title": "params.yaml",
        "$defs": definitions,
    }


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A section, and then every section within it, also as items of a list, in the order of their keys."""
    yield model
    for field in model.model_fields.values():
        for below in sections_of(field.annotation):
            yield from sections(below)


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a key's type names: itself, or those of its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in sections_of(argument)]


def key_name(name: str, field: FieldInfo) -> str:
    """The name of a key as it is written in YAML."""
    return field.alias or name


def default_value(field: FieldInfo) -> Any:
    """A key's default as YAML would say it: sections are mappings; None also where there is no default."""
    if field.is_required():
        return None
    return _plain(field.get_default(call_default_factory=True))


def section_text(model: type[BaseModel]) -> str:
    """What a section's docstring says, in Markdown, each paragraph on one line."""
    paragraphs = re.split(r"\n\n+", inspect.getdoc(model) or "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).replace("``", "`")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _complete(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give a section's schema what pydantic leaves out, and take what says a thing twice."""
    schema.pop("title", None)
    schema["description"] = section_text(model)
    for name, field in model.model_fields.items():
        entry = schema["properties"][key_name(name, field)]
        if "$ref" in entry:
            # The keys of a section state their own defaults.
            entry.pop("default", None)
        elif not field.is_required():
            entry["default"] = default_value(field)
        if "patternProperties" in entry:
            entry["additionalProperties"] = False
    rules = [dict(rule.schema) for rule in cross_rules(model) if rule.schema is not None]
    if rules:
        schema["allOf"] = rules
