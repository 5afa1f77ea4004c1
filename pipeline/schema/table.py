"""What a table is: its columns, its key, and the invariants every row keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""A conversation: messages in order, each with a role (system, user, assistant) and its text."""


@dataclass(frozen=True)
class Column:
    """One column: its dtype, what it means, whether null is allowed, and whether few values recur.

    A column whose values recur is written as a dictionary; for long or distinct texts that only costs time.
    """

    dtype: pl.DataType | type[pl.DataType]
    doc: str
    nullable: bool = False
    recurs: bool = False


@dataclass(frozen=True)
class Table:
    """A named set of columns, its key, and invariants every row keeps.

    Attributes:
        name: The table's name, as errors and lineage call it.
        columns: Columns in file order.
        key: Columns that together name one row.
        invariants: Name to an expression that is true for a good row (null counts as true).
        ids_of_rows: Columns that name a row in an error message.
    """

    name: str
    columns: dict[str, Column]
    key: tuple[str, ...]
    invariants: dict[str, Callable[[], pl.Expr]] = field(default_factory=dict)

    def schema(self) -> pl.Schema:
        """The Polars schema."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    def empty(self) -> pl.DataFrame:
        """A frame with these columns and no rows."""
        return pl.DataFrame(schema=self.schema())
