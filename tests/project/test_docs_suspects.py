"""The guide to the queue and to suspects names every strategy and signal there is, and valid settings."""

import re
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.suspects import REAL, SAMPLE
from pipeline.__main__ import app
from pipeline.curation.strategies import STRATEGIES
from pipeline.params import QueueWeights, parse_params
from pipeline.recipes import merge
from pipeline.schema import SUSPECTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/curation-suspects.md").read_text(encoding="utf-8")


def first_column(heading: str) -> set[str]:
    table = re.search(rf"^\| {heading} \|.*?(?=^$)", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert table, heading
    rows = [line.split("|")[1] for line in table.group().splitlines()[2:]]
    return {name for row in rows for name in re.findall(r"`([a-z_-]+)`", row)}


def test_every_strategy_is_told_and_has_a_weight() -> None:
    assert first_column("strategy") == set(STRATEGIES) == set(QueueWeights.model_fields)


def test_every_signal_is_told() -> None:
    others = {"pair_id", "texts_sha256", "suspicion", "fold"}
    assert first_column("column") == set(SUSPECTS.columns) - others


def test_the_commands_are_there() -> None:
    for command in (["suspects"], ["curate", "queue"]):
        assert f"python -m pipeline {' '.join(command)}" in TEXT
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
    for file in re.findall(r"^python (benchmarks/\S+)", TEXT, flags=re.MULTILINE):
        assert (ROOT / file).is_file()


def test_the_settings_of_the_measurement_are_those_told() -> None:
    for settings in (SAMPLE, REAL):
        sections: dict[str, object] = {}
        for key, value in settings.items():
            section, name = key.split(".")
            sections = merge(sections, {section: {name: value}})
        parse_params(sections)
    assert (REAL["tokenize.max_length"], REAL["suspects.folds"], REAL["suspects.epochs"]) == (768, 3, 1)
    assert "768 tokens, with 3 folds and 1 epoch" in TEXT and REAL["split.flip_train"] == 0.2
