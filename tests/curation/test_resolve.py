"""Which of several decisions on one pair counts: by hand, and laws for any of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.curation.decisions import Decision
from pipeline.curation.resolve import Rule, resolve

RULES: tuple[Rule, ...] = ("latest", "majority", "unanimous")


def decision(who: str, action: str, day: int = 1, **more: Any) -> Decision:
    """``who``: annotators' initials."""
    fields = {"pair_id": "0" * 16, "action": action, "annotators": list(who)}
    return Decision(**{**fields, "when": f"2025-01-{day:02}T00:00:00Z", **more})


def lines(*decisions: Decision) -> dict[int, Decision]:
    return dict(enumerate(decisions, start=1))


@pytest.mark.parametrize(
    ("said", "rule", "action", "who", "agreement", "fates"),
    [
        # One line: its own annotators and agreement.
        ([decision("a", "drop")], "unanimous", "drop", "a", None, "applied"),
        ([decision("ab", "drop", agreement=0.75)], "unanimous", "drop", "ab", 0.75, "applied"),
        # One person who decides again.
        (
            [decision("a", "drop"), decision("a", "keep", 2)],
            "majority",
            "keep",
            "a",
            None,
            "superseded applied",
        ),
        (
            [decision("a", "drop", 2), decision("a", "keep")],
            "unanimous",
            "drop",
            "a",
            None,
            "applied superseded",
        ),
        # Two against one.
        (
            [decision("a", "swap"), decision("b", "swap"), decision("c", "keep", 9)],
            "majority",
            "swap",
            "ab",
            2 / 3,
            "applied applied outvoted",
        ),
        (
            [decision("a", "swap"), decision("b", "swap"), decision("c", "keep", 9)],
            "latest",
            "keep",
            "c",
            None,
            "superseded superseded applied",
        ),
        (
            [decision("a", "swap"), decision("b", "swap"), decision("c", "keep", 9)],
            "unanimous",
            None,
            "",
            None,
            "contested contested contested",
        ),
        # A tie of votes, though a line more is on one side; the more recent side does not win.
        (
            [decision("ab", "drop"), decision("c", "keep"), decision("d", "keep", 2)],
            "majority",
            None,
            "",
            None,
            "contested contested contested",
        ),
        # The most, but not more than half.
        (
            [decision("ab", "drop"), decision("c", "keep"), decision("d", "swap")],
            "majority",
            None,
            "",
            None,
            "contested contested contested",
        ),
        # a left the first line, b still stands by it.
        (
            [decision("ab", "drop"), decision("a", "drop", 2)],
            "unanimous",
            "drop",
            "ab",
            1.0,
            "applied applied",
        ),
        (
            [decision("ab", "drop"), decision("a", "keep", 2)],
            "majority",
            None,
            "",
            None,
            "contested contested",
        ),
        (
            [decision("ab", "drop"), decision("ac", "keep", 2)],
            "majority",
            "keep",
            "ac",
            2 / 3,
            "outvoted applied",
        ),
        # Edits say the same only with the same texts.
        (
            [decision("a", "edit", chosen="x"), decision("b", "edit", chosen="y", day=2)],
            "majority",
            None,
            "",
            None,
            "contested contested",
        ),
        (
            [decision("a", "edit", chosen="x", reason="r"), decision("b", "edit", chosen="x", day=2)],
            "unanimous",
            "edit",
            "ab",
            1.0,
            "applied applied",
        ),
    ],
)
def test_rules(
    said: list[Decision], rule: Rule, action: str | None, who: str, agreement: float | None, fates: str
) -> None:
    found = resolve(lines(*said), rule)
    assert (found.decision.action if found.decision else None) == action
    assert (found.annotators, found.agreement) == (tuple(who), agreement)
    assert found.fates == dict(enumerate(fates.split(), start=1))


def test_equally_late_decisions_count_by_line_and_offsets_are_minded() -> None:
    early = decision("a", "drop", when="2025-01-02T00:30:00+02:00")
    late = decision("a", "swap", when="2025-01-01T23:00:00Z")
    naive = decision("a", "keep", when="2025-01-01T22:59:59")
    found = resolve(lines(early, late, naive), "latest")
    assert (found.line, found.decision) == (2, late)
    assert resolve(lines(late, early, late), "latest").line == 3


def test_of_those_that_say_the_same_the_latest_is_named() -> None:
    found = resolve(
        lines(decision("a", "drop", 3), decision("b", "drop"), decision("c", "keep", 9)), "majority"
    )
    assert (found.line, found.votes) == (1, "2 drop, 1 keep")


DECISIONS = st.lists(
    st.builds(
        decision,
        who=st.sets(st.sampled_from("abcd"), min_size=1).map(lambda names: "".join(sorted(names))),
        action=st.sampled_from(["keep", "swap", "drop"]),
        day=st.integers(1, 28),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda item: item.when,
)


@given(said=DECISIONS, data=st.data())
def test_where_lines_stand_does_not_matter_unless_equally_late(said: list[Decision], data: Any) -> None:
    numbers = data.draw(st.permutations(range(1, len(said) + 1)))
    moved = dict(zip(numbers, said, strict=True))
    for rule in RULES:
        one, other = resolve(lines(*said), rule), resolve(moved, rule)
        assert (one.decision, one.annotators, one.agreement) == (
            other.decision,
            other.annotators,
            other.agreement,
        )
        assert [one.fates[number] for number in lines(*said)] == [other.fates[number] for number in numbers]


@given(said=DECISIONS)
def test_the_stricter_rule_never_decides_otherwise(said: list[Decision]) -> None:
    latest, majority, unanimous = (resolve(lines(*said), rule) for rule in RULES)
    assert latest.decision == max(said, key=lambda item: item.moment)
    if unanimous.decision is not None:
        assert majority.decision == unanimous.decision == latest.decision
        assert unanimous.annotators == tuple(sorted({name for item in said for name in item.annotators}))
    for found in (latest, majority, unanimous):
        assert set(found.fates) == set(lines(*said))
        assert (found.decision is None) == ("contested" in found.fates.values())
