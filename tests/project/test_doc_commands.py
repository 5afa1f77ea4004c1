"""Every command in the README and the guides is run by a test, or the page says why it is not."""

from __future__ import annotations

import re

import pytest

from tests.project.documented import BY_PAGE, ELSEWHERE, IN_THE_LINE, ROOT, commands

UNMARKED = sorted({each.command for each in commands() if each.reason is None and each.page not in BY_PAGE})


@pytest.mark.parametrize("command", UNMARKED)
def test_a_test_runs_it(command: str) -> None:
    if command in IN_THE_LINE:
        return
    fitting = [where for pattern, where in ELSEWHERE.items() if re.fullmatch(pattern, command)]
    assert fitting, "run it in a test (tests/project/documented.py), or mark it: <!-- not run: reason -->"
    file, words = fitting[0]
    assert re.search(words, (ROOT / file).read_text(encoding="utf-8")), (file, words)


@pytest.mark.parametrize("page", sorted(BY_PAGE))
def test_a_page_has_a_test_of_its_own(page: str) -> None:
    assert f"docs/{page}" in (ROOT / BY_PAGE[page]).read_text(encoding="utf-8")


def test_nothing_is_listed_that_no_page_has() -> None:
    assert set(IN_THE_LINE) <= set(UNMARKED)
    for pattern in ELSEWHERE:
        assert any(re.fullmatch(pattern, command) for command in UNMARKED), pattern
