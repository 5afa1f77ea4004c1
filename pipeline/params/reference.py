"""The reference of params, ``docs/params.md``: a table of keys for each section."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from pipeline.params.cross_rules import cross_rules
from pipeline.params.json_schema import default_value, key_name, params_schema, section_text, sections_of
from pipeline.params.root import Params

_HEAD = """\
# Params

Every key of `params.yaml`: its type and range, its default, and what it does. `params.yaml` states each with
its default; a key that is left out has that default. Unknown keys, values out of range and numbers that are
not finite are refused, all faults at once, before anything runs.

Editors that read JSON Schema complete and check the file by `params.schema.json`, which its first line names
(in VS Code: the YAML extension). A recipe or another file of some keys can name it in the same way. This page
and the schema are made from `pipeline/params/` by `python -m pipeline.params.generated --write`, which
`make fix` runs.
"""

_TYPES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
}


def params_reference() -> str:
    """The page in Markdown."""
    schema = params_schema()
    parts = [_HEAD]
    for name, field in Params.model_fields.items():
        for model in sections_of(field.annotation):
            parts += _section(name, model, schema["$defs"], level=2)
    return "\n".join(parts)


def _section(title: str, model: type[BaseModel], definitions: Mapping[str, Any], level: int) -> Iterator[str]:
    """A section's heading, text, table and rules, and then those of the sections within it."""
    yield f"{'#' * level} {title}\n"
    yield f"{section_text(model)}\n"
    entries = definitions[model.__name__]["properties"]
    rows, below = [], []
    for name, field in model.model_fields.items():
        key = key_name(name, field)
        is_section = "$ref" in entries[key]
        inner = sections_of(field.annotation)
        below += [(f"{title}.{key}" if is_section else f"Items of {title}.{key}", each) for each in inner]
        if not is_section:
            default = "needed" if field.is_required() else f"`{_value(default_value(field))}`"
            rows.append(f"| `{key}` | {type_words(entries[key])} | {default} | {_cell(entries[key])} |")
    if rows:
        yield "\n".join(["| key | type | default | what it does |", "|---|---|---|---|", *rows, ""])
    for rule in cross_rules(model):
        yield f"{rule.says}.\n"
    for inner_title, inner_model in below:
        yield from _section(inner_title, inner_model, definitions, level=3)


def type_words(entry: Mapping[str, Any]) -> str:
    """A key's type and range in words, from its JSON Schema.

    Raises:
        KeyError: If the schema uses a type that has no words here.
    """
    if "anyOf" in entry:
        words = [type_words(each) for each in entry["anyOf"]]
        return ("; or " if any("," in word for word in words) else " or ").join(words)
    if "enum" in entry:
        return ", ".join(f"`{_value(value)}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{_value(entry['const'])}`"
    if "$ref" in entry:
        return "mapping"
    if entry.get("type") == "array":
        items = type_words(entry["items"])
        items = f"({items})" if " or " in items or "," in items else items
        return f"list of {items}{', not empty' if entry.get('minItems') else ''}"
    if "patternProperties" in entry:
        [(pattern, values)] = entry["patternProperties"].items()
        return f"mapping to {type_words(values)}, its keys as `{pattern}`"
    return f"{_TYPES[entry['type']]}{_range(entry)}"


def _range(entry: Mapping[str, Any]) -> str:
    """The limits of a number or a text, beginning with a comma; empty where it has none."""
    parts = [
        f"{words} {entry[limit]:g}"
        for limit, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if limit in entry
    ]
    parts += ["not empty"] if entry.get("minLength") else []
    parts += [f"at most {entry['maxLength']} characters"] if "maxLength" in entry else []
    parts += [f"as `{entry['pattern']}`"] if "pattern" in entry else []
    return f", {' and '.join(parts)}" if parts else ""


def _value(value: Any) -> str:
    """A value as YAML writes it on one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _cell(entry: Mapping[str, Any]) -> str:
    return str(entry["description"]).replace("|", "\\|").replace("\n", "\\n")
