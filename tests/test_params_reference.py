"""docs/params.md: every key of every section, with its range and default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pipeline.params import Params
from pipeline.params.cross_rules import CROSS_RULES
from pipeline.params.json_schema import default_value, key_name, sections, sections_of
from pipeline.params.reference import params_reference, type_words

ROOT = Path(__file__).parents[1]
PAGE = params_reference()


def rows(model: type[BaseModel], title: str) -> Iterator[tuple[str, str]]:
    """Heading and key of every line there should be, in their order."""
    below = []
    for name, field in model.model_fields.items():
        key = key_name(name, field)
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        if not is_section:
            yield title, key
        heading = f"{title}.{key}" if title else key
        below += [
            (each, heading if is_section else f"Items of {heading}") for each in sections_of(field.annotation)
        ]
    for inner, heading in below:
        yield from rows(inner, heading)


def test_every_key_of_every_section_has_its_line() -> None:
    found, heading = [], ""
    for line in PAGE.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif key := re.match(r"\| `(\w+)` \| \S", line):
            found.append((heading, key[1]))
    assert found == list(rows(Params, ""))
    assert len(found) > 150


def test_defaults_are_the_codes() -> None:
    """Read back from the page as YAML, which is what a person would copy it into."""
    stated = re.findall(r"^\| `(\w+)` \|.*?\| (`[^`]*`|needed) \| [^|]*", PAGE, flags=re.MULTILINE)
    wanted = [
        (key_name(name, field), field)
        for model in sections(Params)
        for name, field in model.model_fields.items()
    ]
    for key, default in stated:
        values = [None if f.is_required() else default_value(f) for name, f in wanted if name == key]
        assert (None if default == "needed" else yaml.safe_load(default.strip("`"))) in values, key


def test_a_line_of_each_kind_reads_well() -> None:
    for line in (
        "| `lambda` | number, at least 0 | `0.5` | Weight of the odds-ratio term (eq. 6). |",
        "| `warmup_ratio` | number, at least 0 and below 1 | `0.1` | Share of the steps over which the rate "
        "rises from 0. |",
        "| `split` | text or null | `null` | Split of the repository that is read, such as train; null: all "
        "files. |",
        "| `name` | text, not empty | needed | What the ledger calls it. |",
    ):
        assert line in PAGE.splitlines()
    for heading in (
        "### source.columns",
        "### curate.queue.weights",
        "### Items of decontaminate.benchmarks",
    ):
        assert heading in PAGE.splitlines()


def test_every_rule_between_keys_stands_there() -> None:
    for rule in CROSS_RULES:
        assert f"\n{rule.says}.\n" in PAGE


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 4}, "integer, at least 1 and at most 4"),
        ({"type": "number", "exclusiveMinimum": 0.0}, "number, above 0"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "integer, at least 1; or null"),
        ({"enum": ["a", 1]}, "`a`, `1`"),
        ({"const": "nf4"}, "`nf4`"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "array", "items": {"$ref": "x"}, "minItems": 1}, "list of mapping, not empty"),
        ({"type": "string", "maxLength": 3, "pattern": "^a$"}, "text, at most 3 characters and as `^a$`"),
        (
            {"type": "object", "patternProperties": {"^a$": {"type": "string"}}},
            "mapping to text, its keys as `^a$`",
        ),
    ],
    ids=str,
)
def test_types_in_words(entry: dict[str, Any], words: str) -> None:
    assert type_words(entry) == words


def test_bars_do_not_break_the_table() -> None:
    tables = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {5}
