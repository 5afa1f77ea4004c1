"""Pairs to a real Argilla server, annotators' answers back, and the decisions they come to."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.annotations import record_annotations
from pipeline.curation.argilla_push import Pushed
from pipeline.curation.argilla_status import status_lines
from pipeline.curation.argilla_sync import pull, push, unsent
from pipeline.curation.decisions import read_decisions
from pipeline.curation.replay import apply_decisions
from pipeline.curation.sent import read_sent
from pipeline.params import ArgillaParams, CurateParams
from pipeline.schema import ANNOTATIONS, CLUSTERED_PAIRS
from pipeline.validation import validate
from tests.argilla_server.running import ArgillaServer, key
from tests.curation.queues import queue_of, real_queue

SAID = {0: "keep", 1: "swap", 2: "drop", 3: "drop"}
"""What is to become of pair number n, by n modulo 4."""

ANSWERED, BOTH = 30, 16
"""Pairs that one annotator answers, and of these the ones that two do, but for numbers 7 and 8."""


def dataset_of(where: str) -> str:
    return where.partition("#")[2]


def answer(record: dict[str, Any], pair: dict[str, Any], number: int) -> str:
    """What an annotator says who knows the pair by its texts alone, not which response was sent as A."""
    wanted = [pair["chosen"], pair["rejected"], None, None][number % 4]
    if wanted is None:
        return "tie" if number % 4 == 2 else "both_bad"
    return "A" if html.unescape(record["fields"]["response_a"]) == wanted else "B"


def with_answers(params: CurateParams, min_submitted: int) -> CurateParams:
    argilla = params.argilla.model_copy(update={"min_submitted": min_submitted})
    return params.model_copy(update={"argilla": argilla})


def clustered(queue: pl.DataFrame) -> pl.DataFrame:
    """The queued pairs as stage dedupe would have written them."""
    texts = {"prompt_id": "p", "row_id": "r", "cluster_id": "c"}
    missing = {name: None for name in CLUSTERED_PAIRS.columns if name not in {*queue.columns, *texts}}
    values = {**texts, **missing}
    lits = [pl.lit(value, CLUSTERED_PAIRS.schema()[name]).alias(name) for name, value in values.items()]
    return queue.with_columns(lits).select(list(CLUSTERED_PAIRS.columns))


def test_fifty_real_pairs(argilla: ArgillaServer, params: CurateParams, tmp_path: Path) -> None:
    queue, params = real_queue(50), with_answers(params, 2)
    assert push(queue, params, tmp_path) == Pushed(sent=50, there=0, unrecorded=[])
    sent = (tmp_path / "curation/sent.jsonl").read_bytes()
    dataset = dataset_of(read_sent(tmp_path / "curation/sent.jsonl")[0].where)

    pairs = {row["pair_id"]: (number, row) for number, row in enumerate(queue.iter_rows(named=True))}
    waiting = argilla.queue_of("ann", dataset)
    assert {record["external_id"] for record in waiting} == set(pairs)
    expected = []
    for record in waiting:
        number, pair = pairs[record["external_id"]]
        # What the scores or a model think is for owners and admins.
        shown = {"source", "language", "response_a_chars", "response_b_chars"}
        assert set(record["metadata"]) == shown
        if number >= ANSWERED:
            continue
        preferred = ["chosen", "rejected", "tie", "both_bad"][number % 4]
        said = {"pair_id": pair["pair_id"], "texts_sha256": pair["texts_sha256"], "note": None}
        choice = answer(record, pair, number)
        argilla.respond("ann", record["id"], "submitted", preference=choice, rating=1 + number % 5)
        voted = {"status": "submitted", "choice": choice, "preferred": preferred, "correction": None}
        expected.append({**said, "annotator": "ann", **voted, "rating": 1 + number % 5})
        if number == 7:
            argilla.respond("bob", record["id"], "discarded")
            nothing = dict.fromkeys(("choice", "preferred", "correction", "rating"))
            expected.append({**said, "annotator": "bob", "status": "discarded", **nothing})
        elif number == 8:
            argilla.respond("bob", record["id"], "draft", preference="A", correction=" half a tho")
            draft = {"choice": None, "preferred": None, "correction": "half a tho", "rating": None}
            expected.append({**said, "annotator": "bob", "status": "draft", **draft})
        elif number < BOTH:
            text = "A better answer." if number == 4 else "  "
            argilla.respond("bob", record["id"], "submitted", preference=choice, correction=text)
            voted["correction"] = text.strip() or None
            expected.append({**said, "annotator": "bob", **voted, "rating": None})

    pulled = pull(params, tmp_path)
    annotations = pulled.responses.annotations
    validate(annotations, ANNOTATIONS)
    assert annotations.drop("when", "where").to_dicts() == sorted(
        expected, key=lambda row: (row["pair_id"], row["annotator"])
    )
    assert annotations["where"].unique().to_list() == [f"argilla:curation/{params.argilla.dataset}#{dataset}"]
    assert pulled.responses.texts.sort("pair_id").equals(
        queue.select("pair_id", "texts_sha256", "chosen", "rejected").sort("pair_id")
    )

    recorded = record_annotations(annotations, params, tmp_path, pulled.responses.texts)
    decisions = read_decisions(tmp_path / "curation/decisions.jsonl")
    actions = {each.pair_id: (each.action, tuple(each.annotators)) for each in decisions.values()}
    both = {
        pair_id: number for pair_id, (number, _) in pairs.items() if number not in (7, 8) and number < BOTH
    }
    assert actions == {
        pair_id: ("edit" if number == 4 else SAID[number % 4], ("ann", "bob"))
        for pair_id, number in both.items()
    }
    kept, ledger, _replay = apply_decisions(clustered(queue), decisions, params.resolve)
    outcome = {row["pair_id"]: (row["chosen"], row["rejected"]) for row in kept.iter_rows(named=True)}
    for pair_id, (number, pair) in pairs.items():
        sides = (pair["chosen"], pair["rejected"])
        action = SAID[number % 4] if pair_id in both else "keep"
        if action == "drop":
            assert pair_id not in outcome
        elif number == 4:
            assert outcome[pair_id] == ("A better answer.", pair["rejected"])
        else:
            assert outcome[pair_id] == (sides if action == "keep" else sides[::-1])
    assert ledger.frame().height == sum(SAID[number % 4] == "drop" for number in both.values()) == 7

    assert list(status_lines(pulled, recorded.aggregated, unsent=3)) == [
        f"argilla:curation/{params.argilla.dataset} at {argilla.url}",
        "pairs: 50; completed 14, left 36",
        "  1 of those left were discarded by somebody and wait for others",
        "answers: 14 pairs decided, 0 contested, 16 wait for more",
        "queue: 3 pairs are not sent yet; `python -m pipeline curate push` sends them",
        "agreement: Krippendorff's alpha 1.000 (14 pairs with two answers or more)",
        "  ann: 30 submitted, 0 draft, 0 discarded; with the others' majority 14 of 14 times",
        "  bob: 14 submitted, 1 draft, 1 discarded; with the others' majority 14 of 14 times",
    ]

    before = argilla.records(dataset)
    assert push(queue, params, tmp_path) == Pushed(sent=0, there=50, unrecorded=[])
    assert argilla.records(dataset) == before
    assert (tmp_path / "curation/sent.jsonl").read_bytes() == sent
    again = pull(params, tmp_path)
    assert again.responses.annotations.equals(annotations)
    assert (
        record_annotations(again.responses.annotations, params, tmp_path, again.responses.texts).written == 0
    )


def test_a_longer_queue_adds_to_the_dataset(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path
) -> None:
    rows = [{"chosen": f"good {number}", "rejected": f"bad {number}"} for number in range(4)]
    push(queue_of(*rows[:2]), params, tmp_path)
    dataset = dataset_of(read_sent(tmp_path / "curation/sent.jsonl")[0].where)
    record = argilla.records(dataset)[0]
    argilla.respond("ann", record["id"], "submitted", preference="A")
    assert push(queue_of(*rows), params, tmp_path) == Pushed(sent=2, there=2, unrecorded=[])
    assert pull(params, tmp_path).responses.annotations["choice"].to_list() == ["A"]
    queue_of(*rows, {"chosen": "x", "rejected": "y"}).write_parquet(tmp_path / "queue.parquet")
    assert unsent(pull(params, tmp_path), tmp_path / "queue.parquet") == 1


def test_an_admin_may_push_and_pull(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not own the server reads the names of the workspace's members, not of all users."""
    monkeypatch.setenv("ARGILLA_API_KEY", key("admin"))
    push(queue_of({"chosen": "x", "rejected": "y"}), params, tmp_path)
    dataset = dataset_of(read_sent(tmp_path / "curation/sent.jsonl")[0].where)
    argilla.respond("bob", argilla.records(dataset)[0]["id"], "submitted", preference="tie")
    annotations = pull(params, tmp_path).responses.annotations
    assert annotations.select("annotator", "preferred").rows() == [("bob", "tie")]


def test_texts_that_argilla_would_refuse(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path
) -> None:
    prompt = [{"role": "system", "content": ""}, {"role": "user", "content": "0123456789" * 4_500}]
    queue = queue_of({"prompt": prompt, "chosen": "<b>x</b>" * 5_000, "rejected": "y"})
    push(queue, params, tmp_path)
    dataset = dataset_of(read_sent(tmp_path / "curation/sent.jsonl")[0].where)
    messages = argilla.records(dataset)[0]["fields"]["prompt"]
    assert [(each["role"], len(each["content"])) for each in messages] == [
        ("system", 1),
        ("user", 20_000),
        ("user", 20_000),
        ("user", 5_000),
    ]


def test_suggestions_are_off_unless_asked_for(
    argilla: ArgillaServer, params: CurateParams, tmp_path: Path
) -> None:
    queue = queue_of({"chosen": "x", "rejected": "y", "first": "rejected"})
    suggesting = params.model_copy(
        update={"argilla": ArgillaParams(dataset="suggesting", workspace="curation", suggestions=True)}
    )
    found = []
    for each in (params, suggesting):
        push(queue, each, tmp_path)
        dataset = dataset_of(read_sent(tmp_path / "curation/sent.jsonl")[-1].where)
        path = f"/api/v1/datasets/{dataset}/records?include=suggestions"
        (record,) = argilla.ask("owner", "GET", path)["items"]
        found.append([suggestion["value"] for suggestion in record["suggestions"]])
    assert found == [[], ["B"]]
