"""Recipes as overrides for DVC: what is merged, what is handed over, and what is refused."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import PipelineError
from pipeline.params import Params, load_params
from pipeline.recipes import (
    experiment_options,
    leaves,
    load_recipe,
    merge,
    override,
    parse_settings,
    recipe_titles,
)

ROOT = Path(__file__).parents[1]


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with the project's params.yaml in its last commit, and two recipes."""
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    (folder / "recipes/one.yaml").write_text("# The first\ntrain:\n  lr: 8.0e-6\n  lambda: 0.25\n")
    (folder / "recipes/two.yaml").write_text("# The second\nsource:\n  kind: hh_rlhf\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        git(folder, *words)
    return folder


def options(project: Path, name: str, *words: str) -> list[str]:
    return experiment_options(name, words, project / "recipes", project / "params.yaml")


# --- overlays -------------------------------------------------------------------------------------------


def test_sections_are_merged_and_lists_are_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2], "d": {"e": 5}}, "f": 6}
    assert merge(base, {"a": {"c": [3], "d": None}, "g": 7}) == {
        "a": {"b": 1, "c": [3], "d": None},
        "f": 6,
        "g": 7,
    }
    assert base == {"a": {"b": 1, "c": [1, 2], "d": {"e": 5}}, "f": 6}


def test_settings_are_dotted_keys_with_yaml_values() -> None:
    found = parse_settings(
        ["train.processes=4", "train.trackers=[wandb]", "train.dialect=", "train.processes=2"]
    )
    assert found == {"train": {"processes": 2, "trackers": ["wandb"], "dialect": None}}


@pytest.mark.parametrize("word", ["train.lr", "=3", "train..lr=3", "train.lr=[1"])
def test_a_setting_that_is_none(word: str) -> None:
    with pytest.raises(PipelineError):
        parse_settings([word])


def test_leaves_are_dotted_and_in_order() -> None:
    assert list(leaves({"b": {"c": {"d": 1}, "a": []}, "a": {}})) == [("b.c.d", 1), ("b.a", []), ("a", {})]


def test_recipes_are_known_by_name_and_title(project: Path) -> None:
    assert recipe_titles(project / "recipes") == {"one": "The first", "two": "The second"}
    with pytest.raises(PipelineError) as raised:
        load_recipe("three", project / "recipes")
    assert raised.value.found == "three" and raised.value.expected == "one of one, two"


def test_a_recipe_that_sets_nothing(project: Path) -> None:
    (project / "recipes/none.yaml").write_text("# Nothing\n")
    with pytest.raises(PipelineError, match="sets nothing"):
        load_recipe("none", project / "recipes")


# --- values in DVC's grammar ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (5.0e-6, "5e-06"),
        ("refs/pr/25", "refs/pr/25"),
        ("061d15c4d9cc", "061d15c4d9cc"),
        ("12e4", "'12e4'"),
        ("Null", "'Null'"),
        ("a b", "'a b'"),
        ([], "[]"),
        (["en", None], "[en,null]"),
        ([{"name": "x", "n": 1}], "[{name:x,n:1}]"),
    ],
)
def test_values_as_dvc_reads_them(value: Any, expected: str) -> None:
    assert override(value) == expected


@pytest.mark.parametrize("value", ["it's", "a\\b", "${x}", "two\nlines", object()])
def test_a_value_that_dvc_would_change_is_refused(value: Any) -> None:
    with pytest.raises(PipelineError, match="cannot be handed to DVC"):
        override(value, "source.path")


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\\$'\"\x7f\x85\xa0"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)


@settings(max_examples=30, deadline=None)
@given(value=SCALARS | st.lists(SCALARS, max_size=3))
def test_what_dvc_writes_is_what_was_handed_over(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text("a: # kept\n  b: 1\n")
    apply_overrides(path, [f"++a.c={override(value)}"])
    assert load_yaml(path) == {"a": {"b": 1, "c": value}}
    assert "# kept" in path.read_text()


# --- the options, and what they must not overwrite ------------------------------------------------------


def test_options_set_every_key_of_the_recipe(project: Path) -> None:
    assert options(project, "one") == ["-S", "++train.lr=8e-06", "-S", "++train.lambda=0.25"]


def test_a_setting_goes_before_the_recipe(project: Path) -> None:
    words = options(project, "one", "train.lambda=0.5", "train.processes=4")
    assert words[1::2] == ["++train.lr=8e-06", "++train.lambda=0.5", "++train.processes=4"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("train:\n  lamda: 1\n", "train.lamda: unknown key"),
        ("train:\n  lr: -1.0\n", "train.lr: found -1.0"),
        ("train:\n", "train: found None"),
        ("trian:\n  lr: 1.0\n", "trian: unknown key"),
    ],
)
def test_a_recipe_with_a_fault_names_the_key_and_the_recipe(project: Path, text: str, fault: str) -> None:
    (project / "recipes/faulty.yaml").write_text(text)
    with pytest.raises(PipelineError) as raised:
        options(project, "faulty")
    assert fault in str(raised.value) and str(raised.value.file).endswith("recipes/faulty.yaml")


def test_changes_that_are_not_committed_are_not_overwritten(project: Path) -> None:
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("seed: 7", "seed: 8"))
    with pytest.raises(PipelineError, match="changes that are not committed"):
        options(project, "one")
    git(project, "commit", "-q", "-a", "-m", "mine")
    assert options(project, "one")


def test_the_same_recipe_goes_on_and_another_is_not_mixed_with_it(project: Path) -> None:
    words = options(project, "one")
    apply_overrides(project / "params.yaml", words[1::2])
    assert options(project, "one") == words
    with pytest.raises(PipelineError, match="changes that are not committed"):
        options(project, "two")


def test_the_leavings_of_a_recipe_with_another_change_are_refused(project: Path) -> None:
    apply_overrides(project / "params.yaml", [*options(project, "one")[1::2], "source.sample.seed=8"])
    with pytest.raises(PipelineError, match="changes that are not committed"):
        options(project, "one")


def test_without_a_commit_there_is_nothing_to_start_from(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "one.yaml").write_text("train:\n  lambda: 1.0\n")
    with pytest.raises(PipelineError, match="needs a commit"):
        experiment_options("one", (), tmp_path, tmp_path / "params.yaml")


# --- for real -------------------------------------------------------------------------------------------


def test_the_command_prints_words_for_a_shell(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    done = CliRunner().invoke(app, ["recipe", "one", "source.path=my pairs.jsonl"])
    assert shlex.split(done.stdout) == [
        *options(project, "one"),
        "-S",
        "++source.path='my pairs.jsonl'",
    ]
    assert CliRunner().invoke(app, ["recipe"]).stdout == "one: The first\ntwo: The second\n"


def test_dvc_runs_the_recipe_as_an_experiment(project: Path) -> None:
    """The values arrive, null and lists among them, comments stay, and all else is as before."""
    stage = {
        "cmd": "cp params.yaml seen.yaml",
        "params": ["train", "source"],
        "outs": [{"seen.yaml": {"cache": False}}],
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage}}))
    (project / "recipes/one.yaml").write_text(
        "# The first\ntrain:\n  lr: 5.0e-6\n  warmup_steps: 200\n  trackers: [wandb, mlflow]\n"
        "  gradient_checkpointing: true\n  dialect: official\n"
        "filter:\n  max_prompt_chars: null\n  languages: []\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    environment |= {
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(project.parent / "site"),
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "test",
        "GIT_CONFIG_KEY_1": "user.email",
        "GIT_CONFIG_VALUE_1": "test@example.invalid",
    }

    def dvc(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    dvc("init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "stage")
    before = (project / "params.yaml").read_text()
    dvc("exp", "run", "-q", *options(project, "one"))
    train: dict[str, Any] = {
        "lr": 5.0e-6,
        "warmup_steps": 200,
        "trackers": ["wandb", "mlflow"],
        "gradient_checkpointing": True,
        "dialect": "official",
    }
    expected = merge(
        Params().model_dump(by_alias=True),
        {"train": train, "filter": {"max_prompt_chars": None, "languages": []}},
    )
    assert load_params(project / "seen.yaml").model_dump(by_alias=True) == expected
    after = (project / "params.yaml").read_text()
    assert "# peak" in after and after.startswith(before.splitlines()[0])
    git(project, "restore", "params.yaml")
    assert (project / "params.yaml").read_text() == before
