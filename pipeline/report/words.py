"""Numbers, nested values and conversations as words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.intervals import wilson_interval

DASH = "–"

Messages = list[dict[str, str]]
"""A conversation: messages with ``role`` and ``content``."""


def share(value: float | None) -> str:
    """A share as a percentage; a dash for None."""
    return DASH if value is None else f"{value:.1%}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of decimals, a dash for None; never "-0.000"."""
    if value is None:
        return DASH
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """A change, with its sign; no sign where it rounds to nothing."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+,.{digits}f}" if rounded else f"{0:.{digits}f}"


def interval(passed: int, total: int) -> str:
    """Wilson's 95 % interval of a share, as ``65–82 %``; empty for a total of 0."""
    if total == 0:
        return ""
    found = wilson_interval(passed / total, total)
    return f"{found.low * 100:.0f}–{found.high * 100:.0f}%"


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as dotted keys with their values as text, in the mapping's own order."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows.extend(flat(value, f"{name}."))
        else:
            rows.append((name, _text(value)))
    return rows


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in nested mappings by their dotted keys, in the mapping's own order; the rest left out."""
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = float(value)
    return found


def _text(value: object) -> str:
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        # Seeds, counts, sizes: grouped from five digits on, so that years and ports stay as they are.
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def start_of(text: str, chars: int, lines: int = 12) -> str | None:
    """The beginning of a long text, to stand for it while it is folded; None for a text that is not long."""
    start = "\n".join(text.split("\n")[:lines])[:chars].rstrip()
    # A fold that would hide next to nothing is not worth a click.
    return start if len(text) - len(start) > chars // 4 else None


def title(name: str) -> str:
    """An identifier as words: ``end_with`` becomes ``end with``."""
    return name.replace("_", " ")


def messages(prompt: object) -> Messages:
    """A conversation as a table's row holds it; empty for null."""
    return [dict(message) for message in prompt] if isinstance(prompt, list) else []


def conversation(prompt: object) -> str:
    """A conversation as text: a single message as it is, several with their roles."""
    turns = messages(prompt)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def p_value(value: float) -> str:
    """The probability of a difference this large by chance, as ``p = 0.012``; small ones as ``p < 0.001``."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def size(count: float | None) -> str:
    """Bytes in the unit that suits them (powers of 1024); a dash for None."""
    if count is None:
        return DASH
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """Seconds as ``4.2 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
