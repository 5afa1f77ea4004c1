"""Responses as the server's API gives them, read into annotations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.curation.argilla_responses import read_responses
from pipeline.curation.sent import Sent
from pipeline.errors import PipelineError
from pipeline.schema import ANNOTATIONS
from pipeline.validation import validate

IDS = [f"{number:016x}" for number in range(4)]
SENT = {
    pair_id: Sent.model_validate(
        {
            "pair_id": pair_id,
            "texts_sha256": f"{number:064x}",
            "first": "chosen" if number % 2 else "rejected",
            "where": "w",
            "when": "2025-01-01T10:00:00+00:00",
        }
    )
    for number, pair_id in enumerate(IDS[:3])
}


def response(user: str, status: str, **answers: Any) -> dict[str, Any]:
    values = {name: {"value": value} for name, value in answers.items()} or None
    return {"user_id": user, "status": status, "values": values, "updated_at": "2025-02-03T04:05:06.000007"}


def record(number: int, status: str, *responses: dict[str, Any]) -> dict[str, Any]:
    fields = {"response_a": "a &lt; b", "response_b": "&amp;lt;"}
    said = {"responses": list(responses), "fields": fields, "status": status}
    return {"id": f"server-{number}", "external_id": IDS[number], **said}


def test_responses_are_unblinded_by_the_line_of_their_pair() -> None:
    records = [
        record(1, "pending", response("u2", "submitted", preference="B", correction=" c ", rating=4)),
        record(
            0,
            "completed",
            response("u9", "discarded"),
            response("u1", "submitted", preference="A", correction=" "),
        ),
        record(
            2, "pending", response("u1", "draft", preference="tie", rating=2), response("u2", "discarded")
        ),
        record(3, "pending", response("u1", "submitted", preference="A")),
    ]
    found = read_responses(records, {"u1": "ann", "u2": "bob"}, SENT, "w")
    validate(found.annotations, ANNOTATIONS)
    columns = ["pair_id", "annotator", "status", "choice", "preferred", "correction", "rating"]
    assert found.annotations.select(columns).rows() == [
        (IDS[0], "ann", "submitted", "A", "rejected", None, None),
        (IDS[0], "u9", "discarded", None, None, None, None),
        (IDS[1], "bob", "submitted", "B", "rejected", "c", 4),
        (IDS[2], "ann", "draft", None, None, None, 2),
        (IDS[2], "bob", "discarded", None, None, None, None),
    ]
    assert set(found.annotations["when"]) == {datetime(2025, 2, 3, 4, 5, 6, 7, UTC)}
    assert found.texts.rows() == [
        (IDS[0], f"{0:064x}", "&lt;", "a < b"),
        (IDS[1], f"{1:064x}", "a < b", "&lt;"),
        (IDS[2], f"{2:064x}", "&lt;", "a < b"),
    ]
    assert (found.completed, found.discarded, found.left) == (1, 1, 2)
    assert found.unknown == [IDS[3]]


def test_an_answer_that_is_not_known() -> None:
    records = [record(0, "completed", response("u1", "submitted", preference="C"))]
    with pytest.raises(PipelineError, match=r"row 0{16}, column preference.*Found: 'C' by ann"):
        read_responses(records, {"u1": "ann"}, SENT, "w")


def test_no_records() -> None:
    found = read_responses([], {}, SENT, "w")
    assert found.annotations.height == 0 and found.annotations.schema == ANNOTATIONS.schema()
