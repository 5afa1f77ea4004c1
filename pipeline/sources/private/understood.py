"""What was understood of a private dataset, as one value that reading, lineage and ``check`` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Columns = str | tuple[str, ...]
"""One dotted column, or one for each response."""

TRANSCRIPT, REPEATED, IMPLICIT = "transcript", "begins with the prompt", "common beginning"
"""Forms of texts; see :attr:`Layout.forms`."""

FROM_0, FROM_1, SIGNED, NAMES = "numbers from 0", "numbers from 1", "signed strength", "names"
FIRST_TRUE, SECOND_TRUE, TRUTHS = "true: the first won", "true: the second won", "a truth value for each"
"""Forms of labels."""

ULTRAFEEDBACK = "raw UltraFeedback"


@dataclass(frozen=True)
class Layout:
    """Which field is which, and how the values of a file are written.

    Attributes:
        kind: One of :data:`~pipeline.params.source.PRIVATE_KINDS`.
        fields: Dotted column (or one for each response) by role; roles are the keys of ``source.columns``.
        why: The reason of each choice in words, by role; ``kind`` and ``rows`` may be among them.
        notes: What a person should know besides, a sentence each.
        forms: How the values of a role are written, where they are not plain: of ``prompt`` and ``chosen``
            ``transcript``, ``begins with the prompt`` or ``common beginning``; of ``label`` how it counts; of
            ``responses`` ``raw UltraFeedback``.
        encoded: Top-level columns whose cells hold lists or messages as JSON text.
    """

    kind: str
    fields: Mapping[str, Columns]
    why: Mapping[str, str]
    notes: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    encoded: frozenset[str] = frozenset()

    def as_lineage(self) -> dict[str, Any]:
        """The layout as plain JSON, for the lineage of a table."""
        return {
            "kind": self.kind,
            "fields": {
                role: columns if isinstance(columns, str) else list(columns)
                for role, columns in self.fields.items()
            },
            "why": dict(self.why),
            "notes": list(self.notes),
            "forms": dict(self.forms),
            "encoded": sorted(self.encoded),
        }
