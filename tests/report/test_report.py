import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.files import read_json, write_json
from pipeline.params import ReportParams
from pipeline.report.build import build_report
from pipeline.report.examples import side_by_side
from pipeline.report.script import SCRIPT as SCRIPT_OF_PAGE
from pipeline.schema import GENERATIONS
from pipeline.tables import read_table, write_table

VOID = {"meta", "br", "hr", "img", "link", "input"}


@pytest.fixture(scope="session")
def html(made: Path) -> str:
    build_report(made, ReportParams(), made / "reports")
    return (made / "reports" / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags of a page, checked for being closed in order, and its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href"):
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_needs_nothing_beside_it(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    # The URLs that remain name the SVG namespaces; nothing loads from them.
    assert set(re.findall(r'https?://[^"\s]+', html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(page.ids)


def test_text_from_data_is_escaped(html: str) -> None:
    # One script, the page's own; the policy lets no other run.
    assert html.count("<script") == 1 and f"<script>{SCRIPT_OF_PAGE}</script>" in html
    # In a response, a prompt, a ledger's detail, a dropped row's completion and a lineage value.
    assert html.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") > 10


def test_equal_inputs_give_equal_bytes(made: Path, html: str, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(made, copy)
    build_report(copy, ReportParams(), tmp_path / "again")
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == html
    for name in ("report.json", "dataset_card.md", "model_card.md"):
        assert (tmp_path / "again" / name).read_bytes() == (made / "reports" / name).read_bytes()


def test_sampled_answers_are_not_shown(made: Path, html: str) -> None:
    answers = read_table(made / "data/evaluate/generations.parquet", GENERATIONS)
    assert "Drawn at random." in answers["response"].to_list()
    assert "Drawn at random." not in html


def test_charts_take_their_colours_from_the_page(html: str) -> None:
    charts = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(charts) == 4 + 4 + 4  # training, data, spreads
    for chart in charts:
        assert not re.search(r"#[0-9a-f]{6}\b", chart)
        assert "currentColor" in chart and "var(--series-1)" in chart
        assert "<text" in chart


def test_numbers_are_the_artifacts(html: str) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert (
        "preference accuracy from 50.0% to 80.0% and raised instruction success from 25.0% to 65.0%" in text
    )
    assert "Training turned 16 wrong pairs right and 4 right pairs wrong" in text
    assert "-0.627 (better)" in text  # a lower NLL is a gain
    assert "binarize 159 rows 154 pairs other unit 5 tie 5" in text
    assert "dedupe 153 pairs 151 pairs 98.7% 2 leaked 1 near_duplicate 1" in text
    assert "max words 4 0 4" in text
    assert "Repeated trigrams base, greedy 24 25.0% 41.5 – 75.0% – 8.3%" in text
    assert "wheel.package a-model" in text
    assert "measured 0.84 asked for 0.7" in text


def test_dropped_rows_show_their_words(html: str) -> None:
    dropped = html[html.index('<section id="dropped">') :]
    assert "Tell me about bread in one paragraph, number 1." in dropped
    assert "prompt it matched" in dropped
    assert "completion 0, scored 4.00, 3.50" in dropped
    assert dropped.count("<code>row ") == 1 + 5  # all five ties: their rule has a threshold
    text = " ".join(re.sub(r"<[^>]+>", " ", dropped).split())
    assert "binarize 5 dropped tie 5 dropped; closest: 0, asked for 0.5 row " in text
    assert "dedupe 2 dropped leaked 1 dropped pair " in text
    assert "near_duplicate 1 dropped; closest: 0.84, asked for 0.7 pair " in text


@pytest.mark.parametrize("examples", [0, 3, 100])
def test_as_many_examples_as_asked_for(made: Path, examples: int) -> None:
    generations = read_table(made / "data" / "evaluate" / "generations.parquet", GENERATIONS)
    shown = side_by_side(generations, examples)
    assert len(shown) == min(examples, 24)
    assert all([answer.model for answer in example.answers] == ["base", "trained"] for example in shown)


def test_no_generations(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(made, root)
    write_table(GENERATIONS.empty(), root / "data" / "evaluate" / "generations.parquet", GENERATIONS)
    scores = read_json(root / "metrics" / "evaluate.json")
    for model in ("base", "trained"):
        scores[model] |= {"instruction_success": None, "prompts": 0, "generation": None}
    write_json(root / "metrics" / "evaluate.json", scores)
    build_report(root, ReportParams(), tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No answers to show." in html
    assert "No held-out prompt that was answered has a check." in html


@pytest.mark.parametrize(
    ("missing", "stage"),
    [
        ("metrics/filter.json", "filter"),
        ("metrics/evaluate.json", "evaluate"),
        ("metrics/train/metrics.json", "train"),
        ("metrics/train/plots", "train"),
        ("data/dedupe/ledger.parquet", "dedupe"),
        ("data/split/test.parquet", "split"),
        ("data/evaluate/generations.parquet", "evaluate"),
        ("models/base/lineage.json", "pull_model"),
        ("models/trained/lineage.json", "train"),
    ],
)
def test_a_missing_artifact_names_the_stage_to_run(
    made: Path, tmp_path: Path, missing: str, stage: str
) -> None:
    root = tmp_path / "project"
    shutil.copytree(made, root)
    path = root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(PipelineError, match=f"dvc repro {stage}`"):
        build_report(root, ReportParams(), tmp_path)
    assert not (tmp_path / "report.html").exists()
