"""docs/troubleshooting.md has an entry for every error the pipeline may give, and for no other.

An entry begins with the error's text in bold, up to its full stop; what varies in it is written ``...``.
Several texts that ask for the same stand before one explanation.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.project.problems import Unknown, problems

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^- ((?:\*\*.+?\*\*(?:,\s+|:?\s+))+)(.*?)(?=^- |^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)


FOUND = problems(ROOT / "pipeline")


def listed() -> list[str]:
    """The texts of all entries, in their order."""
    return [
        " ".join(text.split()).removesuffix(".") if not text.endswith("...") else " ".join(text.split())
        for head, _ in ENTRIES
        for text in re.findall(r"\*\*(.+?)\*\*", head, re.DOTALL)
    ]


def test_every_error_has_an_entry() -> None:
    assert len(FOUND) > 150
    missing = {text: files for text, files in FOUND.items() if text not in listed()}
    told = "\n".join(f"- **{text}**  <- {', '.join(files)}" for text, files in missing.items())
    assert not missing, f"no entry in docs/troubleshooting.md for:\n{told}"


def test_no_entry_is_of_an_error_that_is_no_more() -> None:
    assert sorted(set(listed()) - set(FOUND)) == []


def test_no_text_stands_there_twice() -> None:
    assert sorted({text for text in listed() if listed().count(text) > 1}) == []


def test_every_entry_says_something_and_is_short() -> None:
    for head, body in ENTRIES:
        words = body.split()
        assert 3 <= len(words) <= 75, head


def test_lines_are_no_longer_than_a_screen() -> None:
    # A text of an error is not broken, so that it is found.
    assert [line for line in PAGE.splitlines() if len(line) > 118 and not line.startswith("  **")] == []


def code(tmp_path: Path, text: str) -> Path:
    (tmp_path / "module.py").write_text(textwrap.dedent(text))
    return tmp_path


def test_texts_are_followed_to_where_they_are_written(tmp_path: Path) -> None:
    folder = code(
        tmp_path,
        """
        WORDS = "At the module's level"

        class Fault:
            row: int
            problem: str

        def plain(name, few):
            if few:
                raise PipelineError("Plain", file=name)
            raise errors.PipelineError(f"{name} is {few} too", hint="no")

        def chosen(few):
            problem, other = "First" if few else "Second", 1
            raise PipelineError(problem)

        def joined(few):
            raise PipelineError("A " + ("b" if few else "c"))

        def fault(what, text): return PipelineError(text)

        def calls():
            raise fault(1, "By place")
            raise self.fault(text="By name")

        def faults(): return Fault(3, "In a fault")

        def first(found): raise PipelineError(found[0].problem)

        def level(): raise PipelineError(WORDS)

        class RowError(PipelineError):
            def __init__(self, reason, problem): pass

        def kinds(): raise RowError("reason", "Of another kind")

        def outer():
            def inner(problem): return PipelineError(problem)
            handed_on(inner)

        def handed_on(inner): raise inner("Through a function that is handed on")

        TABLE = {1: ("In a table", "hint"), 2: ("In its second line", "hint")}

        def words(code): return TABLE.get(code, ("Else", "hint"))

        def looked_up(code):
            problem, hint = words(code)
            raise PipelineError(problem, hint=hint)
        """,
    )
    assert sorted(problems(folder)) == [
        "... is ... too",
        "A b",
        "A c",
        "At the module's level",
        "By name",
        "By place",
        "Else",
        "First",
        "In a fault",
        "In a table",
        "In its second line",
        "Of another kind",
        "Plain",
        "Second",
        "Through a function that is handed on",
    ]
    assert problems(folder)["Plain"] == ["module.py"]


@pytest.mark.parametrize(
    "text",
    ["def f(): raise PipelineError(g())", "def f(text): raise PipelineError(text)", "PipelineError(nowhere)"],
)
def test_a_text_that_cannot_be_told_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unknown, match=r"^module\.py:1: "):
        problems(code(tmp_path, text))
