"""Reviewing: each key does what it says, answers are kept at once, no text steers the terminal."""

import io
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipeline.curation.annotations import AUDIT, read_annotations
from pipeline.curation.blind_pairs import BlindPair, blind_pairs, prompt_text
from pipeline.curation.offline.answers import Answers
from pipeline.curation.offline.editor import edit_text
from pipeline.curation.offline.keys import END, LAST_PAGE, NEXT_PAGE, TerminalKeys, split_keys
from pipeline.curation.offline.review import Review, Reviewed
from pipeline.curation.offline.screen import Screen, View
from pipeline.errors import PipelineError
from pipeline.visible import visible
from tests.curation.queues import pair_id, queue, queued

QUEUE = queue(*(queued(number) for number in range(4)))


class Typed:
    """Keys from a list; after each, the test may look at what is on the disk."""

    def __init__(self, typed: str) -> None:
        self._keys = iter(split_keys(typed))

    def next(self) -> str:
        return next(self._keys, END)


def console(width: int = 80, height: int = 40) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def review(
    root: Path,
    typed: str,
    annotator: str = "anna",
    frame: pl.DataFrame = QUEUE,
    edit: Any = None,
    skipped: bool = False,
    on: Console | None = None,
) -> Reviewed:
    ticks: Iterator[float] = (30.0 * tick for tick in count())
    session = Review(
        list(blind_pairs(frame)),
        Answers(frame, annotator, root),
        Screen(on or console()),
        Typed(typed),
        edit or (lambda text: text),
        skipped,
        lambda: next(ticks),
    )
    return session.run()


def kept(root: Path) -> list[tuple[Any, ...]]:
    return read_annotations(root).select("pair_id", "status", "choice", "preferred", "correction").rows()


# --- keys -----------------------------------------------------------------------------------------------


def test_each_choice_is_unblinded_and_kept(tmp_path: Path) -> None:
    assert review(tmp_path, "abtn") == Reviewed(4, 0, 0)
    assert kept(tmp_path) == [
        (pair_id(0), "submitted", "A", "chosen", None),
        (pair_id(1), "submitted", "B", "chosen", None),
        (pair_id(2), "submitted", "tie", "tie", None),
        (pair_id(3), "submitted", "both_bad", "both_bad", None),
    ]
    rows = read_annotations(tmp_path)
    assert set(rows.select("annotator", "where").rows()) == {("anna", "review")}
    assert rows["texts_sha256"].to_list() == QUEUE["texts_sha256"].to_list()


def test_an_answer_is_on_the_disk_before_the_next_key(tmp_path: Path) -> None:
    heights = []

    class Looking(Typed):
        def next(self) -> str:
            heights.append(read_annotations(tmp_path).height)
            return super().next()

    pairs = list(blind_pairs(QUEUE))
    Review(pairs, Answers(QUEUE, "anna", tmp_path), Screen(console()), Looking("abu"), edit_text).run()
    assert heights == [0, 1, 2, 1]


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    assert review(tmp_path, "aq") == Reviewed(1, 0, 3)
    assert review(tmp_path, "b") == Reviewed(1, 0, 2)
    assert [row[0] for row in kept(tmp_path)] == [pair_id(0), pair_id(1)]
    # Another annotator begins at the beginning, and a pair with other texts is another question.
    assert review(tmp_path, "", annotator="ben").left == 4
    changed = queue(queued(0, chosen="Another answer."), *(queued(number) for number in range(1, 4)))
    assert review(tmp_path, "", frame=changed).left == 3


def test_skipped_pairs_come_again_only_when_asked_for(tmp_path: Path) -> None:
    assert review(tmp_path, "sa") == Reviewed(1, 1, 2)
    assert kept(tmp_path)[0] == (pair_id(0), "discarded", None, None, None)
    assert review(tmp_path, "").left == 2
    assert review(tmp_path, "t", skipped=True) == Reviewed(1, 0, 2)
    assert kept(tmp_path)[0][1:3] == ("submitted", "tie")


def test_undo_takes_back_one_by_one(tmp_path: Path) -> None:
    on = console()
    assert review(tmp_path, "abuub", on=on) == Reviewed(1, 0, 3)
    assert kept(tmp_path) == [(pair_id(0), "submitted", "B", "rejected", None)]
    review(tmp_path, "u", on=on)
    assert "Nothing to undo in this session" in shown(on)


def test_the_last_answer_can_be_taken_back(tmp_path: Path) -> None:
    on = console()
    assert review(tmp_path, "aaaaxub", on=on) == Reviewed(4, 0, 0)
    assert kept(tmp_path)[3][1:3] == ("submitted", "B")
    assert "Every pair of the queue is answered" in shown(on)


def test_other_keys_do_nothing(tmp_path: Path) -> None:
    on = console()
    assert review(tmp_path, "xA", on=on) == Reviewed(1, 0, 3)
    assert "x does nothing" in shown(on)


def test_keys_are_told_apart_however_they_arrive() -> None:
    assert split_keys("aB \x1b[6~\x1b[A\x7f\x04é") == [
        "a",
        "b",
        NEXT_PAGE,
        NEXT_PAGE,
        LAST_PAGE,
        LAST_PAGE,
        END,
        "é",
    ]


def test_a_terminals_keys_come_one_by_one_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    read = iter([b"ab\xc3", b"\xa9\x1b[B", b""])
    monkeypatch.setattr("os.read", lambda descriptor, most: next(read))
    keys = TerminalKeys(0)
    assert [keys.next() for _ in range(5)] == ["a", "b", "é", NEXT_PAGE, END]


def test_ctrl_c_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int, most: int) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.read", interrupted)
    assert TerminalKeys(0).next() == END


# --- corrections ----------------------------------------------------------------------------------------


def test_a_correction_waits_for_the_choice_and_goes_with_it(tmp_path: Path) -> None:
    given = []

    def edit(text: str) -> str:
        given.append(text)
        return "The best answer."

    assert review(tmp_path, "ebq", edit=edit) == Reviewed(0, 0, 4)
    assert given == ["The bad answer to 0."]
    assert kept(tmp_path) == [(pair_id(0), "draft", None, None, "The best answer.")]
    # In the next session it is shown, and the editor begins with it.
    on = console()
    assert review(tmp_path, "eaa", edit=edit, on=on) == Reviewed(1, 0, 3)
    assert "your correction" in shown(on)
    assert given[1] == "The best answer."
    assert kept(tmp_path) == [(pair_id(0), "submitted", "A", "chosen", "The best answer.")]


def test_undo_leaves_the_correction_as_a_draft(tmp_path: Path) -> None:
    review(tmp_path, "eaau", edit=lambda text: "Better.")
    assert kept(tmp_path) == [(pair_id(0), "draft", None, None, "Better.")]


@pytest.mark.parametrize("edited", ["", " \n", "The good answer to 0.", "The bad answer to 0."])
def test_no_correction_is_none(tmp_path: Path, edited: str) -> None:
    review(tmp_path, "eaa", edit=lambda text: edited)
    assert kept(tmp_path) == [(pair_id(0), "submitted", "A", "chosen", None)]


def test_a_broken_editor_or_another_key_changes_nothing(tmp_path: Path) -> None:
    def broken(text: str) -> str:
        raise PipelineError("The editor gave no text")

    on = console()
    assert review(tmp_path, "eaet", edit=broken, on=on) == Reviewed(0, 0, 4)
    assert "The editor gave no text" in shown(on)
    assert not (tmp_path / AUDIT).exists()


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("one", "printf 'two\\n' >", "two"),
        ("one\n", "printf 'two\\n' >", "two\n"),
        ("a\r\nb\x00", "true", "a\r\nb\x00"),
    ],
)
def test_the_editor_gives_the_text_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, script: str, expected: str
) -> None:
    editor = tmp_path / "my editor"
    editor.write_text(f'#!/bin/sh\n{script} "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"'{editor}'")
    assert edit_text(text) == expected


@pytest.mark.parametrize("editor", ["false", "/no/such/editor", "sh -c 'printf \"\\377\" > $0'"])
def test_an_editor_that_gives_no_text_is_said(monkeypatch: pytest.MonkeyPatch, editor: str) -> None:
    monkeypatch.setenv("VISUAL", editor)
    with pytest.raises(PipelineError, match="The editor gave no text"):
        edit_text("one")


# --- what is seen ---------------------------------------------------------------------------------------


def test_the_screen_is_blind_and_shows_progress(tmp_path: Path) -> None:
    on = console()
    review(tmp_path, "a", on=on)
    text = shown(on)
    first, second = text.split("0 of 4 done, 4 left")[1].split("1 of 4 done, 3 left")
    assert first.index("The good answer to 0.") < first.index("The bad answer to 0.")
    assert second.index("The bad answer to 1.") < second.index("The good answer to 1.")
    # The clock moves half a minute at each look: one answer, three pairs to go.
    assert ", 1.0 a minute, about 3 min to go" in second
    assert "chosen" not in text and "rejected" not in text


def pair(prompt: str = "Why?", a: str = "This.", b: str = "That.") -> BlindPair:
    return BlindPair("0" * 16, prompt, [{"role": "user", "content": prompt}], a, b)


def draw(view: View, width: int = 80, height: int = 40) -> tuple[int, list[str]]:
    on = console(width, height)
    return Screen(on).draw(view), shown(on).split("\n")


@pytest.mark.parametrize(("width", "beside"), [(99, False), (100, True)])
def test_responses_stand_beside_each_other_where_there_is_room(width: int, beside: bool) -> None:
    _, lines = draw(View(pair(), ""), width)
    assert any("This." in line and "That." in line for line in lines) is beside


@pytest.mark.parametrize("width", [60, 140])
def test_every_line_of_a_long_text_is_on_some_page(width: int) -> None:
    words = [f"word{number}" for number in range(300)]
    view = View(pair(a="\n".join(words), b="x" * 1000), "")
    pages, _ = draw(view, width, 20)
    seen: list[str] = []
    for page in range(pages):
        _, lines = draw(View(view.pair, "", page=page), width, 20)
        assert len(lines) <= 20
        assert f"page {page + 1} of {pages}" in "\n".join(lines)
        seen += lines
    text = "\n".join(seen)
    assert [word for word in words if f"{word} " not in text] == []
    assert text.count("x") == 1000 + text.count("next") + text.count("exp")


def test_a_long_prompt_is_folded_until_it_is_unfolded() -> None:
    long = pair(prompt="\n".join(f"line{number}" for number in range(50)))
    pages, lines = draw(View(long, ""))
    text = "\n".join(lines)
    assert pages == 1 and "line5" in text and "line49" not in text
    # 40 lines less head, help (2), page and cursor are 35, of which a third is 11; the panel has 52.
    assert "... 41 more lines of the prompt: f shows them" in text
    text = "\n".join(line for page in (0, 1) for line in draw(View(long, "", unfolded=True, page=page))[1])
    assert "line49" in text and "more lines" not in text


def test_paging_stops_at_the_ends_and_a_new_pair_begins_at_the_first(tmp_path: Path) -> None:
    frame = queue(queued(0, chosen="\n".join("abc" for _ in range(100))), queued(1))
    on = console()
    review(tmp_path, "\x7f" + " " * 9 + "a", frame=frame, on=on)
    text = shown(on)
    assert "page 1 of 4" in text and "page 4 of 4" in text
    assert "What is 1?" in text


@settings(max_examples=30)
@given(
    st.text(st.one_of(st.sampled_from("\x1b\x9b\x07\r\x7f\u202e\u2066[]0;"), st.characters(codec="utf-8")))
)
def test_nothing_in_a_text_steers_the_terminal(text: str) -> None:
    steering = {
        letter for letter in visible(text) if unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp"}
    }
    assert steering <= {"\n", "\t", "\u200c", "\u200d"}
    on = console()
    Screen(on).draw(View(pair(text, text, text), "", correction=text, message=text))
    forbidden = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2066"} - {"\n"}
    assert forbidden.isdisjoint(shown(on))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x1b[2Jb", "a␛[2Jb"),
        ("\x9b31m\x07\x7f", "⟨U+009B⟩31m␇␡"),
        ("one\r\ntwo\rthree\n\tfour", "one\ntwo␍three\n\tfour"),
        ("\u202eabc\u2028", "⟨U+202E⟩abc⟨U+2028⟩"),
        ("naïve 👩\u200d💻 日本", "naïve 👩\u200d💻 日本"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_control_characters_are_shown(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_markup_in_a_text_is_text() -> None:
    assert "[red]no[/red]" in "\n".join(draw(View(pair(a="[red]no[/red]"), ""))[1])


def test_a_conversation_has_its_roles() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert prompt_text(messages) == "[system]\nBe brief.\n\n[user]\nHi"
    assert prompt_text(messages[1:]) == "Hi"
