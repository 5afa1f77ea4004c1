"""``python -m pipeline init``: a params.yaml that loads to what was asked for, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.__main__ import app
from pipeline.errors import PipelineError
from pipeline.params import Params, load_params, parse_params

TEXT = (Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8")
STANDARD = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(name: str, *values: dict[str, Any]) -> str:
    Path(name).write_text("".join(json.dumps(value) + "\n" for value in values))
    return name


def pairs(name: str = "pairs.jsonl", **more: Any) -> str:
    texts = {"prompt": "What is {}?", "chosen": "It is {}.", "rejected": "No idea about {}."}
    return rows(name, *({key: text.format(n) for key, text in texts.items()} | more for n in range(10)))


def init(*arguments: str, answers: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["init", *arguments], input=answers)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def written(values: dict[str, Any]) -> None:
    """params.yaml holds these values, and differs from the project's in their lines only."""
    assert load_params() == parse_params(values)
    lines = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(TEXT.splitlines())
    assert sum(a != b for a, b in zip(lines, TEXT.splitlines(), strict=True)) == count(values)


def count(values: dict[str, Any]) -> int:
    return sum(count(value) if isinstance(value, dict) else 1 for value in values.values())


def test_nothing_asked_is_the_projects_own_file() -> None:
    output = init("--yes").output
    assert Path("params.yaml").read_text(encoding="utf-8") == TEXT
    assert output.splitlines()[:2] == ["All keys at their defaults.", "Wrote params.yaml"]
    assert "python -m pipeline check" in output and "dvc repro" in output


def test_flags_alone() -> None:
    Path("models/mine").mkdir(parents=True)
    init(
        *("--hub-repo", "a/b", "--revision", "abc", "--split", "train", "--kind", "ranking", "--yes"),
        *("--columns", "prompt=q", "label=winner", "responses=[x, y]", "--model", "models/mine"),
        *("--max-length", "2048", "--lambda", "1e-1", "train.lr=1e-5", "filter.languages=[en]"),
    )
    written(
        {
            "source": {
                "kind": "ranking",
                "columns": {"prompt": "q", "label": "winner", "responses": ["x", "y"]},
                "hub": {"repo": "a/b", "revision": "abc", "split": "train"},
            },
            "model": {"source": "path", "path": "models/mine"},
            "tokenize": {"max_length": 2048},
            "train": {"lambda": 0.1, "lr": 1e-5},
            "filter": {"languages": ["en"]},
        }
    )


def test_a_known_dataset_on_the_hub_needs_no_kind() -> None:
    init("--hub-repo", "Anthropic/hh-rlhf", "--revision", "abc", "--yes", "--model", "o/m@v1")
    written(
        {
            "source": {"kind": "hh_rlhf", "hub": {"repo": "Anthropic/hh-rlhf", "revision": "abc"}},
            "model": {"source": "hub", "hub": {"repo": "o/m", "revision": "v1"}},
        }
    )


def test_the_data_tells_kind_columns_and_what_follows() -> None:
    output = init("--path", pairs(score_chosen=0.9, score_rejected=0.7), "--yes").output
    scores = {"chosen_score": "score_chosen", "rejected_score": "score_rejected"}
    written(
        {
            "source": {"kind": "pairs", "path": "pairs.jsonl", "columns": STANDARD | scores},
            "binarize": {"min_margin": 0.2},
        }
    )
    assert "1 file, 10 rows looked at: pairs" in output
    assert "  binarize.min_margin: 0.2 (10 of 10 rows have scores less than 0.5 apart" in output


def test_a_flag_comes_before_what_the_data_suggests() -> None:
    init("--path", pairs(score_chosen=0.9, score_rejected=0.7), "--yes", "binarize.min_margin=0.1")
    assert load_params().binarize.min_margin == 0.1


def test_several_files_and_columns_of_other_names() -> None:
    first = rows("a.jsonl", *({"q": f"q{n}", "good": f"yes {n}", "bad": f"no {n}"} for n in range(5)))
    second = rows("b.jsonl", *({"q": f"r{n}", "good": f"yes {n}", "bad": f"no {n}"} for n in range(5)))
    init("--path", first, "--path", second, "--yes", "--columns", "prompt=q", "chosen=good", "rejected=bad")
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    written(
        {
            "source": {"kind": "pairs", "path": ["a.jsonl", "b.jsonl"], "columns": columns},
            "binarize": {"min_margin": 0.0},
        }
    )


def test_single_ratings_are_compared_within_their_prompt() -> None:
    values = [{"prompt": f"q{n // 2}", "response": f"answer {n}", "rating": n % 2 * 3 + 1} for n in range(12)]
    output = init("--path", rows("rated.jsonl", *values), "--yes").output
    columns = {"prompt": "prompt", "response": "response", "rating": "rating"}
    written({"source": {"kind": "rated_single", "path": "rated.jsonl", "columns": columns}})
    assert "12 rows looked at: rated_single" in output


def test_rows_that_cannot_be_read_are_told() -> None:
    file = Path(pairs())
    broken = json.dumps({"prompt": "q", "chosen": 3, "rejected": "b"})
    file.write_text(file.read_text() + broken + "\n")
    assert "1 of the rows looked at cannot be read so" in init("--path", str(file), "--yes").output


def test_all_faults_come_at_once_and_nothing_is_written() -> None:
    with pytest.raises(PipelineError) as caught:
        init(
            *("--path", "gone.jsonl", "--model", "o/m", "--max-length", "long", "--lambda", "-1", "--yes"),
            *("nothing.here=1",),
        )
    text = str(caught.value)
    assert text.startswith("5 faults in params: ")
    for part in (
        "model.hub: o/m needs a revision so that it cannot change: o/m@COMMIT",
        "tokenize.max_length: found 'long'",
        "train.lambda: found -1",
        "nothing: unknown key",
        "source.path: A source file is missing (file gone.jsonl)",
    ):
        assert part in text
    assert not Path("params.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--columns", "answer=a"], r"source\.columns\.answer: unknown key, expected one of prompt, "),
        (["--columns", "=a"], "source.columns: found '=a', expected: role=column"),
        (["--kind", "pears"], "source.kind: found 'pears'"),
        (["--kind", "sample", "--path", "a.jsonl"], "the sample is generated and reads no file"),
        (["--path", "a.jsonl", "--hub-repo", "a/b"], "a path and a hub repository are both given"),
        (["--hub-repo", "a/b"], "source.kind: not given for a/b on the hub"),
        (["--hub-repo", "a/b", "--kind", "pairs"], "source.hub: a repo needs a revision"),
        (["--model", "no such folder"], "model: found 'no such folder', expected: a model directory, or"),
        (["source.path"], "A setting cannot be read|role=column"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wish_that_cannot_be_met(arguments: list[str], said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        init(*arguments, "--yes")
    assert not Path("params.yaml").exists()


def test_a_file_that_is_there_is_replaced_only_by_force_and_kept() -> None:
    Path("params.yaml").write_text("train: {lr: 1.0e-5}\n")
    with pytest.raises(PipelineError, match=r"is there already \(file params.yaml\)\. Say --force"):
        init("--yes")
    assert Path("params.yaml").read_text() == "train: {lr: 1.0e-5}\n"
    output = init("--yes", "--force", "train.lambda=0.2").output
    written({"train": {"lambda": 0.2}})
    assert Path("params.yaml.bak").read_text() == "train: {lr: 1.0e-5}\n"
    assert "Back at its default: train.lr (was 1.0e-05)" in output
    assert "Wrote params.yaml; what stood there is in params.yaml.bak" in output


def test_another_file_is_named() -> None:
    output = init("--yes", "--output", "other/mine.yaml").output
    assert load_params(Path("other/mine.yaml")) == Params()
    assert "The pipeline reads params.yaml in the project's top folder: move it there." in output
    with pytest.raises(PipelineError, match="Params are written to a file"):
        init("--yes", "--output", "other")


# --- asked ----------------------------------------------------------------------------------------------


def test_answers_make_the_same_file_as_flags() -> None:
    answers = "\n".join([pairs(), "no such", "wheel", "", "0.25", "y", ""])
    output = init(answers=answers).output
    written(
        {
            "source": {"kind": "pairs", "path": "pairs.jsonl", "columns": STANDARD},
            "binarize": {"min_margin": 0.0},
            "train": {"lambda": 0.25},
        }
    )
    assert "model: found 'no such', expected: a model directory" in output


def test_no_rows_is_the_sample() -> None:
    init(answers="\n" * 4)
    assert Path("params.yaml").read_text(encoding="utf-8") == TEXT


def test_a_dataset_on_the_hub_is_asked_for_its_commit_and_kind() -> None:
    init(answers="a/b\nabc\npears\ncompletions\n\n\n\n")
    written({"source": {"kind": "completions", "hub": {"repo": "a/b", "revision": "abc"}}})


def test_columns_can_be_corrected() -> None:
    values = [
        {"prompt": f"q{n}", "chosen": f"a{n}", "rejected": f"b{n}", "better": f"c{n}"} for n in range(5)
    ]
    file = rows("rows.jsonl", *values)
    wrong, right = "chosen=nothing", "kind=pairs chosen=better"
    output = init("--path", file, answers=f"\n\n\nn\n{wrong}\nn\n{right}\ny\n").output
    assert load_params().source.columns.chosen == "better"
    assert "nothing" in output


def test_a_file_that_is_there_is_asked_about_first() -> None:
    Path("params.yaml").write_text("{}\n")
    with pytest.raises(PipelineError, match="is there already"):
        init(answers="n\n")
    init(answers="y\n\n\n\n\n")
    assert (Path("params.yaml.bak").read_text(), load_params()) == ("{}\n", Params())


def test_the_end_of_the_input_names_the_way_out() -> None:
    with pytest.raises(PipelineError, match=r"There is nobody to answer.*Say --yes"):
        init(answers="")
    assert not Path("params.yaml").exists()
