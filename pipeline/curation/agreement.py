"""How far annotators agree: Krippendorff's alpha of all, and each with the majority of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import krippendorff
import numpy as np

Votes = Mapping[str, str]
"""Of one unit: what each annotator said."""


@dataclass(frozen=True)
class AnnotatorAgreement:
    """One annotator beside the others.

    Attributes:
        votes: Units they judged.
        compared: Of these the units on which more than half of the others say one thing.
        agreed: Of these the units on which the annotator says it too.
        share: agreed / compared; None where nothing can be compared.
    """

    votes: int
    compared: int
    agreed: int
    share: float | None


@dataclass(frozen=True)
class Agreement:
    """Agreement of all annotators.

    Attributes:
        alpha: Krippendorff's alpha for nominal data: 1 for perfect agreement, 0 for what chance gives, less
            for systematic disagreement. None where no unit has two votes, or all votes are the same, so that
            chance would agree as well.
        overlapping: Units with two votes or more, of which alpha is made.
        annotators: By name, in alphabetical order.
    """

    alpha: float | None
    overlapping: int
    annotators: dict[str, AnnotatorAgreement]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON-able mappings."""
        return asdict(self)


def agreement(units: Sequence[Votes]) -> Agreement:
    """The agreement of annotators on units.

    Args:
        units: What each annotator said of each unit, in any words; annotators need not judge every unit.
    """
    names = sorted({name for votes in units for name in votes})
    return Agreement(
        alpha=nominal_alpha(units),
        overlapping=sum(len(votes) > 1 for votes in units),
        annotators={name: _of_annotator(name, units) for name in names},
    )


def nominal_alpha(units: Sequence[Votes]) -> float | None:
    """Krippendorff's alpha for nominal data (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    Args:
        units: What each annotator said of each unit; units with one vote say nothing and are left out.

    Returns:
        At most 1; None where it is not defined (see :class:`Agreement`).
    """
    paired = [Counter(votes.values()) for votes in units if len(votes) > 1]
    values = sorted({value for counted in paired for value in counted})
    if len(values) < 2:
        return None
    counts = np.array([[counted[value] for value in values] for counted in paired])
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def _of_annotator(name: str, units: Sequence[Votes]) -> AnnotatorAgreement:
    own = [votes for votes in units if name in votes]
    pairs = [(votes[name], _majority(votes, without=name)) for votes in own]
    compared = [(said, others) for said, others in pairs if others is not None]
    agreed = sum(said == others for said, others in compared)
    return AnnotatorAgreement(len(own), len(compared), agreed, agreed / len(compared) if compared else None)


def _majority(votes: Votes, without: str) -> str | None:
    """What more than half of the others say."""
    counted = Counter(value for name, value in votes.items() if name != without)
    if not counted:
        return None
    value, count = counted.most_common(1)[0]
    return value if 2 * count > counted.total() else None
