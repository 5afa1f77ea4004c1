"""Keys as a person presses them, one at a time, from a terminal or from a list of them."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pipeline.errors import PipelineError

END = "end"
"""Comes when no key can come any more: end of input, Ctrl-C or Ctrl-D."""

NEXT_PAGE, LAST_PAGE = "next page", "last page"

_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|.", re.DOTALL)
_NAMES = {
    " ": NEXT_PAGE,
    "\x1b[6~": NEXT_PAGE,
    "\x1b[B": NEXT_PAGE,
    "\x1bOB": NEXT_PAGE,
    "\x7f": LAST_PAGE,
    "\x08": LAST_PAGE,
    "\x1b[5~": LAST_PAGE,
    "\x1b[A": LAST_PAGE,
    "\x1bOA": LAST_PAGE,
    "\x04": END,
}


class Keys(Protocol):
    """Where keys come from."""

    def next(self) -> str:
        """The next key: a character in lower case, or one of the names above; :data:`END` at the end."""


def split_keys(typed: str) -> list[str]:
    """What was typed, key by key: an escape sequence is one key."""
    return [_NAMES.get(key, key.lower()) for key in _SEQUENCE.findall(typed)]


class TerminalKeys:
    """Keys from a terminal, unechoed and without Enter, while :meth:`opened`; typed ahead, none is lost."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._cooked: list[Any] | None = None

    @contextmanager
    def opened(self) -> Iterator[TerminalKeys]:
        """Take the keys one by one while the block runs; the terminal is as before afterwards."""
        self._take()
        try:
            yield self
        finally:
            self._give_back()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the terminal to another program, such as an editor, while the block runs."""
        self._give_back()
        try:
            yield
        finally:
            self._take()

    def next(self) -> str:
        """The next key; waits for it."""
        while not self._waiting:
            try:
                read = os.read(self._descriptor, 1024)
            except KeyboardInterrupt:
                return END
            if not read:
                return END
            self._waiting += split_keys(self._decoder.decode(read))
        return self._waiting.pop(0)

    def _take(self) -> None:
        # Only there on POSIX, where alone this is run.
        import termios
        import tty

        self._cooked = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor, termios.TCSADRAIN)

    def _give_back(self) -> None:
        import termios

        if self._cooked is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._cooked)


def terminal_keys() -> TerminalKeys:
    """The keys of the terminal this program runs in.

    Raises:
        PipelineError: If it runs in none, or on a system without POSIX terminals.
    """
    if os.name != "posix" or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise PipelineError(
            "There is no terminal to review at",
            expected="standard input and output at a terminal",
            hint="Use `python -m pipeline curate export` and `import` instead",
        )
    return TerminalKeys(sys.stdin.fileno())
