"""The recipes: each is valid, cites every value, and says what the published run says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dvc.utils.hydra import apply_overrides

from pipeline.pairs.binarize import binarize
from pipeline.params import Params, load_params, parse_params, read_yaml
from pipeline.recipes import leaves, load_recipe, merge, override
from pipeline.sources.pull import ADAPTERS, read_source

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "recipes"
NAMES = sorted(path.name.removesuffix(".yaml") for path in FOLDER.glob("*.yaml"))

SCRIPT = {
    "train.lr": 5.0e-6,
    "train.schedule": "inverse_sqrt",
    "train.batch_pairs": 32,
    "train.dialect": "official",
}
SCRIPT |= {"tokenize.max_length": 2048, "tokenize.max_prompt_length": 1792 - 1}
"""xfactlab/orpo, scripts/run_mistral_orpo_*.sh: a prompt is shorter than --prompt_max_length 1792."""

PAPER = {"train.lr": 8.0e-6, "train.schedule": "cosine", "train.epochs": 10, "train.dialect": "paper"}
PAPER |= {"tokenize.max_prompt_length": 1024, "tokenize.truncation": "truncate_response"}
"""arXiv 2403.07691, appendix C."""

ULTRAFEEDBACK = {"source.kind": "ultrafeedback_binarized", "tokenize.max_length": 2048}
CLEANED = {"source.kind": "argilla_binarized", "tokenize.max_length": 2048}
HH_RLHF = {"source.kind": "hh_rlhf", "tokenize.max_length": 1024}
BEST = {"train.best_metric": "loss"}
LAST: dict[str, Any] = {"train.best_metric": None}


def run(model: str, weight: float, *facts: dict[str, Any], **train: Any) -> dict[str, Any]:
    """What a published run must say, by dotted key."""
    found: dict[str, Any] = {"model.source": "hub", "model.hub.repo": model, "train.lambda": weight}
    for fact in facts:
        found |= fact
    return found | {f"train.{name}": value for name, value in train.items()}


MISTRAL = "mistralai/Mistral-7B-v0.1"
FACTS = {
    "mistral-orpo-alpha": run(MISTRAL, 0.1, SCRIPT, ULTRAFEEDBACK, BEST, warmup_steps=200, epochs=5),
    "mistral-orpo-alpha-paper": run(MISTRAL, 0.1, PAPER, ULTRAFEEDBACK, LAST),
    "mistral-orpo-beta": run(MISTRAL, 0.1, SCRIPT, CLEANED, LAST, warmup_steps=200, epochs=5),
    "mistral-orpo-beta-paper": run(MISTRAL, 0.1, PAPER, CLEANED, LAST),
    "mistral-orpo-capybara-7k": run(MISTRAL, 0.05, SCRIPT, LAST, warmup_steps=100, epochs=3)
    | {"source.hub.repo": "argilla/distilabel-capybara-dpo-7k-binarized"},
    "phi-2": run("microsoft/phi-2", 0.25, PAPER, ULTRAFEEDBACK, BEST),
    "llama-2-7b": run("meta-llama/Llama-2-7b-hf", 0.2, PAPER, ULTRAFEEDBACK, BEST),
    **{
        f"opt-{size}-{data}": run(f"facebook/opt-{size}", 1.0, PAPER, facts, BEST)
        for size in ("125m", "350m", "1.3b")
        for data, facts in (("ultrafeedback", ULTRAFEEDBACK), ("hh-rlhf", HH_RLHF))
    },
    "smollm2-135m": {
        "source.kind": "ultrafeedback_binarized",
        "model.hub.repo": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "train.lr": 8.0e-6,
    },
}


def params_of(name: str) -> Params:
    return parse_params(merge(read_yaml(ROOT / "params.yaml"), load_recipe(name, FOLDER)), file=name)


def test_every_recipe_has_its_facts() -> None:
    assert sorted(FACTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_was_published(name: str) -> None:
    found = dict(leaves(params_of(name).model_dump(by_alias=True)))
    assert {key: found[key] for key in FACTS[name]} == FACTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_recipe_is_cited(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    body = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    values = [line for line in body if not re.fullmatch(r" *\w+:", line)]
    assert len(values) == len(list(leaves(load_recipe(name, FOLDER))))
    cited = re.compile(r" *\w+: \S+ # .*(paper|script|code|card|not stated|rows|hub|wheel)")
    assert [line for line in values if not cited.match(line)] == []
    for source in ("script", "code", "paper", "card"):
        if any(f"# {source}" in line for line in values):
            assert re.search(rf"^#.*\b{source}: \S", text, flags=re.MULTILINE), f"{source} is not said"


@pytest.mark.parametrize("name", NAMES)
def test_sections_stand_in_the_order_of_params(name: str) -> None:
    order = list(Params.model_fields)
    sections = list(load_recipe(name, FOLDER))
    assert sections == sorted(sections, key=order.index)


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_from_the_hub_is_pinned(name: str) -> None:
    """A commit; or the one pull request's ref whose commit is not known, which is resolved and recorded."""
    params = params_of(name)
    revisions = [params.model.hub.revision, params.source.hub.revision or "0" * 40]
    for revision in revisions:
        assert re.fullmatch(r"[0-9a-f]{40}|refs/pr/\d+", revision)


@pytest.mark.parametrize("name", NAMES)
def test_dvc_sets_every_value_of_a_recipe(name: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_bytes((ROOT / "params.yaml").read_bytes())
    overrides = [f"++{key}={override(value)}" for key, value in leaves(load_recipe(name, FOLDER))]
    apply_overrides(file, overrides)
    assert load_params(file) == params_of(name)
    before, after = ((ROOT / "params.yaml").read_text(), file.read_text())
    # DVC writes lists anew, so that the comments of decontaminate.benchmarks go; all others stay.
    gone = set(re.findall(r"# .*", before)) - set(re.findall(r"# .*", after))
    assert gone == {
        line for line in gone if line in before.partition("benchmarks:")[2].partition("preset:")[0]
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_words_for_dvc_need_no_quotes(name: str) -> None:
    """So that `dvc exp run $(python -m pipeline recipe NAME)` is right as it stands."""
    for key, value in leaves(load_recipe(name, FOLDER)):
        word = f"++{key}={override(value)}"
        assert shlex.quote(word) == word


def messages(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant") * len(texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def test_pairs_of_equal_scores_stay_as_in_the_paper(tmp_path: Path) -> None:
    row = {"prompt": "q", "chosen": messages("q", "yes"), "rejected": messages("q", "no")}
    file = tmp_path / "rows.parquet"
    scores = pl.DataFrame({"score_chosen": [8.0, 8.0, 8.25], "score_rejected": [8.0, 7.0, 8.0]})
    rows = [{**row, "prompt": f"q{n}", **score} for n, score in enumerate(scores.iter_rows(named=True))]
    for n, each in enumerate(rows):
        each["chosen"], each["rejected"] = messages(f"q{n}", "yes"), messages(f"q{n}", "no")
    pl.DataFrame(rows).write_parquet(file)
    params = params_of("phi-2")
    completions = read_source({"rows": file}, ADAPTERS[params.source.kind](None)).completions
    pairs, ledger = binarize(params.binarize, completions)
    assert (pairs.height, ledger.counts()) == (3, {})
    assert set(pairs["chosen"]) == {"yes"}


def test_rows_of_capybara_are_read_whole(tmp_path: Path) -> None:
    """Columns as its card lists them: conversations of several turns, ratings under names of their own."""
    row = {
        "source": "Airoboros",
        "conversation": [{"input": "a", "output": "b"}],
        "original_response": "d",
        "generation_prompt": ["p"],
        "raw_generation_responses": ["r"],
        "new_generations": ["n"],
        "prompt": "c",
        "chosen": messages("a", "b", "c", "d"),
        "rejected": messages("a", "b", "c", "e"),
        "rating_chosen": 5,
        "rating_rejected": 4,
        "chosen_model": "m",
        "rejected_model": "n",
    }
    file = tmp_path / "rows.parquet"
    pl.DataFrame([row]).write_parquet(file)
    params = params_of("mistral-orpo-capybara-7k")
    completions = read_source({"rows": file}, ADAPTERS[params.source.kind](None)).completions
    pairs, _ = binarize(params.binarize, completions)
    [pair] = pairs.to_dicts()
    assert pair["prompt"] == messages("a", "b", "c")
    assert (pair["chosen"], pair["rejected"]) == ("d", "e")
