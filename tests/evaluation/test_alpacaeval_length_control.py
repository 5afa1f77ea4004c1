"""The length-controlled win rate: what it is fitted with, and when there is none."""

import csv
import random
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

if any(find_spec(name) is None for name in ("alpaca_eval", "pkg_resources")):
    pytest.skip("the extra judge is not installed", allow_module_level=True)

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks import alpacaeval_length_control as module
from pipeline.evaluation.benchmarks.alpacaeval_files import REVISION
from pipeline.evaluation.benchmarks.alpacaeval_length_control import (
    INSTRUCTIONS,
    RECOVERED,
    length_controlled,
    published_file,
)


def judged(seed: int, number: int, **changes: Any) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "output_1": "a" * draw.randint(1, 900),
            "output_2": "b" * draw.randint(1, 900),
            "generator_1": "gpt4_1106_preview",
            "generator_2": "m",
            "preference": 1 + draw.random(),
            **changes,
        }
        for _ in range(number)
    ]


def calibration() -> list[dict[str, str]]:
    with RECOVERED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_recovered_data_are_whole() -> None:
    """Two models, 805 instructions each in their order, and the leaderboard's win rates: 22.92 and 64.30."""
    rows = calibration()
    assert [int(row["index"]) for row in rows] == [*range(INSTRUCTIONS), *range(INSTRUCTIONS)]
    concise, verbose = rows[:INSTRUCTIONS], rows[INSTRUCTIONS:]
    assert {row["model"] for row in concise} == {"concise"} and {row["model"] for row in verbose} == {
        "verbose"
    }
    assert [r["instruction_difficulty"] for r in concise] == [r["instruction_difficulty"] for r in verbose]
    for part, rate in ((concise, 22.9201944), (verbose, 64.3036015)):
        assert 100 * sum(float(r["preference"]) for r in part) / INSTRUCTIONS == pytest.approx(rate, abs=1e-4)


def test_a_file_named_comes_first_then_the_hubs_then_the_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = judged(0, 200)
    opposite = tmp_path / "df_gamed.csv"
    with opposite.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(calibration()[0]))
        writer.writeheader()
        writer.writerows({**row, "preference": 1 - float(row["preference"])} for row in calibration())
    monkeypatch.setattr(module, "published_file", lambda: None)
    recovered, named = length_controlled(rows, None), length_controlled(rows, opposite)
    monkeypatch.setattr(module, "published_file", lambda: opposite)
    hubs, named_again = length_controlled(rows, None), length_controlled(rows, RECOVERED)
    assert (recovered.how, named.how, hubs.how) == ("recovered", "published", "published")
    assert named == hubs and named.winrate != recovered.winrate
    assert (named_again.winrate, named_again.how) == (recovered.winrate, "published")


def test_the_fit_lies_between_the_win_rates_at_equal_difficulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judgements that depend on nothing: the control finds nothing to correct."""
    monkeypatch.setattr(module, "published_file", lambda: None)
    rows = judged(1, INSTRUCTIONS)
    rate = 100 * (sum(row["preference"] for row in rows) / len(rows) - 1)
    found = length_controlled(rows, None)
    assert found.winrate == pytest.approx(rate, abs=1.5) and found.standard_error is not None


@pytest.mark.parametrize(
    "rows",
    [
        judged(2, 9),
        judged(2, 20, generator_1="text_davinci_003"),
        judged(2, 20, annotator="alpaca_eval_gpt4"),
        judged(2, 20, output_1="a", output_2="bb"),
        judged(2, 20, index=INSTRUCTIONS),
        judged(2, 20, preference=None),
        judged(2, INSTRUCTIONS + 1),
    ],
    ids=["few", "reference", "judge", "lengths", "index", "nothing judged", "more than there are"],
)
def test_not_defined(rows: list[dict[str, Any]]) -> None:
    found = length_controlled(rows, RECOVERED)
    assert (found.winrate, found.standard_error, found.how) == (None, None, "not_defined")


def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "df_gamed.csv"
    file.write_text("model,index\na,0\n")
    with pytest.raises(PipelineError, match=r"df_gamed\.csv"):
        length_controlled(judged(3, 20), file)


@pytest.mark.parametrize("answers", [True, False], ids=["silent", "refuses"])
def test_a_hub_out_of_reach_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """No local cache, and a hub that takes the call and says nothing, or does not take it.

    huggingface_hub alone would try either again for 23 seconds and more.
    """
    with socket.socket() as hub:
        hub.bind(("127.0.0.1", 0))
        if answers:
            hub.listen()
        hub.settimeout(0.0)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        address = f"http://127.0.0.1:{hub.getsockname()[1]}"
        monkeypatch.setattr(module, "hf_hub_url", lambda *_, **__: f"{address}/{module.CALIBRATION_FILE}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr(module, "HUB_WAIT", 0.2)
        huggingface_hub.close_session()
        began = time.monotonic()
        assert published_file() is None
        assert time.monotonic() - began < 5
        if answers:
            hub.accept()[0].close()  # it was asked


def test_the_local_cache_serves_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def download(*_: str, **settings: Any) -> str:
        asked.append(settings)
        return str(tmp_path)

    monkeypatch.setattr(module, "hf_hub_download", download)
    monkeypatch.setattr(module, "get_hf_file_metadata", lambda *_, **__: pytest.fail("the hub was asked"))
    assert published_file() == tmp_path
    assert [(call["local_files_only"], call["revision"]) for call in asked] == [(True, REVISION)]
