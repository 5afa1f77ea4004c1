"""params.yaml: typed, ranged, every fault at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import PipelineError
from pipeline.params import Params, load_params, parse_params

PROJECT = Path(__file__).parents[1]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def test_nothing_given_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    assert load_params(tmp_path / "params.yaml") == Params() == parse_params({})


def test_the_projects_file_states_every_default() -> None:
    path = PROJECT / "params.yaml"
    written = flat(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert written == flat(Params().model_dump(by_alias=True))
    assert load_params(path) == Params()


def test_all_faults_come_at_once_each_with_its_key() -> None:
    values = {
        "source": {"kind": "csv", "hub": {"repo": "a/b"}},
        "split": {"test": 0.9, "validation": 0.2},
        "train": {"lr": "fast", "lambda": -1, "learning_rate": 1},
        "extra": {},
    }
    with pytest.raises(PipelineError) as caught:
        parse_params(values, file="p.yaml")
    text = str(caught.value)
    assert text.startswith("7 faults in params: ")
    for part in (
        "source.kind: found 'csv'",
        "source.hub: a repo needs a revision",
        "split: validation + test must be under 1 so that training pairs remain, got 1.1",
        "train.lr: found 'fast'",
        "train.lambda: found -1",
        "train.learning_rate: unknown key, expected one of objective, lambda, ",
        "extra: unknown key, expected one of source, binarize, ",
    ):
        assert part in text
    assert caught.value.file == "p.yaml"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"dedupe": {"threshold": 0}}, "dedupe.threshold"),
        ({"dedupe": {"threshold": 1.01}}, "dedupe.threshold"),
        ({"dedupe": {"ngram": 0}}, "dedupe.ngram"),
        ({"binarize": {"min_margin": -0.1}}, "binarize.min_margin"),
        ({"filter": {"exclude_sources": "truthful_qa"}}, "filter.exclude_sources"),
        ({"filter": {"min_prompt_chars": None}}, "filter.min_prompt_chars"),
        ({"split": {"max_train": 0}}, "split.max_train"),
        ({"source": {"path": 3}}, "source.path"),
    ],
)
def test_a_value_out_of_range_is_named(values: dict[str, Any], key: str) -> None:
    with pytest.raises(PipelineError, match=key.replace(".", r"\.") + ": found"):
        parse_params(values)


def test_paths_come_as_a_list() -> None:
    assert parse_params({"source": {"path": "a.jsonl"}}).source.entries == ["a.jsonl"]
    assert parse_params({"source": {"path": ["a", "b"]}}).source.entries == ["a", "b"]
    assert Params().source.entries == []


@pytest.mark.parametrize(
    ("text", "problem", "row"),
    [
        ("a: [1", "not valid YAML", 1),
        ("split:\n  seed: 1\n  seed: 2\n", "not valid YAML", 3),
        ("- a\n", "not a mapping", None),
        ("!!python/object/apply:os.getcwd []", "not valid YAML", 1),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml(tmp_path: Path, text: str, problem: str, row: int | None) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(PipelineError, match=problem) as caught:
        load_params(path)
    assert (caught.value.file, caught.value.row) == (str(path), row)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="Run from the project's top folder"):
        load_params(tmp_path / "params.yaml")


def test_params_do_not_change() -> None:
    params = Params()
    with pytest.raises(ValueError):
        params.split.seed = 3  # type: ignore[misc]
