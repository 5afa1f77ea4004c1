"""Rows damaged on purpose, with their structure in mind: what the fuzz of the readers is fed.

Every choice is drawn from one :class:`random.Random`, so that a seed, or Hypothesis, decides all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

Row = dict[str, Any]
Path = tuple[Any, ...]


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


SCALARS = [None, True, False, 0, -1, 2.5, 10**25, 10**400, 1e308, -0.0]
TEXTS = [
    "",
    " ",
    "x",
    "3",
    "N/A",
    "NaN",
    "true",
    "5.5",
    "\x00",
    "a\u2028b",
    "\ud800",
    "\u202e\u0301",
    "y" * 30_000,
]
SHAPES: list[Any] = [
    [],
    {},
    [None],
    [[]],
    {"a": {"b": {}}},
    [{"Rating": "2"}],
    {"Rating": 4},
    [{"role": "tool", "content": "x"}],
    [{"role": "system", "content": "x"}, {"role": "system", "content": "y"}],
    [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
    [{"role": "user"}],
    [{"content": None, "role": None}],
    _nested(60),
    _nested(450),
]
_JUNK: list[list[Any]] = [SCALARS, TEXTS, SHAPES]
LITERALS = [b"NaN", b"-Infinity", b"1e999", b"01", b"tru", b"'a'", b"9" * 5000, b'"\\u12"', b"\xff"]
"""What stands in a line in place of a value, and is no JSON or more than a number can be."""


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value within a row."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutated_row(row: Row, random: Random) -> Row:
    """A copy with one to three of its values dropped, replaced, retyped, nested, doubled or renamed."""
    row = deepcopy(row)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        # Not into what was nested on purpose: most paths would lie there.
        paths = [path for path in places(row) if len(path) < 8]
        if paths:
            random.choice(_CHANGES)(row, random.choice(paths), random)
    return row


def mutated_line(row: Row, random: Random) -> bytes:
    """A row, its structure mutated, its bytes, both or neither; it may have become no line, or several."""
    if random.random() < 0.7:
        row = mutated_row(row, random)
    # Half of a surrogate pair has no UTF-8, but an escape.
    line = json.dumps(row).encode()
    if random.random() < 0.3:
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if random.random() < 0.4:
        line = random.choice(_DAMAGES)(line, random)
    return line


# --- values ---------------------------------------------------------------------------------------------


def _holder(row: Row, path: Path) -> Any:
    holder: Any = row
    for step in path[:-1]:
        holder = holder[step]
    return holder


def _drop(row: Row, path: Path, random: Random) -> None:
    del _holder(row, path)[path[-1]]


def _replace(row: Row, path: Path, random: Random) -> None:
    _holder(row, path)[path[-1]] = deepcopy(random.choice(random.choice(_JUNK)))


def _retype(row: Row, path: Path, random: Random) -> None:
    holder, last = _holder(row, path), path[-1]
    value = holder[last]
    ways: list[Callable[[Any], Any]] = [str, lambda value: [value], lambda value: {"value": value}, bool]
    holder[last] = random.choice(ways)(value)


def _double(row: Row, path: Path, random: Random) -> None:
    holder, last = _holder(row, path), path[-1]
    if isinstance(holder, list):
        holder.insert(last, deepcopy(holder[last]))
    else:
        holder[f"{last} again"] = deepcopy(holder[last])


def _rename(row: Row, path: Path, random: Random) -> None:
    holder, last = _holder(row, path), path[-1]
    if isinstance(holder, dict):
        name = random.choice([str(last).upper(), f"{last} ", f"\ufeff{last}", "", str(last)[:-1]])
        holder[name] = holder.pop(last)


def _swap(row: Row, path: Path, random: Random) -> None:
    others = [other for other in places(row) if len(other) == len(path) and other[:-1] == path[:-1]]
    holder, other = _holder(row, path), random.choice(others)[-1]
    holder[path[-1]], holder[other] = holder[other], holder[path[-1]]


_CHANGES: tuple[Callable[[Row, Path, Random], None], ...] = (
    _drop,
    _replace,
    _replace,
    _retype,
    _double,
    _rename,
    _swap,
)

# --- bytes ----------------------------------------------------------------------------------------------


def _truncate(line: bytes, random: Random) -> bytes:
    return line[: random.randrange(len(line) + 1)]


def _flip(line: bytes, random: Random) -> bytes:
    data = bytearray(line)
    for _ in range(random.choice([1, 1, 4])):
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def _insert(line: bytes, random: Random) -> bytes:
    place = random.randrange(len(line) + 1)
    put = random.choice(
        [b"\x00", b"\n", b"\r", b"\x1f", b"\xef\xbb\xbf", b"\\", b'"', b"{", b"}", b"]", b"\xc0\x80"]
    )
    return line[:place] + put + line[place:]


def _wrap(line: bytes, random: Random) -> bytes:
    before = random.choice([b"", b" ", b"\xef\xbb\xbf", b"[", b"\t"])
    return before + line + random.choice([b"", b" ", b"\r", b",", b"]", b" {}", b"\x00"])


def _literal(line: bytes, random: Random) -> bytes:
    """Another literal in place of one of the values."""
    colons = [place for place in range(len(line)) if line[place : place + 2] == b": "]
    if not colons:
        return line
    start = random.choice(colons) + 2
    ends = [end for end in (line.find(b",", start), line.find(b"}", start)) if end >= 0]
    return line[:start] + random.choice(LITERALS) + line[min(ends, default=len(line)) :]


def _repeat_key(line: bytes, random: Random) -> bytes:
    """A key a second time, spelt as it is or with an escape."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(row, dict) or not row:
        return line
    key = random.choice(list(row))
    name = json.dumps(key)
    if key and random.random() < 0.5:
        name = f'"\\u{ord(key[0]):04x}{name[2:]}' if ord(key[0]) < 0x80 and key[0] not in '"\\' else name
    return b"{" + name.encode() + b": " + json.dumps(random.choice(SCALARS[:6])).encode() + b", " + line[1:]


_DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _truncate,
    _flip,
    _insert,
    _wrap,
    _literal,
    _repeat_key,
)


def damaged_file(content: bytes, random: Random) -> bytes:
    """A file cut off, with bytes flipped, a piece taken out, doubled, or zeroed."""
    if not content:
        return content
    start = random.randrange(len(content))
    end = min(len(content), start + random.choice([1, 4, 64, 1024]))
    piece = content[start:end]
    ways = [
        lambda: content[:start],
        lambda: _flip(content, random),
        lambda: content[:start] + content[end:],
        lambda: content[:end] + piece + content[end:],
        lambda: content[:start] + bytes(len(piece)) + content[end:],
        lambda: content[:start] + random.randbytes(len(piece)) + content[end:],
    ]
    return random.choice(ways)()
