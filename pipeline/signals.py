"""Signals that end a process, turned into exceptions, so that what it was writing is cleared up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = ("SIGTERM", "SIGHUP")
"""Signals that end a process on the spot unless somebody handles them."""


class Ended(SystemExit):
    """A signal asked the process to end; its code is a shell's: 128 and the signal's number."""


@contextmanager
def ending_signals_raise() -> Iterator[None]:
    """Have the signals of :data:`ENDING` raise :class:`Ended` in the block, as Ctrl-C raises.

    One that is ignored (by nohup, for instance) or handled by somebody else is left so. Only a process's main
    thread may choose what signals do; elsewhere this does nothing.

    Raises:
        Ended: When such a signal comes.
    """
    changed = []
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
        changed = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(128 + number)
