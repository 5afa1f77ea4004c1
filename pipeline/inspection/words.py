"""Counts, shares, times and sizes as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping

_TIMES = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"))
_SIZES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def time_words(seconds: float | None) -> str:
    """About how long, with two digits: ``12 s``, ``3.5 min``, ``2 h``; a question mark for None."""
    if seconds is None:
        return "?"
    for size, unit in _TIMES:
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}" if seconds < 99 * size else f"{seconds / size:,.0f} {unit}"
    return f"{max(1, round(seconds))} s"


def size_words(count: int | None) -> str:
    """Bytes in powers of ten, with three digits: ``478 kB``; a question mark for None."""
    if count is None:
        return "?"
    for size, unit in _SIZES:
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def share_words(count: int, total: int) -> str:
    """A count and its share: ``12 (3.4%)``."""
    return f"{count:,} ({count / total:.1%})" if total else f"{count:,}"


def reasons_words(dropped: Mapping[str, int], total: int) -> str:
    """Counts with shares by reason, in the order given; a dash for none."""
    return ", ".join(f"{reason} {share_words(count, total)}" for reason, count in dropped.items()) or "-"
