"""Where the elements of a JSON array begin and end, found in its bytes without parsing them.

Quotes that no backslash escapes tell text from structure; brackets outside of text give the depth; a comma at
the array's own depth parts two elements. Whether an element is JSON is for the strict reader to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COMMA, _OPEN, _CLOSE, _NEWLINE = 1, 2, 3, 4
_CLASSES = np.zeros(256, dtype=np.uint8)
for _bytes, _class in ((b",", _COMMA), (b"[{", _OPEN), (b"]}", _CLOSE), (b"\r\n", _NEWLINE)):
    _CLASSES[list(_bytes)] = _class
_BLANKS = b" \t\r\n"


@dataclass(frozen=True)
class Elements:
    """What a part of an array holds.

    Attributes:
        whole: The elements that end in this part, blanks around them left out, those between their tokens
            made spaces where they are newlines; so each is one line, unless a text in it holds a newline,
            which JSON forbids.
        rest: What comes after: the beginning of an element, or what stands behind the array.
        has_ended: Whether the array ends in this part.
    """

    whole: list[bytes]
    rest: bytes
    has_ended: bool


def elements(text: bytes) -> Elements:
    """The elements in a part of an array.

    Args:
        text: The part, beginning where an element does: behind the array's bracket or a comma in it.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    classes = _CLASSES[data]
    places = np.flatnonzero(classes)
    # Within a text, an odd number of quotes came before.
    places = places[np.searchsorted(_quotes(data), places) % 2 == 0]
    kinds = classes[places]
    depth = np.cumsum((kinds == _OPEN).astype(np.int64) - (kinds == _CLOSE))
    ends = places[(kinds == _CLOSE) & (depth < 0)]
    end = int(ends[0]) if ends.size else None
    cuts = places[(kinds == _COMMA) & (depth == 0)]
    if end is not None:
        cuts = np.append(cuts[cuts < end], end)
    spaced = data.copy()
    spaced[places[kinds == _NEWLINE]] = ord(" ")
    line = spaced.tobytes()
    starts = np.concatenate(([0], cuts[:-1] + 1)) if cuts.size else cuts
    whole = [
        line[start:cut].strip(_BLANKS) for start, cut in zip(starts.tolist(), cuts.tolist(), strict=True)
    ]
    rest = text[int(cuts[-1]) + 1 :] if cuts.size else text
    return Elements(whole, rest, end is not None)


def _quotes(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where the quotes are that no backslash escapes: an even number of backslashes stands before them."""
    quotes = np.flatnonzero(data == ord('"'))
    slashes = np.flatnonzero(data == ord("\\"))
    if not slashes.size or not quotes.size:
        return quotes
    begins = np.concatenate(([True], np.diff(slashes) != 1))
    first_of_run = np.maximum.accumulate(np.where(begins, np.arange(slashes.size), 0))
    run = np.arange(slashes.size) - first_of_run + 1
    before = np.searchsorted(slashes, quotes) - 1
    behind_slash = (before >= 0) & (slashes[np.maximum(before, 0)] == quotes - 1)
    is_escaped = behind_slash & (run[np.maximum(before, 0)] % 2 == 1)
    return np.asarray(quotes[~is_escaped])
