"""The hash of a pair's texts: what anybody computes, and what it tells apart."""

from __future__ import annotations

import hashlib

import polars as pl

from pipeline.curation.texts_hash import texts_hash, texts_hashes
from pipeline.schema import MESSAGES

PROMPT = [{"role": "user", "content": 'Say "é"\n'}]


def test_it_is_the_sha256_of_the_documented_json() -> None:
    text = r'[[{"content":"Say \"é\"\n","role":"user"}],"good","bad"]'
    expected = hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert texts_hash(PROMPT, "good", "bad") == expected
    # The order of a message's fields is no part of it.
    assert texts_hash([{"content": 'Say "é"\n', "role": "user"}], "good", "bad") == expected


def test_other_texts_have_other_hashes() -> None:
    pairs = [
        (PROMPT, "good", "bad"),
        (PROMPT, "bad", "good"),
        (PROMPT, "goodb", "ad"),
        (PROMPT, "good", "bad "),
        ([{"role": "system", "content": 'Say "é"\n'}], "good", "bad"),
        ([*PROMPT, *PROMPT], "good", "bad"),
    ]
    assert len({texts_hash(*pair) for pair in pairs}) == len(pairs)


def test_columns_have_the_hashes_of_their_rows() -> None:
    schema = pl.Schema({"prompt": MESSAGES, "chosen": pl.String(), "rejected": pl.String()})
    frame = pl.DataFrame([(PROMPT, "good", "bad"), (PROMPT, "\u2028", "")], schema=schema, orient="row")
    hashes = texts_hashes(frame)
    assert hashes.name == "texts_sha256"
    assert hashes.to_list() == [texts_hash(PROMPT, "good", "bad"), texts_hash(PROMPT, "\u2028", "")]
    assert texts_hashes(frame.clear()).to_list() == []
