"""Texts from data on a terminal: what would steer the terminal is shown instead of obeyed."""

from __future__ import annotations

import re
import unicodedata

_PICTURES = 0x2400
_DELETE = 0x7F
_JOINERS = "\u200c\u200d"
"""Zero-width joiner and non-joiner: scripts and emoji need them, and they steer nothing."""

_LINE_ENDS = re.compile("\r\n")
_SUSPECT = re.compile("[^\n\t\x20-\x7e]")


def visible(text: str) -> str:
    """The text with each control and format character as a sign for it; tabs and line breaks stay.

    An escape becomes ``␛`` and so begins no sequence; C1 controls, which some terminals obey too, directional
    overrides and other unseen characters become ``⟨U+202E⟩``. A line break of two characters becomes one.
    """
    return _SUSPECT.sub(lambda found: _sign(found.group()), _LINE_ENDS.sub("\n", text))


def _sign(letter: str) -> str:
    code = ord(letter)
    if code < 0x20:
        return chr(_PICTURES + code)
    if code == _DELETE:
        return "␡"
    if unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp"} and letter not in _JOINERS:
        return f"⟨U+{code:04X}⟩"
    return letter
