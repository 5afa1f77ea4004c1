"""The guides to the training half and to recipes: their tables are the code's, their commands are there."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.params import LoraParams, TokenizeParams, TrainParams, parse_params, read_yaml
from pipeline.recipes import load_recipe, merge, parse_settings, recipe_titles
from pipeline.training.dialects import DIALECTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/training.md").read_text(encoding="utf-8")
RECIPES = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", RECIPES, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def section(title: str, text: str = TEXT) -> str:
    found = re.search(rf"^## {title}.*?(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group()


def rows(text: str) -> list[list[str]]:
    """The cells of a section's tables, without backticks; rows whose first cell is a name."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_dialects_are_the_codes() -> None:
    found = {name: (scope, reduction) for name, scope, reduction in rows(section("Objective"))[1:]}
    assert found == {name: tuple(form) for name, form in DIALECTS.items()}


def test_every_key_is_told() -> None:
    for model in (TokenizeParams, TrainParams, LoraParams):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in TEXT, name


def test_reasons_are_the_ones_the_code_gives() -> None:
    code = (ROOT / "pipeline/tokens/pair_tokens.py").read_text(encoding="utf-8")
    told = [row[0] for row in rows(section("Tokens"))]
    assert told and set(told) == set(re.findall(r'reason = "(\w+)"', code))


def test_the_table_of_recipes_is_the_folder() -> None:
    told = {row[0]: row[1:] for row in rows(section("Recipes", RECIPES))}
    assert sorted(told) == sorted(recipe_titles(ROOT / "recipes"))
    base = read_yaml(ROOT / "params.yaml")
    for name, cells in told.items():
        params = parse_params(merge(base, load_recipe(name, ROOT / "recipes")))
        train = params.train
        numbers = (train.lambda_, train.lr, train.schedule, train.epochs, train.batch_pairs)
        assert cells == [str(value) for value in (*numbers, params.tokenize.max_length)], name


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command: str) -> None:
    for name in re.findall(r"(?:RECIPE=|recipe )([\w.-]+)", command):
        assert name in recipe_titles(ROOT / "recipes")
    for words in re.findall(r'SET="(.*?)"', command):
        parse_params(parse_settings(words.split()))
    if command.startswith("make"):
        words = ["make", "-n", *shlex.split(command)[1:]]
        assert subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0
    elif command.startswith("python -m pipeline"):
        assert CliRunner().invoke(app, [*command.split()[3:], "--help"]).exit_code == 0
    else:
        assert command.startswith(("dvc exp ", "git restore ", "options=$(python -m pipeline recipe "))


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT + RECIPES):
        assert target.startswith("http") or (ROOT / "docs" / target).exists(), target
