"""The queue on the disk: when it is built anew, and what `curate queue` tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.curation.languages import pair_languages
from pipeline.curation.queue_file import PAIRS_FILE, QUEUE_FILE, SUSPECTS_FILE, current_queue, rebuild_queue
from pipeline.errors import PipelineError
from pipeline.params import CurateParams, QueueParams
from pipeline.schema import CLUSTERED_PAIRS
from pipeline.tables import write_table
from tests.curation.test_queue import ids, pair, table

PARAMS = CurateParams(decisions="curation/decisions.jsonl", queue=QueueParams(size=3))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pairs = table(*(pair(number) for number in range(1, 6)))
    write_table(pairs.frame, tmp_path / PAIRS_FILE, CLUSTERED_PAIRS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def decide(project: Path, *numbers: int, action: str = "keep", who: str = "Ada") -> None:
    said = {"action": action, "annotators": [who], "reason": "", "when": "2026-01-02T03:04:05Z"}
    lines = [{"pair_id": f"{number:016x}", **said} for number in numbers]
    path = project / PARAMS.decisions
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_answers_do_not_change_the_queue_until_it_is_asked_for_anew(project: Path) -> None:
    first = current_queue(project, PARAMS)
    decide(project, *ids(first))
    assert current_queue(project, PARAMS).equals(first)
    left = rebuild_queue(project, PARAMS).rows
    assert sorted(ids(first) + ids(left)) == [1, 2, 3, 4, 5]
    assert current_queue(project, PARAMS).equals(left)


def test_other_params_or_pairs_make_another_queue(project: Path) -> None:
    assert current_queue(project, PARAMS).height == 3
    assert current_queue(project, PARAMS.model_copy(update={"queue": QueueParams(size=2)})).height == 2
    write_table(table(pair(7)).frame, project / PAIRS_FILE, CLUSTERED_PAIRS)
    assert ids(current_queue(project, PARAMS)) == [7]


def test_a_contested_pair_stays_in_question(project: Path) -> None:
    decide(project, 1, 2, 3, 4, 5)
    decide(project, 4, action="swap", who="Bob")
    assert ids(rebuild_queue(project, PARAMS).rows) == [4]


def test_when_all_is_decided_the_error_says_so(project: Path) -> None:
    decide(project, 1, 2, 3, 4, 5)
    with pytest.raises(PipelineError, match="No pair is left to ask about"):
        rebuild_queue(project, PARAMS)


def test_without_pairs_the_error_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="dvc repro dedupe"):
        current_queue(tmp_path, PARAMS)


def test_the_command_tells_what_it_chose_and_why(project: Path) -> None:
    Path("params.yaml").write_text("curate: {queue: {size: 4}}\n")
    done = CliRunner().invoke(app, ["curate", "queue", "--show", "2"])
    assert done.exit_code == 0, done.output
    assert "4 pairs in the queue" in done.output
    assert done.output.count("Which?") == 2
    assert "python -m pipeline suspects" in done.output
    assert (project / QUEUE_FILE).is_file() and not (project / SUSPECTS_FILE).exists()


def test_languages_are_named_only_where_there_is_text_enough() -> None:
    texts = {
        "en": "The committee will publish its findings about the river after the summer holidays are over.",
        "de": "Der Ausschuss wird seine Ergebnisse über den Fluss nach den Sommerferien veröffentlichen.",
    }
    rows = [pair(n, chosen=text, rejected=text[::-1][:5]) for n, text in enumerate(texts.values())]
    assert pair_languages(table(*rows, pair(9)).frame).to_list() == ["en", "de", None]
