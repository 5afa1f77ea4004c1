"""docs/your-data.md: its params are valid, and its rows are understood as the kind that it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import SourceParams
from pipeline.params.loading import parse_params, parse_yaml
from pipeline.schema import COMPLETIONS
from pipeline.sources.fields import Place
from pipeline.sources.layout import detect_layout, layout_adapter

PAGE = (Path(__file__).parents[2] / "docs/your-data.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"<!-- (rows: (?P<kind>\w+)|params) -->\n```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL
)
BLOCKS = [match.groupdict() for match in _BLOCK.finditer(PAGE)]
NUMBERED = list(enumerate(BLOCKS))


def test_every_block_is_marked() -> None:
    assert PAGE.count("```") == 2 * len(BLOCKS) == 30


def _params_after(number: int, kind: str) -> SourceParams:
    """The params that follow a block of rows, if they are of its kind."""
    following = BLOCKS[number + 1] if number + 1 < len(BLOCKS) else None
    if following is not None and not following["kind"]:
        params = parse_params(parse_yaml(following["text"], "page")).source
        if params.kind == kind:
            return params
    return parse_params({"source": {"kind": kind}}).source


@pytest.mark.parametrize(
    ("number", "block"), [item for item in NUMBERED if item[1]["kind"]], ids=lambda value: str(value)[:2]
)
def test_rows_are_understood(number: int, block: dict[str, Any]) -> None:
    """By the params that follow them, if any do, else by their names."""
    row = json.loads(block["text"])
    params = _params_after(number, block["kind"])
    layout = detect_layout([row], params, Path("page"))
    parsed = layout_adapter(layout, params).parse(row, Place(Path("page"), 1))
    assert layout.kind == block["kind"]
    assert parsed.reason is None
    expected = [] if block["kind"] == "rated_single" else ["What?"]
    texts = [item["completion"] for item in parsed.completions]
    assert texts[:1] in (["Hello!"], ["Water that flows."], ["3"])
    assert texts[1:2] in (expected, ["I do not know."], ["4"])
    assert all(item.keys() <= COMPLETIONS.columns.keys() for item in parsed.completions)


def test_params_are_valid() -> None:
    sections = [parse_yaml(block["text"], "page") for block in BLOCKS if not block["kind"]]
    kinds = [parse_params(section).source.kind for section in sections]
    assert kinds == ["pairs", "ranking", "completions", "pairs"]
