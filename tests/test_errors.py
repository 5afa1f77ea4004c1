"""What an error says, and what it must never say."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError, redacted, without_secrets
from pipeline.schema import LEDGER
from pipeline.tables import read_lineage, write_table

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://kim:pw@host/a", "https://***@host/a"),
        ("https://token@host/a.jsonl?x=1", "https://***@host/a.jsonl?x=1"),
        ("https://kim:p@ss@host/a", "https://***@host/a"),
        ("https://host/a?token=abc&x=1", "https://host/a?token=***&x=1"),
        ("https://host/a?x=1&API_KEY=abc", "https://host/a?x=1&API_KEY=***"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=AK%2F1&X-Amz-Date=2&X-Amz-Signature=ff",
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=***&X-Amz-Date=2&X-Amz-Signature=***",
        ),
        (
            "https://acc.blob.core.windows.net/c?sp=r&sig=a%2Bb",
            "https://acc.blob.core.windows.net/c?sp=r&sig=***",
        ),
        ("https://host/cb#access_token=abc", "https://host/cb#access_token=***"),
        ('{"file":"https://a:b@h/x?token=t","n":1}', '{"file":"https://***@h/x?token=***","n":1}'),
    ],
)
def test_secrets_in_urls_are_not_said(url: str, said: str) -> None:
    assert redacted(url) == said
    assert redacted(said) == said


@pytest.mark.parametrize(
    "text",
    [
        "https://host/a.jsonl",
        "s3://bucket/key@v2/file.parquet",
        "mail kim@host, see https://host/",
        "https://host/a?revision=main&split=train",
        "max_tokens=3 and a token: x",
        "the key=value of a cell",
    ],
)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert redacted(text) == text


@given(user=st.from_regex(r"[A-Za-z0-9:@%._-]{4,30}", fullmatch=True), path=st.from_regex(r"[a-z/]{0,9}"))
def test_whatever_stands_before_the_host_is_taken_away(user: str, path: str) -> None:
    url = f"https://{user}@host/{path}"
    assert redacted(url) == f"https://***@host/{path}"


@pytest.mark.parametrize("name", ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "my_judge_key"])
def test_values_of_secret_variables_are_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRET)
    assert without_secrets(f"401 for {SECRET}!") == "401 for ***!"
    error = PipelineError(f"no {SECRET}", file=f"https://a:{SECRET}@h/x", found=SECRET, hint=f"not {SECRET}")
    for part in (str(error), error.paragraph(), str(error.found), str(error.file)):
        assert SECRET not in part


def test_other_variables_and_short_words_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_NAME", SECRET)
    monkeypatch.setenv("SORT_KEY", "rows")
    assert without_secrets(f"{SECRET} of rows") == f"{SECRET} of rows"


def test_a_secret_is_gone_also_where_the_text_is_shortened_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortened first, half of it would remain and be found no more."""
    monkeypatch.setenv("HF_TOKEN", SECRET)
    error = PipelineError("no", found="x" * 150 + SECRET)
    assert SECRET[:6] not in str(error)


def test_a_tables_lineage_holds_no_secret_of_a_url(tmp_path: Path) -> None:
    path = tmp_path / "ledger.parquet"
    lineage = {"files": [{"name": f"https://kim:{SECRET}@host/a.jsonl?token={SECRET}", "sha256": "00"}]}
    write_table(pl.DataFrame(schema=LEDGER.empty().schema), path, LEDGER, lineage)
    assert read_lineage(path) == {"files": [{"name": "https://***@host/a.jsonl?token=***", "sha256": "00"}]}
    assert SECRET.encode() not in path.read_bytes()
