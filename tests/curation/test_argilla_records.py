"""Records are blind: exchanging chosen and rejected changes nothing of what is sent."""

from __future__ import annotations

import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.curation.argilla_form import CHOICES, FILTERS, GUIDELINES, GUIDELINES_LIMIT, read_guidelines
from pipeline.curation.argilla_records import MESSAGE_LIMIT, blind_record, escaped, unescaped
from pipeline.curation.texts_hash import texts_hash
from pipeline.errors import PipelineError
from pipeline.schema import CHOICES as KNOWN_CHOICES
from tests.curation.queues import queue_of

TEXT = st.text(max_size=30)


def exchanged(row: dict[str, Any]) -> dict[str, Any]:
    """The same two texts in the same places, with the labels the other way round."""
    return {
        **row,
        "chosen": row["rejected"],
        "rejected": row["chosen"],
        "chosen_chars": row["rejected_chars"],
        "rejected_chars": row["chosen_chars"],
        "margin": None if row["margin"] is None else -row["margin"],
        "first": "rejected" if row["first"] == "chosen" else "chosen",
        "texts_sha256": texts_hash(row["prompt"], row["rejected"], row["chosen"]),
    }


@given(
    chosen=TEXT,
    rejected=TEXT,
    first=st.sampled_from(["chosen", "rejected"]),
    margin=st.none() | st.floats(-9, 9),
    suspicion=st.none() | st.floats(0, 1),
)
def test_nothing_tells_which_is_chosen(
    chosen: str, rejected: str, first: str, margin: float | None, suspicion: float | None
) -> None:
    (row,) = queue_of(
        {"chosen": chosen, "rejected": rejected, "first": first, "margin": margin, "suspicion": suspicion}
    ).to_dicts()
    other = exchanged(row)
    assert row["texts_sha256"] != other["texts_sha256"] or chosen == rejected
    assert blind_record(row, row["first"]) == blind_record(other, other["first"])
    # With suggestions, which show it on purpose, the two differ.
    assert blind_record(row, row["first"], True) != blind_record(other, other["first"], True)


def test_a_record_in_full() -> None:
    prompt = [{"role": "user", "content": "a < b?"}, {"role": "assistant", "content": ""}]
    texts = {"prompt": prompt, "chosen": "x & <y>", "rejected": "z"}
    numbers = {"margin": -1.5, "suspicion": 0.25, "language": None, "pair_id": "0" * 16}
    (row,) = queue_of({**texts, **numbers}).to_dicts()
    assert blind_record(row, "rejected", suggestion=True) == {
        "external_id": "0" * 16,
        "fields": {
            "prompt": [{"role": "user", "content": "a &lt; b?"}, {"role": "assistant", "content": " "}],
            "response_a": "z",
            "response_b": "x &amp; &lt;y&gt;",
        },
        "metadata": {
            "source": "made",
            "response_a_chars": 1,
            "response_b_chars": 7,
            "margin": 1.5,
            "suspicion": 0.25,
        },
        "suggestions": {"preference": "B"},
    }


@given(st.text(alphabet="&<>;altmpg x"))
def test_escaping_is_undone(text: str) -> None:
    assert unescaped(escaped(text)) == text == html.unescape(escaped(text))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("x" * MESSAGE_LIMIT, [MESSAGE_LIMIT]),
        ("x" * (MESSAGE_LIMIT + 1), [MESSAGE_LIMIT, 1]),
        ("&" * 8_001, [MESSAGE_LIMIT, MESSAGE_LIMIT, 5]),
        ("x" * (MESSAGE_LIMIT - 1) + "<", [MESSAGE_LIMIT - 1, 4]),
    ],
)
def test_long_messages_go_on_in_further_ones(text: str, sizes: list[int]) -> None:
    (row,) = queue_of({"prompt": text, "chosen": "x", "rejected": "y"}).to_dicts()
    messages = blind_record(row, "chosen")["fields"]["prompt"]
    assert [len(each["content"]) for each in messages] == sizes
    assert "".join(unescaped(each["content"]) for each in messages) == text
    assert {each["role"] for each in messages} == {"user"}


def test_every_metadata_value_has_a_filter_and_scores_are_not_for_annotators() -> None:
    values = {"margin": 1.0, "suspicion": 0.5, "language": "en"}
    (row,) = queue_of({"chosen": "x", "rejected": "y", **values}).to_dicts()
    assert set(blind_record(row, "chosen")["metadata"]) == set(FILTERS)
    assert {name for name, each in FILTERS.items() if not each.for_annotators} == {"margin", "suspicion"}


def test_the_choices_are_those_of_the_table() -> None:
    assert tuple(CHOICES) == KNOWN_CHOICES


def test_guidelines(tmp_path: Any) -> None:
    assert read_guidelines(None) == GUIDELINES and len(GUIDELINES) <= GUIDELINES_LIMIT
    file = tmp_path / "guide.md"
    file.write_text(" Be kind.\n")
    assert read_guidelines(str(file)) == "Be kind."
    for text, found in (("  ", "0 characters"), ("x" * 10_001, "10001 characters")):
        file.write_text(text)
        with pytest.raises(PipelineError, match=rf"curate\.argilla\.guidelines.*{found}"):
            read_guidelines(str(file))
    with pytest.raises(PipelineError, match="cannot be read"):
        read_guidelines(str(tmp_path / "missing.md"))
