"""Reviewing pairs at a terminal: a pair is shown, a key decides, and the answer is kept at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.curation.blind_pairs import BlindPair
from pipeline.curation.offline.answers import Answers, Row
from pipeline.curation.offline.keys import END, LAST_PAGE, NEXT_PAGE, Keys
from pipeline.curation.offline.screen import Screen, View
from pipeline.errors import PipelineError

CHOICES = {"a": "A", "b": "B", "t": "tie", "n": "both_bad"}
"""Keys that decide, and what they say."""


@dataclass(frozen=True)
class Reviewed:
    """What came of a session.

    Attributes:
        answered: Pairs that were decided in it.
        skipped: Pairs that were skipped in it.
        left: Pairs of the queue that are still open.
    """

    answered: int
    skipped: int
    left: int


@dataclass(frozen=True)
class _Done:
    """An answer that can be taken back."""

    pair_id: str
    status: str
    before: Row | None


class Review:
    """A session of one annotator.

    Args:
        pairs: The queue's pairs, as they are shown.
        answers: The annotator's answers; those that are open are asked, in the queue's order.
        screen: Where pairs are shown.
        keys: Where keys come from.
        edit: Lets the annotator edit a text; may raise :class:`PipelineError`.
        skipped: Whether pairs that were skipped are asked again.
        clock: Seconds, for the rate.
    """

    def __init__(
        self,
        pairs: Sequence[BlindPair],
        answers: Answers,
        screen: Screen,
        keys: Keys,
        edit: Callable[[str], str],
        skipped: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        is_open = set(answers.open_pairs(skipped))
        self._open = [pair for pair in pairs if pair.pair_id in is_open]
        self._total = len(pairs)
        self._answers, self._screen, self._keys, self._edit = answers, screen, keys, edit
        self._corrections = answers.corrections()
        self._history: list[_Done] = []
        self._page = 0
        self._unfolded = False
        self._message = ""
        self._clock, self._began = clock, clock()

    def run(self) -> Reviewed:
        """Show pairs and take keys until the annotator quits; every answer is kept when its key is pressed.

        Raises:
            PipelineError: If the audit table breaks the schema.
            OSError: If an answer cannot be kept.
        """
        while True:
            pages = self._draw()
            key = self._keys.next()
            self._message = ""
            if key in ("q", END):
                break
            self._press(key, pages)
        statuses = [done.status for done in self._history]
        return Reviewed(statuses.count("submitted"), statuses.count("discarded"), self._left)

    @property
    def _left(self) -> int:
        return len(self._open) - len(self._history)

    @property
    def _pair(self) -> BlindPair | None:
        return self._open[len(self._history)] if self._left else None

    def _draw(self) -> int:
        pair = self._pair
        correction = None if pair is None else self._corrections.get(pair.pair_id)
        view = View(pair, self._progress(), correction, self._message, self._unfolded, self._page)
        pages = self._screen.draw(view)
        self._page = min(self._page, pages - 1)
        return pages

    def _progress(self) -> str:
        """How many are done, how many are left, and at what rate."""
        told = f"{self._total - self._left:,} of {self._total:,} done, {self._left:,} left"
        minutes = (self._clock() - self._began) / 60
        if not self._history or minutes <= 0:
            return told
        rate = len(self._history) / minutes
        return f"{told}, {rate:.1f} a minute, about {self._left / rate:.0f} min to go"

    def _press(self, key: str, pages: int) -> None:
        pair = self._pair
        if key == "u":
            self._undo()
        elif pair is None:
            self._message = "Nothing is left: u or q"
        elif key in CHOICES:
            self._answer(pair, "submitted", CHOICES[key])
        elif key == "s":
            self._answer(pair, "discarded", None)
        elif key == "e":
            self._correct(pair)
        elif key == "f":
            self._unfolded = not self._unfolded
        elif key in (NEXT_PAGE, LAST_PAGE):
            self._page = max(0, min(self._page + (1 if key == NEXT_PAGE else -1), pages - 1))
        else:
            self._message = f"{key} does nothing"

    def _answer(self, pair: BlindPair, status: str, choice: str | None) -> None:
        correction = self._corrections.get(pair.pair_id)
        before = self._answers.save(pair.pair_id, status, choice, correction)
        self._history.append(_Done(pair.pair_id, status, before))
        said = "skipped" if choice is None else choice.replace("_", " ")
        self._turn_to(f"{pair.pair_id}: {said}")

    def _undo(self) -> None:
        if not self._history:
            self._message = "Nothing to undo in this session"
            return
        done = self._history.pop()
        self._answers.put_back(done.pair_id, done.before)
        self._turn_to(f"{done.pair_id}: taken back")

    def _correct(self, pair: BlindPair) -> None:
        """Ask which response to begin with, and keep what the annotator makes of it as a draft."""
        self._message = "Correct which, a or b? Any other key: neither"
        self._draw()
        key = self._keys.next()
        self._message = ""
        if key not in ("a", "b"):
            return
        text = self._corrections.get(pair.pair_id, pair.a if key == "a" else pair.b)
        try:
            edited = self._edit(text)
        except PipelineError as error:
            self._message = error.paragraph()
            return
        if not edited.strip() or edited in (pair.a, pair.b):
            self._message = "Nothing was corrected"
            return
        self._corrections[pair.pair_id] = edited
        self._answers.save(pair.pair_id, "draft", None, edited)
        self._message = "The correction is kept; now choose"

    def _turn_to(self, message: str) -> None:
        self._page, self._unfolded, self._message = 0, False, message
