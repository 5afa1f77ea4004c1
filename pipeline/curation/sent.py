"""What was sent to annotators, and in which order a pair's responses stood: ``curation/sent.jsonl``, in git.

Annotators see A and B and never learn which is chosen. Only this record says it, so an answer is un-blinded
by what was recorded when the pair was sent, and never by what the data says today.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.curation.blinding import unblind
from pipeline.curation.json_lines import append_lines, changing, parse_lines
from pipeline.errors import PipelineError
from pipeline.files import canonical_json
from pipeline.params import CurateParams, project_path

SENT_FILE = "sent.jsonl"
"""Its name; it lies beside the decisions file."""

Side = Literal["chosen", "rejected"]


class Sent(BaseModel):
    """One line of the record: a pair that was sent to one place.

    Attributes:
        pair_id: The pair.
        texts_sha256: Hash of its prompt and both responses, as they were sent.
        first: The side that stood as A.
        where: The place: an Argilla dataset, ``file:`` with the id of an export, or ``review``.
        when: ISO 8601 date and time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    pair_id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    texts_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    first: Side
    where: Annotated[str, Field(min_length=1)]
    when: str

    @field_validator("when")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value

    @property
    def shown(self) -> tuple[str, Side]:
        """What an annotator saw by it: these texts, in this order."""
        return self.texts_sha256, self.first

    def unblind(self, choice: str) -> str:
        """What an annotator preferred who saw this sending: :func:`~pipeline.curation.blinding.unblind`."""
        return unblind(choice, self.first)


def sent_path(decisions: Path) -> Path:
    """Where the record lies, given the decisions file of ``curate.decisions``."""
    return decisions.with_name(SENT_FILE)


def record_path(params: CurateParams, root: Path = Path()) -> Path:
    """Where the record of a project lies.

    Args:
        params: Section ``curate``.
        root: The project's top folder.
    """
    return root / sent_path(project_path(params.decisions))


def read_sent(path: Path) -> list[Sent]:
    """The record's lines in order; none where there is no file, which is so until something is sent.

    Raises:
        PipelineError: If the file cannot be read or a line is not valid, with the line and the field.
    """
    try:
        return list(parse_lines(path, Sent, "a line of what was sent").values())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PipelineError(
            "The record of what was sent cannot be read",
            file=path,
            found=str(error),
            hint=f"It is kept in git: restore it with `git checkout -- {path}`",
        ) from error


def latest_sent(record: Iterable[Sent], where: str) -> dict[str, Sent]:
    """What was sent to one place, by pair_id; of a pair that was sent again in another way, the latest."""
    return {line.pair_id: line for line in record if line.where == where}


def append_sent(path: Path, sent: Iterable[Sent]) -> int:
    """Add lines to the record in one atomic write, but for those that repeat the latest of their pair there.

    Record what is about to be sent first and send it then: a pair that was recorded and not sent does no
    harm, a pair that was sent and not recorded cannot be un-blinded.

    Returns:
        How many lines were added.

    Raises:
        PipelineError: If the record is not valid.
        OSError: If it cannot be written.
    """
    new = []
    with changing(path):
        latest = {(line.where, line.pair_id): line.shown for line in read_sent(path)}
        for line in sent:
            if latest.get((line.where, line.pair_id)) != line.shown:
                latest[line.where, line.pair_id] = line.shown
                new.append(canonical_json(line.model_dump()))
        append_lines(path, new)
    return len(new)
