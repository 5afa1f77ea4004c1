"""What an annotator sees in Argilla: fields, questions, metadata to filter by, and guidelines.

Plain descriptions, so that they can be read and tested without Argilla;
:mod:`pipeline.curation.argilla_settings` makes them into its settings. Questions cannot be added to a dataset
once it is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import PipelineError
from pipeline.params import project_path

PROMPT, RESPONSE_A, RESPONSE_B = "prompt", "response_a", "response_b"
"""Names of the fields."""

FIELDS = {PROMPT: "Conversation", RESPONSE_A: "Response A", RESPONSE_B: "Response B"}
"""Fields and their titles, in the order they are shown."""

PREFERENCE, CORRECTION, RATING = "preference", "correction", "rating"
"""Names of the questions."""

CHOICES = {"A": "A is better", "B": "B is better", "tie": "Equally good", "both_bad": "Both are bad"}
"""Answers to the preference question and their labels, in the order they are shown."""

RATINGS = (1, 2, 3, 4, 5)

QUESTIONS = {
    PREFERENCE: ("Which response is better?", "Taken as a whole, as an answer to the last message."),
    CORRECTION: ("Better response (optional)", "Only if you can improve on the better one: the whole text."),
    RATING: ("Rating of the better response (optional)", "1: useless, 5: nothing to wish for."),
}
"""Title and description of each question; only the preference must be answered."""

GUIDELINES_LIMIT = 10_000
"""Characters of guidelines that an Argilla server takes (DATASET_GUIDELINES_MAX_LENGTH in 2.8)."""

GUIDELINES = """\
# Which response is better?

Read the conversation, then both responses. Say which one you would rather have received. The order of the
two is random, and nothing here tells what others or a model thought of them.

Look at, in this order:

1. **Is it right?** A wrong statement weighs more than a missing one.
2. **Does it do what was asked**, all of it, in the form that was asked for?
3. **Is it helpful**, clear, and no longer than it needs to be? Length alone is no merit.

- **A is better**, **B is better**: also where the difference is small.
- **Equally good**: you would be content with either.
- **Both are bad**: neither should be an example to learn from.

If you can improve on the better one, write the whole improved text under *Better response*. Discard a pair
that you cannot judge (a language you do not read, a broken text). Save a draft to come back to it later.
"""
"""What annotators are told where params name no file of their own."""


@dataclass(frozen=True)
class Filter:
    """A metadata property to filter and sort records by.

    Attributes:
        kind: terms, integer or float.
        title: Its name on the page.
        for_annotators: Whether annotators see it. What a model or its scores say is for owners and admins.
    """

    kind: Literal["terms", "integer", "float"]
    title: str
    for_annotators: bool


FILTERS = {
    "source": Filter("terms", "Source", True),
    "language": Filter("terms", "Language", True),
    "response_a_chars": Filter("integer", "Characters of A", True),
    "response_b_chars": Filter("integer", "Characters of B", True),
    "margin": Filter("float", "Difference of the scores, without its sign", False),
    "suspicion": Filter("float", "How much the model disbelieves the label", False),
}
"""Metadata by name. None of it may tell which response is chosen."""


def read_guidelines(path: str | None) -> str:
    """The guidelines of a Markdown file, or :data:`GUIDELINES`.

    Args:
        path: As ``curate.argilla.guidelines`` in params gives it.

    Raises:
        PipelineError: If the file cannot be read, is blank, or is longer than Argilla takes.
    """
    if path is None:
        return GUIDELINES
    file, key = project_path(path), "curate.argilla.guidelines"
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError("The guidelines cannot be read", file=file, key=key, found=error) from error
    if not 0 < len(text) <= GUIDELINES_LIMIT:
        raise PipelineError(
            "The guidelines do not fit",
            file=file,
            key=key,
            found=f"{len(text)} characters",
            expected=f"1 to {GUIDELINES_LIMIT} characters",
        )
    return text
