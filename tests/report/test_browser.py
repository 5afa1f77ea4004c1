"""The page in a real browser: nothing complains, nothing sticks out, tables sort, texts fold."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.params import ReportParams
from pipeline.report.build import build_report
from tests.report.chromium import Chromium, find_chromium

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium is installed (Debian: apt install chromium)"
)

OVERFLOW = """[...document.querySelectorAll("body *")].filter(element =>
  !element.closest(".scroll") && !element.closest("svg") &&
  element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(element => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    assert PROGRAM is not None
    with Chromium(PROGRAM, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def page(full: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    build_report(full, ReportParams(), folder)
    return folder / "report.html"


@pytest.mark.parametrize(
    ("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")]
)
def test_page_is_sound(browser: Chromium, page: Path, tmp_path: Path, width: int, scheme: str) -> None:
    browser.complaints.clear()
    browser.open(page, width, scheme)
    assert browser.ask("document.documentElement.clientWidth") == width
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask(OVERFLOW) == []
    assert browser.ask("document.querySelectorAll('svg').length") == 14
    shade = browser.ask("getComputedStyle(document.body).backgroundColor").removeprefix("rgb(").split(",")[0]
    assert (int(shade) > 200) == (scheme == "light")
    browser.photograph(tmp_path / f"report-{width}-{scheme}.png")
    assert (tmp_path / f"report-{width}-{scheme}.png").read_bytes().startswith(b"\x89PNG")
    assert browser.complaints == []


def test_text_of_data_runs_nowhere_and_shows_as_text(browser: Chromium, page: Path) -> None:
    browser.open(page, 1200, "light")
    assert browser.ask("document.scripts.length") == 1
    assert "<script>alert('x')</script>" in browser.ask("document.querySelector('#answers').textContent")


def test_the_policy_stops_a_script_that_was_let_in(browser: Chromium, page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        page.read_text(encoding="utf-8").replace("<main>", "<main><script>window.ran = 1</script>")
    )
    browser.complaints.clear()
    browser.open(broken, 1200, "light")
    assert browser.ask("window.ran === undefined")
    assert any("Content Security Policy" in text for text in browser.complaints)


def test_tables_sort_by_number_and_by_word(browser: Chromium, page: Path) -> None:
    browser.open(page, 1200, "light")
    table = "document.querySelector('#data table')"
    rows = f"[...{table}.tBodies[0].rows].map(row => row.cells[0].textContent.trim())"
    flow = browser.ask(rows)
    assert flow[:2] == ["pull", "binarize"]
    press = f"{table}.tHead.rows[0].cells[{{}}].querySelector('button').click()"
    state = f"{table}.tHead.rows[0].cells[{{}}].getAttribute('aria-sort')"
    browser.ask(press.format(4))  # dropped: numbers begin with the greatest
    assert browser.ask(state.format(4)) == "descending"
    assert (
        browser.ask(rows)[:3] == ["binarize", "dedupe", "decontaminate"] or browser.ask(rows)[0] == "binarize"
    )
    browser.ask(press.format(4))
    assert browser.ask(state.format(4)) == "ascending"
    assert browser.ask(rows)[-1] == "binarize"
    browser.ask(press.format(0))  # the stages' own order
    assert browser.ask(rows) == flow
    assert browser.ask(state.format(4)) is None


def test_long_texts_fold(browser: Chromium, page: Path) -> None:
    browser.open(page, 360, "light")
    assert browser.ask("document.querySelectorAll('details.long').length") > 0
    assert browser.ask("[...document.querySelectorAll('details.long')].every(fold => !fold.open)")
