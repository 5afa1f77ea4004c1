"""The text of a params file with other values: comments, order and everything else stay as they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import PipelineError
from pipeline.params import Params, parse_params, parse_yaml


@dataclass(frozen=True)
class _Edit:
    """Characters from ``start`` up to ``end`` become ``text``."""

    start: int
    end: int
    text: str


def with_values(text: str, params: Params, file: Path) -> str:
    """A params file's text in which every key has the value that ``params`` give it.

    Only the values that differ are written anew, on the line of their key; a list or mapping that stood on
    lines of its own is written in brackets, and comments within it are lost.

    Args:
        text: A params file that states every key.
        params: The values.
        file: Where the text comes from, for errors.

    Raises:
        PipelineError: If the text is no valid params file, or does not state every key.
    """
    stated = parse_params(parse_yaml(text, file), file).model_dump(by_alias=True)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    missing: list[str] = []
    wanted = params.model_dump(by_alias=True)
    edits = list(_edits(text, root, stated, wanted, "", missing))
    if missing:
        raise PipelineError(
            "A params file does not state every key",
            file=file,
            found=f"no {', '.join(missing)}",
            hint=f"`git restore {file.name}` brings back the one that came with the project",
        )
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def flow(value: Any) -> str:
    """A value in YAML on one line."""
    dumped = yaml.safe_dump(
        value, default_flow_style=True, width=sys.maxsize, allow_unicode=True, sort_keys=False
    )
    line = dumped.removesuffix("\n").removesuffix("\n...")
    is_whole = "\n" not in line and yaml.safe_load(line) == value
    return line if is_whole else json.dumps(value)


def _edits(
    text: str,
    node: yaml.Node | None,
    stated: Mapping[str, Any],
    wanted: Mapping[str, Any],
    prefix: str,
    missing: list[str],
) -> Iterator[_Edit]:
    """What changes ``stated`` into ``wanted`` below one mapping of the file."""
    entries = {key.value: (key, value) for key, value in node.value} if node is not None else {}
    for name, value in wanted.items():
        if name not in entries:
            missing.append(f"{prefix}{name}")
            continue
        key, found = entries[name]
        if repr(stated[name]) == repr(value) and not _is_section(stated[name], value):
            continue
        if _is_section(stated[name], value) and isinstance(found, yaml.MappingNode):
            yield from _edits(text, found, stated[name], value, f"{prefix}{name}.", missing)
        else:
            yield from _replaced(text, key, found, value)


def _is_section(stated: Any, wanted: Any) -> bool:
    """Whether both are a section of params, whose keys are fixed, rather than a mapping of the user's."""
    return (
        isinstance(stated, dict)
        and isinstance(wanted, dict)
        and bool(wanted)
        and stated.keys() == wanted.keys()
    )


def _replaced(text: str, key: yaml.Node, found: yaml.Node, value: Any) -> Iterator[_Edit]:
    if _is_block(found):
        # Behind the key; a comment there stays. Then the lines of the block itself.
        colon = text.index(":", key.end_mark.index) + 1
        yield _Edit(colon, colon, f" {flow(value)}")
        yield _Edit(text.rindex("\n", 0, found.start_mark.index), _end(found, text), "")
    else:
        # A key with nothing behind it has an empty node right after its colon.
        space = "" if text[found.start_mark.index - 1].isspace() else " "
        yield _Edit(found.start_mark.index, found.end_mark.index, space + flow(value))


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _end(node: yaml.Node, text: str) -> int:
    """Where the last line of a block ends; the parser's own mark lies behind the comments that follow."""
    if not _is_block(node):
        return text.index("\n", node.end_mark.index) if "\n" in text[node.end_mark.index :] else len(text)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last, text)
