"""The page on check: its commands run, and its table names every key of the JSON."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.inspection.as_json import to_json
from pipeline.inspection.findings import Findings
from pipeline.params import TokenizeParams

TEXT = (Path(__file__).parents[2] / "docs/check.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python -m pipeline (check[^#\n]*)", TEXT, flags=re.MULTILINE)
PARAMS = "source: {sample: {rows: 24}}\ndecontaminate: {benchmarks: []}\nsplit: {validation: 0, test: 0}\n"


def test_every_key_of_the_json_is_named() -> None:
    table = TEXT.partition("| key | holds |")[2]
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert named == set(to_json(Findings(), TokenizeParams()))


@pytest.mark.parametrize("command", [pytest.param(each, id=str(n)) for n, each in enumerate(COMMANDS)])
def test_the_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    Path("mine.jsonl").write_text('{"prompt": "Name a fruit", "chosen": "Plum", "rejected": "No"}\n')
    Path("mine.csv").write_text("prompt,response_a,response_b,winner\nName a fruit,Plum,No,a\n")
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.exit_code == 0, result.output


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 4
