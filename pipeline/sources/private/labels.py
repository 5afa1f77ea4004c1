"""Which response a label names: words, numbers from 0 or from 1, signed strengths, truth values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.params import LabelParams
from pipeline.sources.faults import BAD_VALUE
from pipeline.sources.fields import Place
from pipeline.sources.jsonl import Row
from pipeline.sources.private.access import MISSING
from pipeline.sources.private.names import (
    FIRST_WON,
    NEITHER_WON,
    RESPONSE_WORDS,
    SECOND_WON,
    SUFFIXES,
    fold_name,
)
from pipeline.sources.private.prompts import field, optional
from pipeline.sources.private.understood import (
    FIRST_TRUE,
    FROM_0,
    FROM_1,
    NAMES,
    SECOND_TRUE,
    SIGNED,
    TRUTHS,
    Columns,
    Layout,
)
from pipeline.sources.private.values import as_truth, is_absent, plain_number

TIE = -1
"""Stands for the place of the winner where there is none."""

Words = Mapping[str, int]
SET_LABELS = "name it in source.labels.first, second or tie in params.yaml, or correct the row"


def label_key(value: Any) -> str:
    """A label as it is compared: 1, 1.0 and "1" are one, and so are A, a and [[A]]."""
    if isinstance(value, bool):
        return str(value).casefold()
    number = plain_number(value)
    if number is not None:
        return f"{number:g}"
    text = str(value)
    return fold_name(text) or text.strip()


def own_words(labels: LabelParams) -> dict[str, int]:
    """What ``source.labels`` says of each value: the winner's place, or :data:`TIE`."""
    sides = ((labels.first, 0), (labels.second, 1), (labels.tie, TIE))
    return {label_key(value): winner for values, winner in sides for value in values}


def usual_words(responses: Columns) -> dict[str, int]:
    """The usual words, and the names of the columns that hold the responses."""
    words = {fold_name(word): TIE for word in NEITHER_WON}
    words |= {fold_name(word): place for place, names in enumerate((FIRST_WON, SECOND_WON)) for word in names}
    words |= {letter: place for place, letter in enumerate(SUFFIXES[0])}
    if not isinstance(responses, str):
        names = [fold_name(column) for column in responses]
        words |= {name: place for place, name in enumerate(names)}
        for suffixes in SUFFIXES:
            if all(name.endswith(end) for name, end in zip(names, suffixes, strict=False)):
                words |= {
                    f"{fold_name(word)}{end}": place
                    for place, end in enumerate(suffixes[: len(names)])
                    for word in (*RESPONSE_WORDS, "model")
                }
    return words


@dataclass(frozen=True)
class LabelReader:
    """Reads the label of a row.

    Attributes:
        columns: The label's column, or a truth value's for each response (and one for a tie).
        form: How it counts; see :attr:`~pipeline.sources.private.understood.Layout.forms`.
        own: What ``source.labels`` says.
        words: What words mean.
    """

    columns: tuple[str, ...]
    form: str
    own: Words
    words: Words

    def winner(self, row: Row, place: Place, models: Sequence[str | None]) -> int:
        """The place of the winner among the responses, from 0, or :data:`TIE`.

        Args:
            row: The row.
            place: Where it stands, for errors.
            models: The model of each response, where it is known: a label may name the winner by it.

        Raises:
            PipelineError: If the label is missing or is none that is understood.
        """
        if self.form == TRUTHS:
            return self._by_truths(row, place)
        column = self.columns[0]
        value = field(row, column, place, "which response won")
        winner = None if isinstance(value, list | dict) else self._meant(value, models)
        if winner is None or winner >= len(models):
            raise place.fault(
                column,
                value,
                f"{_expected(self.form, len(models))}; for another value, {SET_LABELS}",
                BAD_VALUE,
            )
        return winner

    def said(self, row: Row) -> str:
        """What the row's label says, in words."""
        return ", ".join(f"{column}: {optional(row, column)}" for column in self.columns)

    def _meant(self, value: Any, models: Sequence[str | None]) -> int | None:
        if value is None:
            return None
        key = label_key(value)
        if key in self.own:
            return self.own[key]
        if self.form in (FIRST_TRUE, SECOND_TRUE):
            truth = as_truth(value)
            return None if truth is None else int(truth == (self.form == SECOND_TRUE))
        number = plain_number(value)
        if number is None:
            return self.words[key] if key in self.words else _named(key, models)
        return _numbered(number, self.form, len(models))

    def _by_truths(self, row: Row, place: Place) -> int:
        values = {column: field(row, column, place, "a truth value") for column in self.columns}
        truths = {column: False if is_absent(value) else as_truth(value) for column, value in values.items()}
        for column, truth in truths.items():
            if truth is None:
                raise place.fault(column, values[column], "true or false, 1 or 0", BAD_VALUE)
        true = [index for index, truth in enumerate(truths.values()) if truth]
        if len(true) != 1:
            said = {column: bool(truth) for column, truth in truths.items()}
            raise place.fault(
                self.columns[0], said, f"exactly one true of {', '.join(self.columns)}", BAD_VALUE
            )
        return TIE if true[0] == 2 else true[0]


def label_reader(layout: Layout, labels: LabelParams) -> LabelReader | None:
    """How the labels of a layout are read; None where it has none."""
    columns = layout.fields.get("label")
    if columns is None:
        return None
    named = (columns,) if isinstance(columns, str) else tuple(columns)
    form = layout.forms.get("label", NAMES)
    return LabelReader(named, form, own_words(labels), usual_words(layout.fields["responses"]))


def _named(key: str, models: Sequence[str | None]) -> int | None:
    """The place of the one response that the model of this name wrote; None where it is not exactly one."""
    places = [place for place, model in enumerate(models) if model is not None and label_key(model) == key]
    return places[0] if len(places) == 1 else None


def _numbered(number: float, form: str, responses: int) -> int | None:
    if form == SIGNED:
        return TIE if number == 0 else int(number > 0)
    if not number.is_integer() or form not in (FROM_0, FROM_1):
        return None
    place = int(number) - (form == FROM_1)
    if form == FROM_0 and responses == 2 and place == 2:
        return TIE
    return place if place >= 0 else None


def _expected(form: str, responses: int) -> str:
    return {
        FROM_0: "0 (the first won), 1 (the second) or 2 (a tie)"
        if responses == 2
        else f"0 to {responses - 1}",
        FROM_1: f"1 to {responses}, the place of the winner",
        SIGNED: "a number: below 0 the first is better, above 0 the second",
        FIRST_TRUE: "true (the first won) or false",
        SECOND_TRUE: "true (the second won) or false",
    }.get(form, "A, B or tie, or the name of a response or of its model")


def find_form(
    values: Sequence[Any], name: str, signed: bool, own: Words, most: int, responses: Columns
) -> tuple[str | None, str]:
    """How a label counts, by its values in the first rows, and the reason; None where they do not tell.

    Args:
        values: The values there are.
        name: The column.
        signed: Whether the name says that it is a signed strength.
        own: What ``source.labels`` says; these values need no reading.
        most: How many responses a row has at most.
        responses: The columns of the responses.
    """
    open_values = [value for value in values if value is not MISSING and label_key(value) not in own]
    if any(isinstance(value, bool) or label_key(value) in ("true", "false") for value in open_values):
        return None, "it holds truth values, and nothing says of which response"
    numbers = {number for value in open_values if (number := plain_number(value)) is not None}
    if not numbers:
        return NAMES, f"`{name}` names the winner in words"
    if signed:
        return SIGNED, f"`{name}` is a signed strength: below 0 the first is better"
    return _number_form(numbers, name, most, responses)


def _number_form(numbers: set[float], name: str, most: int, responses: Columns) -> tuple[str | None, str]:
    seen = ", ".join(f"{number:g}" for number in sorted(numbers))
    said = f"`{name}` holds {seen}"
    if not numbers <= set(map(float, range(most + 1))):
        return None, f"{said}, which name no place among {most} responses"
    if 0.0 in numbers and float(most) in numbers:
        from_1 = not isinstance(responses, str) and all(
            column.endswith(str(place)) for place, column in enumerate(responses, 1)
        )
        if most != 2 or from_1:
            return None, f"{said}: it may count from 0 or from 1"
        return FROM_0, f"{said}: 0 is the first, 1 the second, 2 a tie"
    if 0.0 in numbers:
        return FROM_0, f"{said}: counted from 0, so 0 is the first"
    if float(most) in numbers:
        return FROM_1, f"{said} and no 0: counted from 1, so 1 is the first"
    if not isinstance(responses, str) and all(
        column.endswith(str(place)) for place, column in enumerate(responses)
    ):
        return FROM_0, f"{said}, and the responses are numbered from 0"
    return None, f"{said} only: it may count from 0 or from 1"
