"""Which response stands as A and which as B, and what a blind annotator's answer means by that."""

from __future__ import annotations

from pipeline.schema import CHOICES, SIDES


def unblind(choice: str, first: str) -> str:
    """The response an annotator preferred.

    Args:
        choice: ``A``, ``B``, ``tie`` or ``both_bad``.
        first: Which response stood as A when it was shown, ``chosen`` or ``rejected``: as it was recorded.

    Returns:
        ``chosen``, ``rejected``, ``tie`` or ``both_bad``.

    Raises:
        ValueError: If either is something else.
    """
    if choice not in CHOICES or first not in SIDES:
        raise ValueError(f"cannot un-blind choice {choice!r} with first {first!r}")
    if choice not in ("A", "B"):
        return choice
    return first if choice == "A" else other_side(first)


def other_side(side: str) -> str:
    """``rejected`` for chosen, and ``chosen`` for rejected."""
    return "rejected" if side == "chosen" else "chosen"
