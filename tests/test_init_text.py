"""Other values in a params file: only the lines of the keys that differ change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.authoring.params_text import flow, with_values
from pipeline.authoring.writing import params_text, write_params
from pipeline.errors import PipelineError
from pipeline.params import Params, parse_params, parse_yaml

FILE = Path(__file__).parents[1] / "params.yaml"
TEXT = FILE.read_text(encoding="utf-8")


def changed_lines(params: Params, text: str = TEXT) -> list[tuple[str, str]]:
    """Old and new of each line that differs, of texts with as many lines."""
    new = with_values(text, params, FILE)
    assert parse_params(parse_yaml(new, "new")) == params
    return [pair for pair in zip(text.splitlines(), new.splitlines(), strict=True) if pair[0] != pair[1]]


def test_the_same_values_give_the_same_text() -> None:
    assert with_values(TEXT, Params(), FILE) == TEXT


def test_only_the_value_of_a_line_changes() -> None:
    params = parse_params(
        {
            "source": {"kind": "pairs", "path": ["a b.jsonl", "c: d.jsonl"], "columns": {"prompt": "on"}},
            "train": {"lambda": 0.25, "lr": 1e-5},
            "evaluate": {"models": {"dpo": "m"}},
        }
    )
    assert changed_lines(params) == [
        ("  kind: sample", "  kind: pairs"),
        (
            "  path: null # file, glob, folder, `datasets` folder or URL, or a list of these; null: the hub",
            "  path: [a b.jsonl, 'c: d.jsonl'] # file, glob, folder, `datasets` folder or URL, or a list of "
            "these; null: the hub",
        ),
        ("    prompt: null", "    prompt: 'on'"),
        (
            "  lambda: 0.5 # weight of the odds-ratio term",
            "  lambda: 0.25 # weight of the odds-ratio term",
        ),
        ("  lr: 2.0e-4 # peak", "  lr: 1.0e-05 # peak"),
        (
            "  models: {} # further model directories measured beside base and trained, e.g. {dpo: "
            "models/dpo}; DVC does not",
            "  models: {dpo: m} # further model directories measured beside base and trained, e.g. {dpo: "
            "models/dpo}; DVC does not",
        ),
    ]


def test_a_block_becomes_a_list_in_brackets_and_what_follows_stays() -> None:
    new = with_values(TEXT, parse_params({"decontaminate": {"benchmarks": []}}), FILE)
    before, after = TEXT.splitlines(), new.splitlines()
    start = before.index("  benchmarks: # JSON Lines files of items; []: none")
    assert after[start] == "  benchmarks: [] # JSON Lines files of items; []: none"
    assert after[:start] == before[:start]
    assert after[start + 1 :] == before[start + 5 :]


def test_there_and_back_is_the_same_but_for_how_values_are_written() -> None:
    params = parse_params({"train": {"lambda": 0.25}, "source": {"kind": "pairs", "path": "a.jsonl"}})
    assert with_values(with_values(TEXT, params, FILE), Params(), FILE) == TEXT


def test_a_key_without_a_value() -> None:
    text = TEXT.replace("    prompt: null\n", "    prompt:\n", 1)
    params = parse_params({"source": {"columns": {"prompt": "q"}}})
    assert changed_lines(params, text) == [("    prompt:", "    prompt: q")]


def test_a_file_that_lacks_keys_is_refused_with_all_of_them() -> None:
    text = TEXT.replace("  lr: 2.0e-4 # peak\n", "").replace("    r: 16\n", "")
    with pytest.raises(
        PipelineError, match=r"Found: no train\.lr, train\.lora\.r\. `git restore params\.yaml`"
    ):
        with_values(text, Params(), FILE)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
TRICKY = st.text("ab ,:#[]{}'\"\\-?!&*|>%@`~=\n\t0", min_size=1)


@settings(max_examples=40, deadline=None)
@given(st.one_of(TEXTS, TRICKY, st.lists(st.one_of(TRICKY, st.integers(), st.booleans(), st.none()))))
def test_any_value_reads_back(value: Any) -> None:
    line = flow(value)
    assert "\n" not in line
    assert yaml.safe_load(f"key: {line} # a comment\n") == {"key": value}


@settings(max_examples=5, deadline=None)
@given(TEXTS, st.lists(st.one_of(TRICKY, st.integers(), st.booleans())), st.floats(0, 1e6))
def test_any_value_reads_back_from_the_file(column: str, labels: list[Any], weight: float) -> None:
    source = {"columns": {"prompt": column}, "labels": {"tie": labels}}
    params = parse_params({"source": source, "train": {"lambda": weight}})
    assert len(changed_lines(params)) <= 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ("null", "'null'"),
        ("1", "'1'"),
        (1, "1"),
        (True, "true"),
        ("a # b", "'a # b'"),
        ("a\nb", '"a\\nb"'),
        ({"a": [1, "b"]}, "{a: [1, b]}"),
    ],
    ids=str,
)
def test_values_on_one_line(value: Any, text: str) -> None:
    assert flow(value) == text
    assert yaml.safe_load(text) == value


def test_the_projects_file_is_the_template() -> None:
    assert params_text(Params()) == TEXT


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"comments a new one takes cannot be read.*`git restore gone\.yaml`"
    ):
        params_text(Params(), tmp_path / "gone.yaml")


def test_what_stood_there_is_kept_under_a_free_name(tmp_path: Path) -> None:
    output = tmp_path / "params.yaml"
    assert write_params("one", output) is None
    assert write_params("two", output) == tmp_path / "params.yaml.bak"
    assert write_params("two", output) is None
    assert write_params("three", output) == tmp_path / "params.yaml.bak2"
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"params.yaml": "three", "params.yaml.bak": "one", "params.yaml.bak2": "two"}
