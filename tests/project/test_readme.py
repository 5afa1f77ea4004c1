"""The README is true to the last command: each block is run or checked."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.curation.decisions import read_decisions
from pipeline.params import Params, parse_params

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def lines(language: str) -> list[str]:
    return [
        line.split("#")[0].strip()
        for name, block in BLOCKS
        if name == language
        for line in block.splitlines()
        if line.strip()
    ]


def test_every_block_has_a_check() -> None:
    assert {name for name, _ in BLOCKS} == {"sh", "", "yaml", "json"}


@pytest.mark.parametrize("command", lines("sh"))
def test_commands_exist(command: str) -> None:
    words = command.split()
    if words[0] == "make":
        done = subprocess.run(
            ["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    elif command == "source .venv/bin/activate":
        assert "VENV := .venv" in (ROOT / "Makefile").read_text()
    elif command.startswith("python -m pipeline"):
        assert CliRunner().invoke(app, [*words[3:], "--help"]).exit_code == 0
    elif command.startswith("dvc exp run -S"):
        key, value = words[-1].split("=")
        section, name = key.split(".")
        parse_params({section: {name: yaml.safe_load(value)}})
    else:
        # Run for real by tests/project/test_line.py, in this order, and test_plots.py.
        assert command in {"dvc repro", "dvc metrics diff", "dvc exp show", "dvc plots diff"}


@pytest.mark.parametrize("block", [block for name, block in BLOCKS if name == "yaml"])
def test_settings_are_valid(block: str) -> None:
    parse_params(yaml.safe_load(block))


def test_the_decision_is_valid(tmp_path: Path) -> None:
    [line] = lines("json")
    file = tmp_path / "decisions.jsonl"
    file.write_text(line + "\n")
    assert list(read_decisions(file)) == [1]
    assert json.loads(line)["action"] == "drop"


def test_the_drawing_is_the_packages() -> None:
    import pipeline

    drawing = "".join((pipeline.__doc__ or "").split())
    for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]:
        if stage != "report":
            assert stage in drawing
        assert stage in TEXT


def artifacts() -> set[str]:
    """Paths in the first column of the artifact table, braces and placeholders spelled out as globs."""
    found: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", TEXT, flags=re.MULTILINE):
        names = re.findall(r"`([^`]+)`", row)
        folder = names[0].rpartition("/")[0]
        for name in names:
            path = name if "/" in name else f"{folder}/{name}"
            found.add(re.sub(r"<\w+>|\{[\w,]+\}", "*", path))
    return found


def test_the_artifact_table_agrees_with_dvc_yaml() -> None:
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    outs = [
        path
        for s in stages.values()
        for kind in ("outs", "metrics", "plots")
        for o in s.get(kind, [])
        for path in o
    ]
    assert len(artifacts()) > 15
    for path in artifacts():
        prefix = path.split("*")[0]
        assert any(out.startswith(prefix.rstrip("/")) or prefix.startswith(out) for out in outs), path


def test_what_the_readme_counts() -> None:
    from pipeline.sources.sample_instructions import SAMPLE_KINDS
    from pipeline.sources.sample_topics import TOPICS

    assert f"({len(SAMPLE_KINDS)} kinds over {len(TOPICS)}\ntopics)" in TEXT.replace(
        "68 topics", "68\ntopics"
    )
    assert f"`{Params().model.wheel.package}`" in TEXT
