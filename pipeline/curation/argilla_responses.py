"""Annotators' responses, as an Argilla server gives them, read into the table ANNOTATIONS and un-blinded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipeline.curation.annotated_texts import SEEN_TEXTS
from pipeline.curation.argilla_form import CHOICES, CORRECTION, PREFERENCE, RATING, RESPONSE_A, RESPONSE_B
from pipeline.curation.argilla_records import unescaped
from pipeline.curation.blinding import unblind
from pipeline.curation.sent import Sent
from pipeline.errors import PipelineError
from pipeline.schema import ANNOTATIONS


@dataclass(frozen=True)
class Responses:
    """What a dataset's records hold.

    Attributes:
        annotations: The table ANNOTATIONS, by pair_id and annotator.
        texts: pair_id, texts_sha256, chosen and rejected of every record that can be un-blinded, as its
            annotators see them; a correction is an edit of these.
        completed: Records with as many submitted responses as the dataset asks for.
        discarded: Records that need more and were discarded by somebody: Argilla keeps them pending.
        left: The other records that need more.
        unknown: Ids of records that have responses but no line in the record of what was sent; nobody knows
            which response stood as A there, so their responses are left out.
    """

    annotations: pl.DataFrame
    texts: pl.DataFrame
    completed: int
    discarded: int
    left: int
    unknown: list[str]


def read_responses(
    records: Iterable[Mapping[str, Any]], names: Mapping[str, str], sent: Mapping[str, Sent], where: str
) -> Responses:
    """Responses of a dataset's records.

    Args:
        records: Records with their responses, as the server's API lists them.
        names: User name by user id; an id without a name, as of a deleted user, stands for itself.
        sent: What was sent to this dataset, by pair_id.
        where: The dataset, as the record of what was sent calls it.

    Returns:
        Submitted, draft and discarded responses, each as such.

    Raises:
        PipelineError: If a submitted response answers the preference question with none of its choices.
    """
    rows, texts, unknown = [], [], []
    completed = left = discarded = 0
    for record in records:
        responses = record.get("responses") or []
        if record["status"] == "completed":
            completed += 1
        elif any(response["status"] == "discarded" for response in responses):
            discarded += 1
        else:
            left += 1
        line = sent.get(record.get("external_id") or "")
        if line is None:
            unknown += [str(record.get("external_id") or record["id"])] if responses else []
            continue
        texts.append(_texts(line, record["fields"]))
        rows += [_row(line, response, names, where) for response in responses]
    table = pl.DataFrame(rows, schema=ANNOTATIONS.schema())
    return Responses(
        annotations=table.sort("pair_id", "annotator"),
        texts=pl.DataFrame(texts, schema=SEEN_TEXTS).sort("pair_id"),
        completed=completed,
        discarded=discarded,
        left=left,
        unknown=sorted(unknown),
    )


def _texts(line: Sent, fields: Mapping[str, Any]) -> dict[str, str]:
    first, second = unescaped(fields[RESPONSE_A]), unescaped(fields[RESPONSE_B])
    chosen, rejected = (first, second) if line.first == "chosen" else (second, first)
    return {
        "pair_id": line.pair_id,
        "texts_sha256": line.texts_sha256,
        "chosen": chosen,
        "rejected": rejected,
    }


def _row(line: Sent, response: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    answers = {name: answer.get("value") for name, answer in (response.get("values") or {}).items()}
    annotator = names.get(response["user_id"], response["user_id"])
    choice = answers.get(PREFERENCE) if response["status"] == "submitted" else None
    if response["status"] == "submitted" and choice not in CHOICES:
        raise PipelineError(
            "A response has no answer that is known",
            row=line.pair_id,
            column=PREFERENCE,
            found=f"{choice!r} by {annotator}",
            expected=", ".join(CHOICES),
            hint=f"Somebody changed the questions of {where}: give them their answers back in its settings",
        )
    return {
        "pair_id": line.pair_id,
        "texts_sha256": line.texts_sha256,
        "annotator": annotator,
        "status": response["status"],
        "choice": choice,
        "preferred": None if choice is None else unblind(choice, line.first),
        "correction": (answers.get(CORRECTION) or "").strip() or None,
        "rating": answers.get(RATING),
        "note": None,
        "when": _moment(response["updated_at"]),
        "where": where,
    }


def _moment(text: str) -> datetime:
    """A time of the server's; it writes UTC without saying so."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
