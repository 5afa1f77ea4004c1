"""IFEval's prompts, its numbers by hand, and the command that scores a file."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.ifeval import IFEval, summarise
from pipeline.evaluation.benchmarks.ifeval_prompts import IFEvalItem, prompts_file, read_items
from pipeline.evaluation.benchmarks.interface import RESAMPLING, BenchmarkAnswer, ScoringPlace
from pipeline.evaluation.benchmarks.prompt_files import draw
from pipeline.evaluation.statistics import percentile_interval, resampled_ratios
from pipeline.files import read_json
from pipeline.params import IFEvalParams
from pipeline.schema import IFEVAL_VERDICTS
from pipeline.tables import read_lineage, read_table

needs_checkers = pytest.mark.skipif(
    importlib.util.find_spec("if_verifiable") is None, reason="the extra ifeval is not installed"
)
NO_COMMA, THREE_WORDS = "punctuation:no_comma", "length_constraints:number_words"
PROMPTS: list[dict[str, Any]] = [
    # As the hub has it: every argument for every checker, null where it is none of its own.
    {
        "key": 7,
        "prompt": "Write three words without a comma.",
        "instruction_id_list": [NO_COMMA, THREE_WORDS],
        "kwargs": [
            {"relation": None, "num_words": None},
            {"relation": "at least", "num_words": 3},
        ],
    },
    {"key": 8, "prompt": "No commas.", "instruction_id_list": [NO_COMMA], "kwargs": [{}]},
    {"key": 9, "prompt": "None here.", "instruction_id_list": [NO_COMMA], "kwargs": [{}]},
]
RESPONSES = {7: "a, b c", 8: "Sure, here:\nnothing", 9: ""}
"""Of the instructions 1 (of 4) is followed strictly, 2 loosely; of the prompts 0 (of 3) and 1."""


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return write(tmp_path / "prompts.jsonl", PROMPTS)


def test_items_are_read_without_what_is_null(prompts: Path) -> None:
    assert read_items(prompts)[0] == IFEvalItem(
        "7", PROMPTS[0]["prompt"], (NO_COMMA, THREE_WORDS), ({}, {"relation": "at least", "num_words": 3})
    )


@pytest.mark.parametrize(
    ("change", "column", "message"),
    [
        ({"key": None}, "key", "Found: None"),
        ({"key": 7}, "key", "Found: 7, as in line 1"),
        ({"prompt": " "}, "prompt", "not blank"),
        ({"prompt": PROMPTS[0]["prompt"]}, "prompt", "as in line 1"),
        ({"instruction_id_list": []}, "instruction_id_list", "a list of instruction ids"),
        ({"kwargs": [{}, {}]}, "kwargs", "a list of 1 objects"),
        ({"kwargs": None}, "kwargs", "a list of 1 objects"),
    ],
)
def test_a_damaged_prompt_is_named_by_its_line(
    tmp_path: Path, change: dict[str, Any], column: str, message: str
) -> None:
    path = write(tmp_path / "p.jsonl", [PROMPTS[0], PROMPTS[1] | change])
    with pytest.raises(PipelineError, match=message) as caught:
        read_items(path)
    assert (caught.value.row, caught.value.column) == (2, column)


def test_without_path_copy_or_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    params = IFEvalParams.model_validate({"hub": {"repo": "nobody/nothing"}})
    with pytest.raises(PipelineError, match=r"nobody/nothing.*benchmarks\.ifeval\.path"):
        prompts_file(params)


def key_of(item: IFEvalItem) -> str:
    return item.key


@given(st.sets(st.integers(0, 500), min_size=2, max_size=40), st.data())
def test_a_draw_is_a_larger_draws_part_in_order(keys: set[int], data: st.DataObject) -> None:
    items = [IFEvalItem(str(key), str(key), (), ()) for key in sorted(keys)]
    small = data.draw(st.integers(1, len(items) - 1))
    drawn, more = draw(items, small, 3, key_of), draw(items, small + 1, 3, key_of)
    assert len(drawn) == small and len(more) == small + 1
    assert drawn == [item for item in items if item in drawn] and all(item in more for item in drawn)
    assert {item.key for item in draw(items[::-1], small, 3, key_of)} == {item.key for item in drawn}
    assert draw(items, None, 3, key_of) == items


def test_another_seed_draws_others() -> None:
    items = [IFEvalItem(str(key), str(key), (), ()) for key in range(50)]
    assert draw(items, 10, 0, key_of) != draw(items, 10, 1, key_of)


def table() -> pl.DataFrame:
    """The verdicts of :data:`RESPONSES`."""
    rows: list[tuple[list[str], list[str], list[bool], list[bool]]] = [
        (["7", PROMPTS[0]["prompt"], "a, b c"], [NO_COMMA, THREE_WORDS], [False, True], [False, True]),
        (["8", "No commas.", RESPONSES[8]], [NO_COMMA], [False], [True]),
        (["9", "None here.", ""], [NO_COMMA], [False], [False]),
    ]
    return pl.DataFrame(
        [(*texts, kinds, strict, loose, all(strict), all(loose)) for texts, kinds, strict, loose in rows],
        schema=IFEVAL_VERDICTS.schema(),
        orient="row",
    )


def test_the_numbers_by_hand() -> None:
    score = summarise(table())
    assert score.scores == pytest.approx(
        {
            "prompt_level_strict_acc": 0.0,
            "inst_level_strict_acc": 1 / 4,
            "prompt_level_loose_acc": 1 / 3,
            "inst_level_loose_acc": 2 / 4,
            "average": (0 + 1 / 4 + 1 / 3 + 2 / 4) / 4,
        }
    )
    assert score.counts == {"prompts": 3, "instructions": 4, "blank_responses": 1}
    assert score.details["by_instruction"] == {
        NO_COMMA: {"count": 3, "strict": 0.0, "loose": pytest.approx(1 / 3)},
        THREE_WORDS: {"count": 1, "strict": 1.0, "loose": 1.0},
    }
    assert (score.intervals["prompt_level_strict_acc"].low, score.intervals["average"].low) == (0.0, 0.0)
    # All three draws are prompt 8: (1 / 3) ** 3 = 0.037 > 0.025, so the upper end is a share of 1.
    assert score.intervals["prompt_level_loose_acc"].high == 1.0
    assert summarise(table()) == score


def test_resampling_draws_prompts_whole() -> None:
    """Prompt 1 has one instruction, followed; prompt 2 three, none followed. Two draws give three ratios."""
    draws = resampled_ratios(np.array([[1.0], [0.0]]), np.array([[1.0], [3.0]]), RESAMPLING)[:, 0]
    values, counts = np.unique(draws, return_counts=True)
    assert values.tolist() == [0.0, 0.25, 1.0]
    assert counts / len(draws) == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_the_interval_of_a_share_is_that_of_its_binomial() -> None:
    draws = resampled_ratios(np.repeat([[1.0], [0.0]], [30, 70], axis=0), np.ones((100, 1)), RESAMPLING)
    interval = percentile_interval(draws[:, 0])
    # Quantiles 0.025 and 0.975 of Binomial(100, 0.3), from tables: 21 and 39.
    assert [interval.low, interval.high] == pytest.approx([0.21, 0.39], abs=0.01)


def score_command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["score", "ifeval", *map(str, arguments)])
    return result.exit_code, result.output if result.exception is None else str(result.exception)


@needs_checkers
def test_a_file_of_responses_is_scored(tmp_path: Path, prompts: Path) -> None:
    rows = [{"prompt": row["prompt"], "response": RESPONSES[row["key"]]} for row in PROMPTS]
    responses, out = write(tmp_path / "r.jsonl", rows[::-1]), tmp_path / "scores.json"
    verdicts = tmp_path / "verdicts.parquet"
    code, said = score_command(
        "--responses", responses, "--json", out, "--prompts", prompts, "--table", verdicts
    )
    assert code == 0, said
    assert "inst_level_strict_acc    0.2500" in said
    assert "3 prompts, 4 instructions, 1 blank responses, 0 prompts without response" in said
    expected = summarise(table()).to_json()
    expected["counts"]["prompts_without_response"] = 0
    assert read_json(out) == expected
    assert read_table(verdicts, IFEVAL_VERDICTS).equals(table())


@needs_checkers
def test_a_part_of_the_prompts_is_scored_only_if_asked(tmp_path: Path, prompts: Path) -> None:
    responses, out = write(tmp_path / "r.jsonl", [{"key": 8, "response": "fine"}]), tmp_path / "scores.json"
    arguments = ("--responses", responses, "--json", out, "--prompts", prompts)
    code, said = score_command(*arguments)
    assert code == 1 and "2 of 3 prompts have no response" in said and not out.exists()
    code, said = score_command(*arguments, "--partial")
    assert code == 0 and "2 prompts without a response were left out" in said
    scores = read_json(out)
    assert (scores["prompt_level_strict_acc"], scores["counts"]["prompts_without_response"]) == (1.0, 2)


@needs_checkers
def test_params_name_the_prompts(tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"benchmarks: {{ifeval: {{path: {prompts}}}}}")
    write(Path("r.jsonl"), [{"key": row["key"], "response": "a b c"} for row in PROMPTS])
    code, said = score_command("--responses", "r.jsonl", "--json", "s.json")
    assert code == 0 and "average                  1.0000" in said


@needs_checkers
def test_the_stage_is_given_a_sample_and_its_score(tmp_path: Path, prompts: Path) -> None:
    benchmark = IFEval(IFEvalParams(path=str(prompts), limit=2, seed=0))
    asked = benchmark.prompts()
    assert [prompt.temperature for prompt in asked] == [0.0, 0.0]
    answers = [
        BenchmarkAnswer(prompt.key, prompt.turns, (RESPONSES[int(prompt.key)],), (5,), (prompt is asked[0],))
        for prompt in asked
    ]
    score = benchmark.score(answers, ScoringPlace("base", tmp_path, tmp_path))
    drawn = table().filter(pl.col("key").is_in([prompt.key for prompt in asked]))
    assert score.scores == summarise(drawn).scores
    assert (score.counts["prompts"], score.counts["unfinished"]) == (2, 1)
    assert read_table(tmp_path / "verdicts.parquet", IFEVAL_VERDICTS).equals(drawn)
    assert read_lineage(tmp_path / "verdicts.parquet") == {"model": "base"}
    assert list(benchmark.files) == [prompts]
