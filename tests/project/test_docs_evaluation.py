"""The guide to evaluation: its tables are the code's, and its settings valid."""

import re
from pathlib import Path

import polars as pl
import yaml

from pipeline.evaluation import slices
from pipeline.evaluation.preference import MEASURES
from pipeline.params import IntervalParams, parse_params

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
BUCKETS = {
    "score_margin": slices.SCORE_MARGIN,
    "length_gap": slices.LENGTH_GAP,
    "turns": slices.TURNS,
    "prompt_tokens": slices.PROMPT_TOKENS,
}


def section(title: str) -> str:
    found = re.search(rf"^## {title}.*?(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group()


def rows(header: str) -> dict[str, list[str]]:
    """The table of the section whose first column has this header: first cell to the others."""
    table = section("Preference metrics").split(f"| {header} |")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {row[0].strip("`| "): row[1:] for row in cells}


def test_metrics_are_those_measured() -> None:
    assert list(rows("metric")) == list(MEASURES)


def test_slices_and_their_parts_are_those_of_the_code() -> None:
    told = rows("slice")
    assert list(told) == list(slices.SLICES)
    for name, buckets in BUCKETS.items():
        assert told[name][-1].strip(" |").split(", ") == list(buckets.labels), name


def test_every_key_of_the_intervals_is_told() -> None:
    for name in IntervalParams.model_fields:
        assert f"`intervals.{name}`" in TEXT, name


def test_settings_are_valid() -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL):
        parse_params(yaml.safe_load(block))


def test_the_line_of_polars_works(tmp_path: Path) -> None:
    [line] = re.findall(r"^```python\n(.*?)^```", section("Preference metrics"), flags=re.M | re.S)
    file = tmp_path / "pairs.parquet"
    columns = {"pair_id": ["p", "q", "r"], "model": ["base", "trained", "trained"]}
    pl.DataFrame({**columns, "correct": [False, False, True]}).write_parquet(file)
    found = eval(line.replace("data/evaluate/pairs.parquet", file.as_posix()), {"pl": pl})
    assert found.to_list() == ["q"]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / "docs" / target).exists(), target
