"""People's decisions on pairs: a JSON Lines file in git, checked line by line.

Which of several on one pair count: :mod:`pipeline.curation.resolve`. What they do to the pairs:
:mod:`pipeline.curation.replay`. The format, with examples: ``docs/curation.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.curation.json_lines import append_lines, changing, parse_lines
from pipeline.errors import PipelineError
from pipeline.texts import fold_text

Id = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Words = Annotated[str, Field(min_length=1)]

_OLDER = {"annotators": "annotator", "reason": "why"}
"""Fields of the older shape of a line, under those that took their place."""


class Message(BaseModel):
    """One message of an edited prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    role: Literal["system", "user", "assistant"]
    content: str


class Decision(BaseModel):
    """One line of the decisions file.

    Attributes:
        pair_id: The pair it is about.
        action: keep it, swap its responses, drop it, or edit its texts.
        prompt: The new conversation; edit only, None: as it is.
        chosen: The new preferred response; likewise.
        rejected: The new other one; likewise.
        annotators: Who decided so.
        agreement: Share of those who were asked that said so, 0 to 1; None where only one was.
        reason: In words; may be empty.
        when: ISO 8601 date and time; UTC where it names no offset.
        texts_sha256: :func:`~pipeline.curation.texts_hash.texts_hash` of what the annotators saw; a decision
            on other texts is stale. None: it holds for whatever texts the pair has.
        texts: The same in the older shape of a line: content id of (chosen, rejected).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    pair_id: Id
    action: Literal["keep", "swap", "drop", "edit"]
    prompt: Annotated[list[Message], Field(min_length=1)] | None = None
    chosen: str | None = None
    rejected: str | None = None
    annotators: Annotated[list[Words], Field(min_length=1)]
    agreement: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    reason: str = ""
    when: str
    texts_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    texts: Id | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_older_shape(cls, line: Any) -> Any:
        """Take a line with ``annotator`` (one name) and ``why``; one in both shapes is left to be refused."""
        if not isinstance(line, dict):
            return line
        line = dict(line)
        for name, older in _OLDER.items():
            if older in line and name not in line:
                value = line.pop(older)
                line[name] = [value] if name == "annotators" else value
        return line

    @field_validator("annotators")
    @classmethod
    def _are_distinct(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("each annotator is named once")
        return value

    @field_validator("when")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value

    @model_validator(mode="after")
    def _texts_with_edit(self) -> Decision:
        if self.action != "edit":
            if self.prompt is not None or self.chosen is not None or self.rejected is not None:
                raise ValueError("prompt, chosen and rejected are for edit only")
            return self
        if self.prompt is None and self.chosen is None and self.rejected is None:
            raise ValueError("an edit gives at least one of prompt, chosen and rejected")
        if self.prompt is not None and self.prompt[-1].role != "user":
            raise ValueError("an edited prompt ends with a message of the user")
        folded = [fold_text(text) for text in (self.chosen, self.rejected) if text is not None]
        if not all(folded):
            raise ValueError("an edited response is blank; to leave the pair out, use drop")
        if len(folded) == 2 and folded[0] == folded[1]:
            raise ValueError("the edited responses are the same; to leave the pair out, use drop")
        return self

    @property
    def moment(self) -> datetime:
        """``when`` as a point in time."""
        moment = datetime.fromisoformat(self.when)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def line(self) -> str:
        """The decision as a line of the file, without its end; what is not given is left out."""
        fields = self.model_dump(exclude_none=True)
        return json.dumps(fields, ensure_ascii=False)


def read_decisions(path: Path) -> dict[int, Decision]:
    """The decisions in a file, by line number; it may be empty.

    Raises:
        PipelineError: If the file is missing or a line is not a valid decision, with the line and the field.
    """
    hint = "Correct that line; docs/curation.md describes each field"
    try:
        return parse_lines(path, Decision, "a decision", hint, _OLDER)
    except OSError as error:
        raise PipelineError(
            "The decisions cannot be read",
            file=path,
            key="curate.decisions",
            found=str(error),
            hint=f"An empty file will do where nothing is decided yet: `touch {path}`",
        ) from error


def append_decisions(path: Path, decisions: Iterable[Decision]) -> int:
    """Write decisions at the end of a file, in their order; those that stand there already are left out.

    So the same answers pulled twice are written once. What the file holds stays byte by byte.

    Args:
        path: The file; one that is not there is made.
        decisions: What to write.

    Returns:
        How many lines were written.

    Raises:
        PipelineError: If the file holds a line that is not a valid decision.
        OSError: If it cannot be written.
    """
    with changing(path):
        known = {decision.line() for decision in read_decisions(path).values()} if path.exists() else set()
        new = [line for line in dict.fromkeys(decision.line() for decision in decisions) if line not in known]
        append_lines(path, new)
    return len(new)
