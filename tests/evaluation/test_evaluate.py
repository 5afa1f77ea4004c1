from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.checks import Constraint
from pipeline.errors import PipelineError
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.generation import (
    generate_answers,
    held_out_prompts,
)
from pipeline.evaluation.preference import score_pairs, summarise_pairs
from pipeline.params import RESERVED_MODELS, EvaluateParams, IntervalParams, TokenizeParams, parse_params
from pipeline.schema import EVALUATED_PAIRS, EVALUATED_SLICES, GENERATIONS, SPLIT_PAIRS
from pipeline.tables import HeldTable
from pipeline.tokens.chat import encode, render_pair, render_prompt
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenize import tokenize_splits
from pipeline.training.model import load_model
from pipeline.validation import validate
from tests.conftest import make_model
from tests.training.architectures import tiny

LOWER = Constraint("all_lowercase", {}, ("tea",)).to_json()


def pairs_table() -> pl.DataFrame:
    rows = []
    for number, (prompt, chosen, rejected) in enumerate(
        [("a?", "yes", "no no"), ("b" * 30, "short", "long " * 8), ("c", "x", "y"), ("a?", "sure", "never")]
    ):
        row: dict[str, Any] = dict.fromkeys(SPLIT_PAIRS.columns)
        row |= {"pair_id": f"pair{number}", "prompt_id": f"prompt {prompt}", "row_id": f"row{number}"}
        row |= {"source": "s", "prompt": [{"role": "user", "content": prompt}], "margin": float(number)}
        row |= {"chosen": chosen, "rejected": rejected, "cluster_id": prompt, "split": "test"}
        rows.append(row | {"constraint": LOWER if prompt == "c" else None})
    return pl.DataFrame(rows, schema=SPLIT_PAIRS.schema())


@pytest.fixture
def shards(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> ShardSet:
    tokenize_splits({"test": HeldTable(pairs_table())}, tokenizer, TokenizeParams(), tmp_path / "tokens")
    return ShardSet(tmp_path / "tokens", "test")


def test_scores_are_those_of_the_plain_pass(shards: ShardSet, tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_model().eval()
    scored = score_pairs(model, "base", shards, 2, batch_pairs=3, dtype="float32")
    assert scored["pair_id"].to_list() == ["pair0", "pair1", "pair2", "pair3"]
    for row, pair in zip(scored.iter_rows(named=True), pairs_table().iter_rows(named=True), strict=True):
        rendered = render_pair(tokenizer, pair["prompt"], pair["chosen"], pair["rejected"])
        means = {}
        for part in ("chosen", "rejected"):
            [prompt, response] = encode(tokenizer, [rendered.prompt, getattr(rendered, part)])
            ids = torch.tensor([prompt + response])
            with torch.no_grad():
                logps = model(ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None])[:, 0]
            means[part] = logps[len(prompt) - 1 :].mean().double()
            assert row[f"{part}_logp"] == pytest.approx(means[part].item(), rel=1e-4)
            assert row[f"{part}_tokens"] == len(response)
        odds = {part: mean - torch.log(-torch.expm1(mean)) for part, mean in means.items()}
        assert row["log_odds_margin"] == pytest.approx((odds["chosen"] - odds["rejected"]).item(), abs=1e-4)
        assert row["correct"] == (row["log_odds_margin"] > 0)
        assert row["odds_ratio_term"] == pytest.approx(math.log1p(math.exp(-row["log_odds_margin"])))


@pytest.mark.parametrize("name", ["llama", "mistral", "gptj"], ids=["packed", "with a window", "padded"])
def test_scores_do_not_depend_on_the_batch(name: str, shards: ShardSet) -> None:
    model = tiny(name)
    own = model.config._attn_implementation
    one = score_pairs(model, "base", shards, 2, batch_pairs=1, dtype="float32")
    for size in (2, 4):
        several = score_pairs(model, "base", shards, 77, batch_pairs=size, dtype="float32")
        for column in ("chosen_logp", "rejected_logp", "log_odds_margin"):
            assert one[column].to_list() == pytest.approx(several[column].to_list(), rel=1e-4, abs=1e-5)
    assert model.config._attn_implementation == own


def test_a_pair_beside_a_far_longer_one_keeps_its_scores(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    short, long = pairs_table().row(2, named=True), pairs_table().row(1, named=True)
    long |= {"chosen": "and so on " * 4, "prompt": [{"role": "user", "content": "why " * 8}]}
    scores = []
    for name, rows in (("alone", [short]), ("beside", [short, long])):
        table = pl.DataFrame(rows, schema=SPLIT_PAIRS.schema())
        tokenize_splits({"test": HeldTable(table)}, tokenizer, TokenizeParams(), tmp_path / name)
        shards = ShardSet(tmp_path / name, "test")
        for architecture in ("llama", "gptj"):  # packed, padded
            scored = score_pairs(tiny(architecture), "base", shards, 2, 2, "float32")
            row = scored.filter(pair_id="pair2").select("chosen_logp", "rejected_logp", "odds_ratio_term")
            scores.append((architecture, row.row(0)))
    alone, beside = dict(scores[:2]), dict(scores[2:])
    for architecture in alone:
        assert alone[architecture] == pytest.approx(beside[architecture], rel=1e-5)


@pytest.mark.parametrize("name", ["llama", "gptj"], ids=["packed", "padded"])
def test_scores_in_bf16_are_close(name: str, shards: ShardSet) -> None:
    exact, rounded = (score_pairs(tiny(name), "base", shards, 2, 4, dtype) for dtype in ("float32", "bf16"))
    for column in ("chosen_logp", "rejected_logp"):
        found = rounded[column].to_list()
        assert found != exact[column].to_list()
        assert found == pytest.approx(exact[column].to_list(), rel=0.02)


def test_the_summary_by_hand() -> None:
    scored = pl.DataFrame(
        {
            "prompt_id": ["p", "p", "q"],
            "correct": [True, False, True],
            "log_odds_margin": [1.0, -0.5, 0.25],
            "chosen_logp": [-1.0, -2.0, -3.0],
            "rejected_logp": [-2.0, -1.0, -3.0],
            "odds_ratio_term": [0.25, 1.0, 0.5],
        }
    )
    assert summarise_pairs(scored) == {
        "accuracy": 2 / 3,
        "log_odds_margin": 0.25,
        "chosen_nll": 2.0,
        "rejected_nll": 2.0,
        "odds_ratio_term": 1.75 / 3,
        "pairs": 3,
        "prompts": 2,
    }


def test_prompts_come_once_and_checkable_ones_first() -> None:
    prompts = held_out_prompts(pairs_table(), limit=2)
    assert prompts["prompt_id"].to_list() == ["prompt c", "prompt a?"]
    shuffled = held_out_prompts(pairs_table().reverse(), limit=2)
    assert shuffled.equals(prompts)


def test_answers_are_greedy_and_do_not_depend_on_the_batch(tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_model(seed=3).eval()
    prompts = held_out_prompts(pairs_table(), limit=9)
    found = generate_answers(
        model, "base", tokenizer, prompts, EvaluateParams(max_new_tokens=6, batch_prompts=3)
    )
    validate(found, GENERATIONS)
    alone = generate_answers(
        model, "base", tokenizer, prompts, EvaluateParams(max_new_tokens=6, batch_prompts=1)
    )
    assert found["response"].to_list() == alone["response"].to_list()
    # By the textbook: the likeliest token, six times, or until EOS.
    row = found.row(0, named=True)
    [ids] = encode(tokenizer, [render_prompt(tokenizer, row["prompt"])])
    start = len(ids)
    for _ in range(6):
        with torch.no_grad():
            ids = [*ids, int(model(torch.tensor([ids])).logits[0, -1].argmax())]
        if ids[-1] == tokenizer.eos_token_id:
            break
    assert row["tokens"] == len(ids) - start
    assert row["response"] == tokenizer.decode(ids[start:], skip_special_tokens=True)
    assert row["finished"] == (ids[-1] == tokenizer.eos_token_id)


def test_checked_prompts_are_judged_and_others_are_not(tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = held_out_prompts(pairs_table(), limit=9)
    found = generate_answers(
        make_model().eval(), "base", tokenizer, prompts, EvaluateParams(max_new_tokens=4, samples=0)
    )
    assert found["success"].to_list() == [False, None, None]
    assert "topic" in found["failures"][0].to_list()


def test_models_are_measured_side_by_side(
    tmp_path: Path, model_folder: Path, tokenizer: PreTrainedTokenizerFast, shards: ShardSet
) -> None:
    other = tmp_path / "other"
    make_model(seed=5).save_pretrained(other)
    tokenizer.save_pretrained(other)
    result = evaluate(
        {"base": model_folder, "trained": other},
        shards,
        pairs_table(),
        EvaluateParams(max_new_tokens=3, max_prompts=2),
    )
    validate(result.pairs, EVALUATED_PAIRS)
    validate(result.generations, GENERATIONS)
    assert result.metrics["split"] == "test"
    for name, folder in (("base", model_folder), ("trained", other)):
        found = result.metrics[name]
        assert (found["pairs"], found["prompts"], found["generation"]["prompts"]) == (4, 3, 2)
        scored = score_pairs(load_model(folder), name, shards, 2, 4, "float32")
        assert found["accuracy"] == scored["correct"].mean()
        assert found["generation"]["sampled"]["answers"] == 2 * 4
    # One prompt of the two has a check, and neither model passes it.
    outcomes = result.metrics["comparison"]["trained_vs_base"]["outcomes"]
    assert outcomes == {"win": 0, "tie": 1, "loss": 0, "p_value": 1.0}
    assert result.pairs.filter(model="base")["margin"].to_list() == [0.0, 1.0, 2.0, 3.0]


def save(folder: Path, tokenizer: PreTrainedTokenizerFast, seed: int) -> Path:
    make_model(seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_models_are_compared_and_sliced(
    tmp_path: Path, model_folder: Path, tokenizer: PreTrainedTokenizerFast, shards: ShardSet
) -> None:
    models = {
        "base": model_folder,
        "trained": save(tmp_path / "other", tokenizer, 5),
        "again": model_folder,
    }
    params = EvaluateParams(max_new_tokens=3, max_prompts=3, intervals=IntervalParams(resamples=200))
    results = [
        evaluate(models, shards, pairs_table(), params.model_copy(update={"batch_pairs": size}))
        for size in (1, 4)
    ]
    for result in results:
        validate(result.slices, EVALUATED_SLICES)
        metrics = result.metrics
        assert list(metrics) == ["split", *models, "comparison", "length_baseline"]
        assert list(metrics["comparison"]) == ["trained_vs_base", "again_vs_base", "again_vs_trained"]
        assert metrics["base"] == metrics["again"]
        same = metrics["comparison"]["again_vs_base"]
        assert same["log_odds_margin"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0}
        change = metrics["comparison"]["trained_vs_base"]["chosen_nll"]["difference"]
        assert change == pytest.approx(metrics["trained"]["chosen_nll"] - metrics["base"]["chosen_nll"])
        # Chosen is shorter on three pairs and as long on one (in bytes and EOS: yes, short, x, sure).
        assert metrics["length_baseline"]["choose_longer"] == 0.125
        for name in models:
            ends = metrics[name]["intervals"]
            assert ends["chosen_nll"]["low"] < metrics[name]["chosen_nll"] < ends["chosen_nll"]["high"]
        turns = result.slices.filter(slice="turns", model="trained").row(0, named=True)
        assert (turns["value"], turns["pairs"]) == ("1", 4)
        assert turns["accuracy"] == metrics["trained"]["accuracy"]
    one, four = (result.metrics["trained"]["intervals"] for result in results)
    for name in one:
        assert one[name] == pytest.approx(four[name], rel=1e-4)


def test_a_missing_further_model_stops_before_any_is_run(
    tmp_path: Path, model_folder: Path, shards: ShardSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.evaluation.evaluate.load_model", lambda *_: pytest.fail("a model was run"))
    with pytest.raises(PipelineError, match="There is no model directory"):
        evaluate({"base": model_folder, "dpo": tmp_path / "none"}, shards, pairs_table(), EvaluateParams())


@pytest.mark.parametrize("name", RESERVED_MODELS)
def test_a_further_model_may_not_take_a_name_that_stands_for_something(name: str) -> None:
    with pytest.raises(PipelineError, match=rf"evaluate\.models: the name {name} is taken"):
        parse_params({"evaluate": {"models": {name: "models/other"}}})


@pytest.mark.parametrize("name", ["", "a b", "../x", "[red]"])
def test_a_further_models_name_is_plain(name: str) -> None:
    with pytest.raises(PipelineError, match=r"evaluate\.models"):
        parse_params({"evaluate": {"models": {name: "models/other"}}})


def test_the_reserved_names_are_those_of_the_metrics(model_folder: Path, shards: ShardSet) -> None:
    models = {"base": model_folder, "trained": model_folder}
    params = EvaluateParams(max_prompts=0, intervals=IntervalParams(resamples=100))
    own = set(evaluate(models, shards, pairs_table(), params).metrics)
    # What stands beside the models in metrics/benchmark.json.
    assert own | {"contamination"} == set(RESERVED_MODELS)


def test_no_pairs_to_evaluate_is_an_error(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    tokenize_splits({"test": HeldTable(pairs_table().clear())}, tokenizer, TokenizeParams(), tmp_path)
    with pytest.raises(PipelineError, match=r"Split test has no pairs to evaluate.*split\.test"):
        evaluate({}, ShardSet(tmp_path, "test"), pairs_table().clear(), EvaluateParams())


def test_a_model_with_another_tokenizer_is_refused(
    tmp_path: Path, model_folder: Path, shards: ShardSet
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(model_folder, folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(PipelineError, match="made with another tokenizer or chat template"):
        evaluate({"base": folder}, shards, pairs_table(), EvaluateParams())


def test_a_missing_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="There is no model directory"):
        load_model(tmp_path / "nothing")
