"""Texts as cells of a spreadsheet, so that none is run as a formula or turned into a number, and back.

A spreadsheet that opens a CSV file takes ``=HYPERLINK(...)`` for a formula, whatever the quotes around it
(CWE-1236, OWASP's "CSV injection"), and saves ``007`` as ``7`` and ``1/2`` as a date. Such a text gets an
apostrophe in front, which makes it plain text, and loses it when it is read.
"""

from __future__ import annotations

import re

MAX_CELL = 32_767
"""UTF-16 units that a cell holds (Excel's specifications and limits); it cuts the rest off."""

_MARK = "'"
# What begins a formula, in ASCII and full width; white space before it is passed over by some programs.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMERIC = re.compile(r"[\d\s.,:/eE+\-%()'$€£¥]*")
_LETTERS = re.compile(r"[^\W\d_]+")
_BOOLEANS = {"true", "false"}
# Dates are short and have few words: "Monday, January 5, 2026 3:00 PM".
_DATE_CHARS, _DATE_WORDS = 40, 3


def guard(text: str) -> str:
    """The cell for a text: with an apostrophe in front if a spreadsheet would not leave it as it is."""
    return _MARK + text if _is_taken(text) else text


def unguard(cell: str) -> str:
    """The text of a cell: ``unguard(guard(text)) == text`` for every text."""
    return cell[1:] if cell.startswith(_MARK) and _is_taken(cell) else cell


def cell_units(text: str) -> int:
    """How long the cell for a text is, in UTF-16 units, as :data:`MAX_CELL` counts."""
    return len(guard(text).encode("utf-16-le")) // 2


def _is_taken(text: str) -> bool:
    """Whether a spreadsheet takes a text for something else.

    Apostrophes in front make no difference to the answer; that is why guarding can be undone exactly.
    """
    bare = text.lstrip(_MARK)
    if _FORMULA.match(bare) or bare.strip().casefold() in _BOOLEANS:
        return True
    if not any(letter.isdecimal() for letter in bare):
        return False
    is_date_like = len(bare) <= _DATE_CHARS and len(_LETTERS.findall(bare)) <= _DATE_WORDS
    return is_date_like or _NUMERIC.fullmatch(bare) is not None
