"""The form and the records of pairs, made into what Argilla's client takes; it is handed in as a module."""

from __future__ import annotations

from typing import Any

from pipeline.curation import argilla_form as form


def dataset_settings(rg: Any, guidelines: str, min_submitted: int) -> Any:
    """The settings of a dataset, an ``argilla.Settings``.

    Args:
        rg: The module argilla, with a client made.
        guidelines: What annotators are told, in Markdown.
        min_submitted: Submitted answers that complete a record.
    """
    kinds = {
        "terms": rg.TermsMetadataProperty,
        "integer": rg.IntegerMetadataProperty,
        "float": rg.FloatMetadataProperty,
    }
    titles = form.FIELDS
    asked = {name: {"title": words[0], "description": words[1]} for name, words in form.QUESTIONS.items()}
    return rg.Settings(
        guidelines=guidelines,
        # Without Markdown, and escaped (argilla_records), the page shows a text as it is: nothing in it is
        # rendered or fetched.
        fields=[
            rg.ChatField(name=form.PROMPT, title=titles[form.PROMPT], use_markdown=False),
            rg.TextField(name=form.RESPONSE_A, title=titles[form.RESPONSE_A], use_markdown=False),
            rg.TextField(name=form.RESPONSE_B, title=titles[form.RESPONSE_B], use_markdown=False),
        ],
        questions=[
            rg.LabelQuestion(name=form.PREFERENCE, labels=dict(form.CHOICES), **asked[form.PREFERENCE]),
            rg.TextQuestion(name=form.CORRECTION, required=False, **asked[form.CORRECTION]),
            rg.RatingQuestion(
                name=form.RATING, values=list(form.RATINGS), required=False, **asked[form.RATING]
            ),
        ],
        metadata=[
            kinds[each.kind](name=name, title=each.title, visible_for_annotators=each.for_annotators)
            for name, each in form.FILTERS.items()
        ],
        distribution=rg.TaskDistribution(min_submitted=min_submitted),
        allow_extra_metadata=False,
    )


def dataset_record(rg: Any, record: dict[str, Any], dataset: Any) -> Any:
    """A record as Argilla's client has it, an ``argilla.Record``.

    Args:
        rg: The module argilla.
        record: As :func:`~pipeline.curation.argilla_records.blind_record` makes it.
        dataset: The ``argilla.Dataset`` it is for.
    """
    made = rg.Record(
        id=record["external_id"],
        fields=record["fields"],
        metadata=record["metadata"],
        suggestions=[rg.Suggestion(name, value) for name, value in record["suggestions"].items()],
    )
    # It looks up the types of fields, and the questions' ids, there.
    made.dataset = dataset
    return made
