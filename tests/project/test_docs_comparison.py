"""The guide to comparisons: its commands and its settings are valid."""

import re
from pathlib import Path

import yaml
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.evaluation.variants import Comparison, read_comparison, trained_variants
from pipeline.params import read_yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")


def test_commands_name_comparisons_that_are_there() -> None:
    commands = re.findall(r"^python -m pipeline compare --variants (\S+) (\S+)$", TEXT, flags=re.MULTILINE)
    assert len(commands) == 2
    for file, setting in commands:
        assert (
            len(trained_variants(read_comparison(ROOT / file), read_yaml(ROOT / "params.yaml"), [setting]))
            == 3
        )
    assert CliRunner().invoke(app, ["compare", "--help"]).exit_code == 0


def test_the_example_is_valid() -> None:
    [block] = re.findall(r"^```yaml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    comparison = Comparison.model_validate(yaml.safe_load(block))
    found = trained_variants(comparison, read_yaml(ROOT / "params.yaml"))
    assert [each.name for each in found] == ["orpo", "sft", "shuffled", "noisy"]
    assert found[2].params.split.flip_train == 0.5


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / "docs" / target).exists(), target
