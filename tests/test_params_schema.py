"""params.schema.json: as the code has it, and refusing just what pydantic refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, BaseModel, ValidationError

from pipeline.params import Params, parse_params, read_yaml
from pipeline.params.cross_rules import CROSS_RULES
from pipeline.params.generated import main, stale_files, wanted_files
from pipeline.params.json_schema import default_value, key_name, params_schema, sections, sections_of
from pipeline.recipes import load_recipe, merge

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
SCHEMA = params_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def by_schema(values: Any) -> bool:
    return bool(VALIDATOR.is_valid(values))


def by_pydantic(values: Any, strict: bool = False) -> bool:
    try:
        Params.model_validate(values, by_alias=True, by_name=False, strict=strict)
    except ValidationError:
        return False
    return True


def nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and default of every key that is no section."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{key_name(name, field)}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{key}.")
        else:
            yield key, default_value(field)


LEAVES = dict(leaves(Params))


def test_the_files_are_as_the_code_has_them() -> None:
    assert stale_files(ROOT) == []


def test_the_command_mends_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--check"]) == 1
    assert "params.schema.json, docs/params.md: not as pipeline/params says" in capsys.readouterr().err
    assert main(["--write"]) == 0
    assert {name: (tmp_path / name).read_text() for name in wanted_files()} == wanted_files()
    (tmp_path / "docs/params.md").write_text("old")
    assert main(["--check"]) == 1
    capsys.readouterr()
    assert main(["--write"]) == main(["--check"]) == main(["--write"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "made from params: docs/params.md changed",
        "made from params: nothing changed",
    ]


def test_it_is_a_schema_that_allows_no_other_keys() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for name, definition in {"": SCHEMA, **SCHEMA["$defs"]}.items():
        assert definition["additionalProperties"] is False, name


def test_every_key_is_described_and_every_default_is_the_codes() -> None:
    for model in sections(Params):
        schema = SCHEMA if model is Params else SCHEMA["$defs"][model.__name__]
        defaults: Any = {} if any(f.is_required() for f in model.model_fields.values()) else model()
        stated = defaults.model_dump(by_alias=True) if isinstance(defaults, BaseModel) else {}
        assert list(schema["properties"]) == [key_name(*item) for item in model.model_fields.items()]
        for key, entry in schema["properties"].items():
            assert "$ref" in entry or entry["description"].strip(), f"{model.__name__}.{key}"
            if "$ref" not in entry and key in stated:
                assert entry["default"] == stated[key], f"{model.__name__}.{key}"


def test_the_projects_file_is_valid_and_names_the_schema() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=params.schema.json\n")
    assert list(VALIDATOR.iter_errors(yaml.safe_load(text))) == []
    assert json.loads((ROOT / "params.schema.json").read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_valid_alone_and_over_the_projects_file(name: str) -> None:
    overlay = load_recipe(name, ROOT / "recipes")
    for values in (overlay, merge(read_yaml(ROOT / "params.yaml"), overlay)):
        assert list(VALIDATOR.iter_errors(values)) == []


def test_a_section_in_a_list_is_known_too() -> None:
    assert len(list(sections(Params))) == len(set(sections(Params))) == len(SCHEMA["$defs"]) + 1
    assert {"BenchmarkParams", "CompareVariant"} <= set(SCHEMA["$defs"])


NUMBERS = [-1, 0, 1, 2, 4, 5, 8, 14, 51, 99, 100, 20_000, -0.5, 0.0, 0.15, 0.5, 1.0, 1.01, 2.5]
TEXTS = ["", "x", "en", "EN", "0" * 64, "path", "a/b", "8", "0.5", "yes", "A_KEY"]
ADDRESSES = ["http://h", "https://u:p@h", "ftp://h", "http://", "http://h/v1?q=1", "https://[::1]:8000/v1"]
SCALARS = st.sampled_from([None, True, False, *NUMBERS, *TEXTS, *ADDRESSES])
ENUMS = sorted(
    {
        str(value)
        for match in (SCHEMA, *SCHEMA["$defs"].values())
        for entry in match["properties"].values()
        for each in (entry, entry.get("items", {}), *entry.get("anyOf", []))
        for value in each.get("enum", [each.get("const")])
        if value is not None
    }
)
ITEMS = st.fixed_dictionaries(
    {}, optional={name: SCALARS for name in ("name", "path", "prompt", "id", "model", "set", "other")}
)
VALUES = st.one_of(
    SCALARS,
    st.sampled_from(ENUMS),
    st.lists(st.one_of(SCALARS, st.sampled_from(ENUMS), ITEMS), max_size=2),
    st.dictionaries(st.sampled_from(["base", "dpo", "-a", "trained"]), SCALARS, max_size=2),
)


def unsaid(values: dict[str, Any]) -> bool:
    """Whether pydantic's faults are all of rules that the schema has no words for."""
    wordless = {rule.validator for rule in CROSS_RULES if rule.schema is None}
    assert wordless == {"_names_differ", "_leaves_train", "distinct_variants"}
    try:
        Params.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        return all(
            any(words in fault["msg"] for words in ("are named", "must be under 1 so", "name of its own"))
            for fault in error.errors()
        )
    return False


@settings(max_examples=600, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(LEAVES)), VALUES, min_size=1, max_size=3))
def test_what_the_schema_takes_lies_between_strict_and_lax_pydantic(values: dict[str, Any]) -> None:
    """Lax pydantic also takes "8" for 8 and 1 for true; the schema, for editors, need not."""
    given_values: dict[str, Any] = {}
    for key, value in values.items():
        given_values = merge(given_values, nested(key, value))
    if by_pydantic(given_values, strict=True):
        assert by_schema(given_values)
    if by_schema(given_values):
        assert by_pydantic(given_values) or unsaid(given_values)


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_every_key_refuses_another_type_and_a_neighbour_it_does_not_know(key: str) -> None:
    assert by_schema(nested(key, LEAVES[key]))
    wrong: Any = [[0.5]] if not isinstance(LEAVES[key], list) else 0.5
    unknown = nested(f"{key.rpartition('.')[0]}.no_such_key", 1)
    for values in (nested(key, wrong), unknown):
        assert not by_pydantic(values) and not by_schema(values), values


REFUSED = [
    {"train": {"lambda_": 0.5}},
    {"train": {"lambda": -0.1}},
    {"train": {"objective": "odds_only", "lambda": 0}},
    {"train": {"early_stopping": 2}},
    {"train": {"early_stopping": 2, "best_metric": "loss", "eval_every": 0}},
    {"train": {"lora": {"quantize": "nf4"}}},
    {"train": {"trackers": ["wandb", "neptune"]}},
    {"model": {"source": "path"}},
    {"model": {"wheel": {"sha256": "0" * 63}}},
    {"source": {"hub": {"repo": "a/b"}}},
    {"source": {"columns": {"answer": "a"}}},
    {"source": {"max_bad_share": 1.0}},
    {"binarize": {"aspect_weights": dict.fromkeys(("honesty", "truthfulness"), 0)}, "extra": {}},
    {"binarize": {"aspect_weights": dict.fromkeys(Params().binarize.aspect_weights.model_dump(), 0)}},
    {"curate": {"queue": {"weights": dict.fromkeys(Params().curate.queue.weights.model_dump(), 0.0)}}},
    {"split": {"test": 1.5}},
    {"filter": {"languages": ["english"]}},
    {"decontaminate": {"benchmarks": [{"name": "a"}]}},
    {"evaluate": {"models": {"base": "m"}}},
    {"evaluate": {"models": {"-a": "m"}}},
    {"evaluate": {"compare": [{"name": "base"}]}},
    {"evaluate": {"compare": [{"name": "a", "model": "m", "set": {"train.lr": 1}}]}},
    {"benchmarks": {"judge": {"base_url": "https://user:secret@host/v1"}}},
    {"benchmarks": {"judge": {"base_url": "https://host/v1?key=secret"}}},
    {"benchmarks": {"judge": {"key_variable": "sk-secret"}}},
    {"benchmarks": {"mtbench": {"enabled": True, "questions": "q"}}},
    {"benchmarks": {"alpacaeval": {"version": 3}}},
]


@pytest.mark.parametrize("values", REFUSED, ids=json.dumps)
def test_refused_by_both(values: dict[str, Any]) -> None:
    assert not by_pydantic(values)
    assert not by_schema(values)


ACCEPTED = [
    {},
    {"train": {"objective": "odds_only"}},
    {"train": {"early_stopping": 2, "best_metric": "loss", "eval_every": 1}},
    {"train": {"lora": {"quantize": "nf4", "enabled": True}}},
    {"train": {"lr": 1}},
    {"model": {"source": "path", "path": "m"}},
    {"source": {"hub": {"repo": "a/b", "revision": "main"}}},
    {"source": {"columns": {"responses": ["a", "b"]}, "labels": {"tie": ["=", 0, False]}}},
    {"binarize": {"aspect_weights": dict.fromkeys(("honesty", "truthfulness"), 0)}},
    {"split": {"test": 0, "validation": 100}},
    {"evaluate": {"models": {"dpo": "models/dpo"}}},
    {"evaluate": {"compare": [{"name": "a", "set": {"train.lr": 1}}, {"name": "b", "model": "m"}]}},
    {"benchmarks": {"judge": {"base_url": "http://[::1]:8000/v1", "key_variable": None}}},
    {"benchmarks": {"mtbench": {"enabled": True, "questions": "q", "references": "r"}}},
]


@pytest.mark.parametrize("values", ACCEPTED, ids=json.dumps)
def test_accepted_by_both(values: dict[str, Any]) -> None:
    assert by_pydantic(values)
    assert by_schema(values)


def test_every_validator_between_keys_is_told() -> None:
    found = []
    for model in sections(Params):
        decorators = model.__pydantic_decorators__
        names = [*decorators.model_validators, *decorators.field_validators]
        for field in model.model_fields.values():
            names += [
                str(getattr(each.func, "__name__", each.func))
                for each in field.metadata
                if isinstance(each, AfterValidator)
            ]
        found += [(model, name) for name in names]
    assert sorted(map(str, found)) == sorted(str((rule.section, rule.validator)) for rule in CROSS_RULES)


def test_a_name_of_the_code_is_no_key() -> None:
    assert sections_of(Params.model_fields["train"].annotation)[0].model_fields["lambda_"].alias == "lambda"
    values = copy.deepcopy(read_yaml(ROOT / "params.yaml"))
    values["train"]["lambda_"] = values["train"].pop("lambda")
    with pytest.raises(Exception, match=r"train\.lambda_: unknown key, expected one of objective, lambda,"):
        parse_params(values)


def test_no_number_is_infinite() -> None:
    with pytest.raises(Exception, match=r"train\.lr: found inf, expected: input should be a finite number"):
        parse_params({"train": {"lr": float("inf")}})
