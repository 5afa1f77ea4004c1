"""Which variants are compared, the params each gets, and what is refused before any of them is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from pipeline.errors import PipelineError
from pipeline.evaluation.variants import comparison_of, read_comparison, trained_variants
from pipeline.params import load_params, parse_params, read_yaml

ROOT = Path(__file__).parents[2]
FILE = {
    "set": {"train.epochs": 3, "train.lr": 1e-5},
    "variants": [
        {"name": "sft", "set": {"train.objective": "sft"}},
        {"name": "slow", "set": {"train.lr": 1e-6, "split.max_train": 7}},
        {"name": "there", "model": "models/other"},
    ],
}


def written(folder: Path, values: Any) -> Path:
    path = folder / "variants.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_own_values_go_before_settings_and_those_before_shared_ones(tmp_path: Path) -> None:
    comparison = read_comparison(written(tmp_path, FILE))
    sft, slow = trained_variants(comparison, {"train": {"lr": 1.0, "lambda": 2.0}}, ["train.lr=1e-4"])
    assert (sft.name, sft.settings) == ("sft", {"train.objective": "sft"})
    assert (sft.params.train.objective, sft.params.train.lr, sft.params.train.epochs) == ("sft", 1e-4, 3)
    assert (slow.params.train.objective, slow.params.train.lr) == ("orpo", 1e-6)
    assert slow.params.split.max_train == 7 and sft.params.train.lambda_ == slow.params.train.lambda_ == 2.0


def test_the_options_give_dvc_the_same_params(tmp_path: Path) -> None:
    base = read_yaml(ROOT / "params.yaml")
    [sft, _] = trained_variants(read_comparison(written(tmp_path, FILE)), base, ["source.path=a b.jsonl"])
    options = sft.options()
    assert options[::2] == ["-S"] * (len(options) // 2)
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    apply_overrides(str(path), options[1::2])
    assert load_params(path) == sft.params


def test_the_name_of_an_experiment_is_that_of_its_params(tmp_path: Path) -> None:
    comparison = read_comparison(written(tmp_path, FILE))
    names = [each.experiment for each in trained_variants(comparison, {})]
    assert [name.rpartition("-")[0] for name in names] == ["sft", "slow"]
    assert names == [each.experiment for each in trained_variants(comparison, {"report": {"examples": 8}})]
    assert names[0] != trained_variants(comparison, {"report": {"examples": 9}})[0].experiment
    # The list of variants is no part of any.
    listed = {"evaluate": {"compare": FILE["variants"]}}
    assert names == [each.experiment for each in trained_variants(comparison, listed)]


def test_variants_of_params() -> None:
    found = comparison_of(parse_params({"evaluate": {"compare": FILE["variants"]}}))
    assert [variant.name for variant in found.variants] == ["sft", "slow", "there"]
    assert found.variants[2].model == "models/other" and found.shared == {}
    with pytest.raises(PipelineError, match="nothing to compare"):
        comparison_of(parse_params({}))


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ([{"name": "a"}, {"name": "a"}], "a name of its own"),
        ([{"name": "A b"}], "pattern"),
        ([{"name": "base"}], "name of the base model"),
        ([{"name": "a", "model": "m", "set": {"train.lr": 1}}], "takes no set"),
        ([{"name": "a", "sets": {}}], "sets"),
        ([], "at least 1 item"),
    ],
)
def test_what_is_no_variant(tmp_path: Path, variants: Any, words: str) -> None:
    path = written(tmp_path, {"variants": variants})
    with pytest.raises(PipelineError, match=words) as raised:
        read_comparison(path)
    assert raised.value.file == str(path)
    if variants:
        with pytest.raises(PipelineError, match=words):
            parse_params({"evaluate": {"compare": variants}})


def test_a_wrong_value_names_its_variant(tmp_path: Path) -> None:
    changed = {"variants": [{"name": "odd", "set": {"train.beta": -1}}]}
    with pytest.raises(PipelineError, match=r"train\.beta.*variant odd"):
        trained_variants(read_comparison(written(tmp_path, changed)), {})


@pytest.mark.parametrize("path", sorted((ROOT / "recipes/comparisons").glob("*.yaml")), ids=lambda p: p.stem)
def test_comparisons_of_the_project_are_valid(path: Path) -> None:
    found = trained_variants(read_comparison(path), read_yaml(ROOT / "params.yaml"), ["source.path=x.jsonl"])
    assert [each.params.train.objective for each in found] == ["sft", "dpo", "orpo"]
    # What differs is the loss.
    losses = {"objective", "lambda", "beta"}
    rests = []
    for each in found:
        values = each.params.model_dump(by_alias=True)
        values["train"] = {name: value for name, value in values["train"].items() if name not in losses}
        rests.append(values)
    assert rests[0] == rests[1] == rests[2]
