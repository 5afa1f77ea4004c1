"""Fields by their names: what the first rows hold, what params name, and what is left open or unclear."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from pipeline.params import ColumnsParams
from pipeline.sources.jsonl import Row
from pipeline.sources.private.access import MISSING, value_at
from pipeline.sources.private.names import Tiers, fold_name
from pipeline.sources.private.understood import Columns

Usable = Callable[[Sequence[Any]], bool]


def holds_text(values: Sequence[Any]) -> bool:
    """Whether most values are texts that are not blank, messages or lists."""
    good = sum(
        bool(value.strip()) if isinstance(value, str) else isinstance(value, list | dict) for value in values
    )
    return bool(good) and 2 * good >= sum(
        not isinstance(value, str) or bool(value.strip()) for value in values
    )


def holds_scalars(values: Sequence[Any]) -> bool:
    """Whether most values are neither lists nor objects."""
    return bool(values) and 2 * sum(not isinstance(value, list | dict) for value in values) > len(values)


def holds_lists(values: Sequence[Any]) -> bool:
    """Whether most values are lists."""
    return bool(values) and 2 * sum(isinstance(value, list) for value in values) > len(values)


def holds_names(values: Sequence[Any]) -> bool:
    """Whether most values are texts or whole numbers."""
    return bool(values) and 2 * sum(isinstance(value, str | int) for value in values) > len(values)


class Finder:
    """Finds the columns of roles; a column has one role.

    Attributes:
        rows: The first rows, cells of JSON text read.
        fields: What was found, by role.
        why: Why, by role.
        notes: Sentences for a person.
        faults: What is wrong with ``source.columns``, or fits equally well, each with its dotted key.
        missing: What was not found, each in words.

    Args:
        rows: The first rows.
        columns: What params name.
    """

    def __init__(self, rows: Sequence[Row], columns: ColumnsParams) -> None:
        self.rows = rows
        self.fields: dict[str, Columns] = {}
        self.why: dict[str, str] = {}
        self.notes: list[str] = []
        self.faults: list[str] = []
        self.missing: list[str] = []
        self._asked: dict[str, str | list[str]] = columns.model_dump(exclude_none=True)

    @cached_property
    def names(self) -> list[str]:
        """The top-level columns, in the order in which they come up."""
        return list(dict.fromkeys(str(name) for row in self.rows for name in row))

    @cached_property
    def _by_fold(self) -> dict[str, list[str]]:
        by_fold: dict[str, list[str]] = {}
        for name in self.names:
            by_fold.setdefault(fold_name(name), []).append(name)
        return by_fold

    def values(self, column: str) -> list[Any]:
        """The values of a dotted column that are there and not null."""
        found = (value_at(row, column) for row in self.rows)
        return [value for value in found if value is not MISSING and value is not None]

    def called(self, folded_name: str) -> list[str]:
        """The columns of a folded name that hold anything and have no role yet."""
        return [
            name for name in self._by_fold.get(folded_name, []) if self.is_free(name) and self.values(name)
        ]

    def is_free(self, name: str) -> bool:
        """Whether a column has no role yet, and none in params."""
        taken = (one for columns in self.fields.values() for one in _each(columns))
        asked = (one for columns in self._asked.values() for one in _each(columns))
        return name not in (*taken, *asked)

    # --- named in params ----------------------------------------------------------------------------------

    def asked(self, role: str) -> bool:
        """Whether params name a role's column; if they do, it is taken, or a fault is noted."""
        if role in self.fields:
            return True
        if role not in self._asked:
            return False
        columns = self._asked[role]
        for column in _each(columns):
            if all(value_at(row, column) is MISSING for row in self.rows):
                self.faults.append(self._not_there(role, column))
        self.take(role, columns if isinstance(columns, str) else tuple(columns), "named in source.columns")
        return True

    def refuse_others(self, kind: str, roles: Iterable[str]) -> None:
        """Note a fault for each role that params name and the kind has no use for."""
        allowed = tuple(roles)
        self.faults += [
            f"source.columns.{role}: source.kind {kind} has no such field, expected null; "
            f"its fields are {', '.join(allowed)}"
            for role in self._asked
            if role not in allowed
        ]

    def _not_there(self, role: str, column: str) -> str:
        inner = [f"{name}.{key}" for name in self.names for key in self._keys_within(name)]
        near = difflib.get_close_matches(column, [*self.names, *inner], 1, 0.5)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return (
            f"source.columns.{role}: found {column!r}, which no row has, expected one of "
            f"{', '.join(self.names)}{meant}"
        )

    def _keys_within(self, name: str) -> list[str]:
        inner = [
            item
            for value in self.values(name)[:20]
            for item in (value if isinstance(value, list) else [value])
        ]
        return list(dict.fromkeys(str(key) for item in inner if isinstance(item, dict) for key in item))

    # --- found by name ------------------------------------------------------------------------------------

    def take(self, role: str, columns: Columns, why: str) -> None:
        """Give a role its columns."""
        self.fields[role] = columns
        self.why[role] = why

    def candidates(self, tiers: Tiers, usable: Usable) -> list[list[str]]:
        """The columns of each tier whose values are usable."""
        return [
            [name for word in tier for name in self.called(fold_name(word)) if usable(self.values(name))]
            for tier in tiers
        ]

    def find_optional(self, role: str, tiers: Tiers, usable: Usable, endings: Sequence[str] = ("",)) -> None:
        """As :meth:`find`; a column that is empty in the first rows will do, as later ones may fill it."""
        if self.find(role, tiers, usable, endings):
            return
        words = (fold_name(f"{word}{end}") for tier in tiers for word in tier for end in endings)
        names = [name for word in words for name in self._by_fold.get(word, []) if self.is_free(name)]
        empty = [name for name in dict.fromkeys(names) if not self.values(name)]
        if empty:
            self.take(role, empty[0], f"`{empty[0]}` is a usual name for it; it is empty in the first rows")

    def find(self, role: str, tiers: Tiers, usable: Usable, endings: Sequence[str] = ("",)) -> bool:
        """Give a role the column of the first tier that has one.

        Args:
            role: The role.
            tiers: Usual names.
            usable: Whether values may be the role's.
            endings: What may stand behind a name, such as the ``s`` of a plural.
        """
        if self.asked(role):
            return True
        words = tuple(tuple(f"{word}{end}" for word in tier for end in endings) for tier in tiers)
        by_tier = self.candidates(words, usable)
        found = next((list(dict.fromkeys(names)) for names in by_tier if names), [])
        if not found:
            return False
        column = self.only(role, found)
        self.take(role, column, f"`{column}` is a usual name for it")
        others = [name for names in by_tier for name in names if name not in found]
        if others:
            said = ", ".join(f"`{name}`" for name in dict.fromkeys(others))
            self.why[role] += f", and comes before {said}"
        return True

    def only(self, role: str, found: Sequence[str]) -> str:
        """The one of several columns, if all hold the same; else a fault is noted and the first is given."""
        first, *others = found
        if any(value_at(row, other) != value_at(row, first) for row in self.rows for other in others):
            self.unclear(role, found)
        return first

    def unclear(self, role: str, found: Iterable[object]) -> None:
        """Note that several columns fit a role equally well."""
        said = " and ".join(f"`{name}`" for name in found)
        self.faults.append(
            f"source.columns.{role}: {said} fit equally well, expected one of them to be named here"
        )

    def unread(self) -> list[str]:
        """Top-level columns that no role reads."""
        taken = [one for columns in self.fields.values() for one in _each(columns)]
        return [
            name for name in self.names if not any(one == name or one.startswith(f"{name}.") for one in taken)
        ]


def _each(columns: str | Sequence[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)
