"""How texts of a file are written: plain, as transcripts, or with the prompt in front of the response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.sources.pair_rows import LABELS
from pipeline.sources.private.access import MISSING, common_beginning, value_at
from pipeline.sources.private.finder import Finder
from pipeline.sources.private.messages import is_transcript
from pipeline.sources.private.names import METADATA, fold_name
from pipeline.sources.private.understood import IMPLICIT, REPEATED, TRANSCRIPT

_LEAST_REPEATED = 20
"""Characters of a single row's prompt from which it is no chance that both responses begin with it."""


def holds_conversations(values: Sequence[Any]) -> bool:
    """Whether every value is a conversation of more than the response."""
    return bool(values) and all(isinstance(value, list) and len(value) > 1 for value in values)


def prompt_form(finder: Finder) -> str | None:
    """``transcript`` where most prompts are; None where they are plain."""
    column = finder.fields.get("prompt")
    if column is None or not _most_transcripts(finder.values(str(column))):
        return None
    finder.why["prompt"] += "; its texts are transcripts (Human: ... Assistant:)"
    return TRANSCRIPT


def pair_form(finder: Finder) -> str | None:
    """How the texts of chosen and rejected hold the prompt; None where they do not, or are no texts.

    Where there is no prompt at all, what is missing is noted.
    """
    columns = [str(finder.fields[label]) for label in LABELS]
    sides = [finder.values(column) for column in columns]
    if all(map(_most_transcripts, sides)):
        finder.fields.pop("prompt", None)
        finder.why["prompt"] = "chosen and rejected are transcripts (Human: ... Assistant:) that hold it"
        return TRANSCRIPT
    if "prompt" in finder.fields:
        return _repeated(finder, columns)
    if all(isinstance(value, list | dict) for values in sides for value in values):
        return None
    return _implicit(finder, columns)


def _most_transcripts(values: Sequence[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str)]
    return bool(texts) and 2 * sum(map(is_transcript, texts)) > len(values)


def _repeated(finder: Finder, columns: Sequence[str]) -> str | None:
    rows = [
        [value_at(row, column) for column in (str(finder.fields["prompt"]), *columns)] for row in finder.rows
    ]
    texts = [row for row in rows if all(isinstance(value, str) for value in row) and row[0].strip()]
    if not texts or not all(side.startswith(prompt) for prompt, *both in texts for side in both):
        return None
    if len(texts) == 1 and len(texts[0][0]) < _LEAST_REPEATED:
        return None
    finder.notes.append(
        "Every chosen and rejected begins with its prompt, which is taken off: what follows is the response."
    )
    return REPEATED


def _implicit(finder: Finder, columns: Sequence[str]) -> str | None:
    """A common beginning is the prompt only where no other column can be."""
    others = [
        name
        for name in finder.unread()
        if fold_name(name) not in METADATA
        and any(isinstance(value, str | list) for value in finder.values(name))
    ]
    pairs = [(value_at(row, columns[0]), value_at(row, columns[1])) for row in finder.rows]
    texts = [pair for pair in pairs if MISSING not in pair and all(isinstance(text, str) for text in pair)]
    begins = [bool(common_beginning(*pair).strip()) for pair in texts]
    if others or not begins or 2 * sum(begins) <= len(begins):
        said = f"; set source.columns.prompt to one of {', '.join(others)}" if others else ""
        finder.missing.append(f"the prompt{said}")
        return None
    finder.why["prompt"] = "no column holds it: it is what chosen and rejected begin with alike"
    finder.notes.append(
        "There is no prompt column: what chosen and rejected begin with alike, up to a space, is the prompt."
    )
    return IMPLICIT
