"""Decisions replayed: what each does to its pair, and which ones are stale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.decisions import read_decisions
from pipeline.curation.replay import Replay, apply_decisions
from pipeline.curation.resolve import Rule
from pipeline.curation.texts_hash import texts_hash
from pipeline.files import content_id
from pipeline.ledger import Ledger
from pipeline.schema import CHANGED_PAIRS, CLUSTERED_PAIRS, DECISIONS
from pipeline.tables import HeldTable
from pipeline.validation import validate

IDS = [f"{number:016x}" for number in range(10)]


def pair(number: int) -> dict[str, Any]:
    return {
        "pair_id": IDS[number],
        "prompt_id": f"p{number}",
        "row_id": f"r{number}",
        "source": "s",
        "prompt": [{"role": "user", "content": "Hi"}],
        "chosen": f"good {number}",
        "rejected": f"bad {number}",
        "chosen_score": 5.0,
        "rejected_score": 2.0,
        "margin": 3.0,
        "aspect_margin": -0.5,
        "conflict": "contradicted",
        "chosen_model": "A",
        "rejected_model": "B",
        "constraint": '{"check": "x"}',
        "cluster_id": f"c{number}",
    }


def pairs(count: int) -> pl.DataFrame:
    return pl.DataFrame([pair(number) for number in range(count)], schema=CLUSTERED_PAIRS.schema())


def decision(number: int, action: str, **more: Any) -> dict[str, Any]:
    base = {"pair_id": IDS[number], "action": action, "annotators": ["kim"]}
    return {**base, "when": "2025-01-01T10:00:00+00:00", "reason": "because", **more}


def hash_of(number: int, **new: Any) -> str:
    texts = {**pair(number), **new}
    return texts_hash(texts["prompt"], texts["chosen"], texts["rejected"])


def written(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def applied(
    tmp_path: Path, frame: pl.DataFrame, *rows: Any, rule: Rule = "majority"
) -> tuple[list[dict[str, Any]], pl.DataFrame, Replay]:
    kept, ledger, replay = apply_decisions(frame, read_decisions(written(tmp_path, *rows)), rule)
    validate(kept, CLUSTERED_PAIRS)
    validate(replay.decisions(), DECISIONS)
    validate(replay.changed(), CHANGED_PAIRS)
    return kept.to_dicts(), ledger.frame(), replay


def fates(replay: Replay) -> list[tuple[Any, ...]]:
    return replay.decisions().select("line", "fate", "problem").rows()


def test_no_decisions_change_nothing(tmp_path: Path) -> None:
    frame = pairs(3)
    kept, ledger, replay = apply_decisions(frame, read_decisions(written(tmp_path)), "majority")
    assert kept.equals(frame)
    assert (ledger.counts(), replay.decisions().height, replay.changed().height) == ({}, 0, 0)
    assert set(replay.counts().values()) == {0}


def test_keep_changes_nothing(tmp_path: Path) -> None:
    kept, ledger, replay = applied(tmp_path, pairs(2), decision(0, "keep"))
    assert kept == pairs(2).to_dicts()
    assert (ledger.height, replay.changed().height) == (0, 0)
    assert fates(replay) == [(1, "applied", None)]


def test_drop_goes_to_the_ledger_with_who_how_sure_and_why(tmp_path: Path) -> None:
    several = decision(2, "drop", reason="", annotators=["lee", "kim"], agreement=2 / 3)
    kept, ledger, _ = applied(tmp_path, pairs(3), decision(0, "drop"), several)
    assert [row["pair_id"] for row in kept] == [IDS[1]]
    assert ledger.select("stage", "reason", "pair_id", "row_id", "value", "detail").rows() == [
        ("curate", "dropped_by_annotator", IDS[0], "r0", None, "drop by kim: because"),
        ("curate", "dropped_by_annotator", IDS[2], "r2", 2 / 3, "drop by kim, lee (agreement 0.67)"),
    ]


def test_swap_exchanges_texts_scores_and_models(tmp_path: Path) -> None:
    kept, _, replay = applied(tmp_path, pairs(2), decision(1, "swap"))
    assert kept[0] == pairs(1).row(0, named=True)
    assert kept[1] == {
        **pair(1),
        "chosen": "bad 1",
        "rejected": "good 1",
        "chosen_score": 2.0,
        "rejected_score": 5.0,
        "margin": -3.0,
        "aspect_margin": 0.5,
        "conflict": "contradicted",
        "chosen_model": "B",
        "rejected_model": "A",
    }
    assert replay.changed().to_dicts() == [
        {
            "pair_id": IDS[1],
            "action": "swap",
            "annotators": ["kim"],
            "agreement": None,
            "reason": "because",
            "when": "2025-01-01T10:00:00+00:00",
            "row_id": "r1",
            "line": 1,
            "changed": ["chosen", "rejected"],
            "texts_sha256": hash_of(1),
            "new_texts_sha256": hash_of(1, chosen="bad 1", rejected="good 1"),
        }
    ]


def test_edit_replaces_texts_and_what_no_longer_describes_them(tmp_path: Path) -> None:
    kept, _, replay = applied(
        tmp_path,
        pairs(3),
        decision(0, "edit", chosen="better", rejected="bad 0"),
        decision(1, "edit", chosen="good 1", rejected="bad 1"),
        decision(2, "edit", rejected="worse"),
    )
    unjudged = dict.fromkeys(("margin", "aspect_margin", "conflict"))
    new = {"chosen": "better", "chosen_score": None, "chosen_model": None}
    assert kept[0] == {**pair(0), **new, **unjudged}
    assert kept[1] == pair(1)
    new = {"rejected": "worse", "rejected_score": None, "rejected_model": None}
    assert kept[2] == {**pair(2), **new, **unjudged}
    changed = replay.changed().select("pair_id", "action", "line", "changed", "new_texts_sha256").rows()
    assert changed == [
        (IDS[0], "edit", 1, ["chosen"], hash_of(0, chosen="better")),
        (IDS[2], "edit", 3, ["rejected"], hash_of(2, rejected="worse")),
    ]


def test_an_edited_prompt_has_an_id_of_its_own_and_no_score_or_constraint(tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    kept, _, replay = applied(tmp_path, pairs(2), decision(1, "edit", prompt=prompt))
    judged = ("chosen_score", "rejected_score", "margin", "aspect_margin", "conflict", "constraint")
    # The id that binarize gives this prompt: a content id of role, length in bytes and content.
    new = {"prompt": prompt, "prompt_id": content_id("system:8:Be kind.user:5:Hello")}
    assert kept == [pair(0), {**pair(1), **dict.fromkeys(judged), **new}]
    assert replay.changed().select("changed", "new_texts_sha256").rows() == [
        (["prompt"], hash_of(1, prompt=prompt))
    ]


# --- stale decisions ------------------------------------------------------------------------------------


def test_stale_decisions_are_reported_and_not_applied(tmp_path: Path) -> None:
    rows = [
        decision(0, "drop", texts_sha256=hash_of(0)),
        decision(1, "drop", texts_sha256=hash_of(0)),
        "",
        decision(9, "swap"),
        decision(2, "drop", texts_sha256=hash_of(2, chosen="bad 2", rejected="good 2")),
        decision(2, "edit", chosen=" BAD 2"),
    ]
    kept, ledger, replay = applied(tmp_path, pairs(3), *rows)
    assert [row["pair_id"] for row in kept] == IDS[1:3] and kept[1] == pair(2)
    assert ledger["pair_id"].to_list() == [IDS[0]]
    changed = "the pair's texts have changed since"
    assert fates(replay) == [
        (1, "applied", None),
        (2, "stale", changed),
        (4, "stale", "no such pair"),
        (5, "stale", changed),
        (6, "stale", "the edit would make both responses the same"),
    ]
    assert replay.counts() == {
        "decisions": 5,
        "applied": 1,
        "superseded": 0,
        "outvoted": 0,
        "contested": 0,
        "stale": 4,
        "pairs_swapped": 0,
        "pairs_edited": 0,
        "pairs_contested": 0,
    }


def test_the_older_hash_of_the_responses_is_still_compared(tmp_path: Path) -> None:
    now = content_id("good 0", "bad 0")
    rows = [decision(number, "drop", texts=now) for number in (0, 1)]
    kept, _, replay = applied(tmp_path, pairs(2), *rows)
    assert kept == [pair(1)]
    assert [fate for _, fate, _ in fates(replay)] == ["applied", "stale"]


def test_a_stale_decision_has_no_vote(tmp_path: Path) -> None:
    rows = [
        decision(0, "swap", texts_sha256=hash_of(0)),
        decision(0, "drop", texts_sha256=hash_of(1), when="2025-06-01", annotators=["lee", "bo"]),
    ]
    for rule in RULES:
        kept, _, replay = applied(tmp_path, pairs(1), *rows, rule=rule)
        assert (kept[0]["chosen"], replay.counts()["stale"]) == ("bad 0", 1)


# --- several decisions on one pair ----------------------------------------------------------------------

RULES: tuple[Rule, ...] = ("latest", "majority", "unanimous")


def test_a_contested_pair_stays_as_it_is_and_is_reported(tmp_path: Path) -> None:
    rows = [decision(0, "drop"), decision(0, "swap", annotators=["lee"]), decision(1, "swap")]
    kept, ledger, replay = applied(tmp_path, pairs(2), *rows)
    assert kept[0] == pair(0) and kept[1]["chosen"] == "bad 1"
    assert ledger.height == 0
    problem = "no outcome is majority: 1 drop, 1 swap"
    assert fates(replay) == [(1, "contested", problem), (2, "contested", problem), (3, "applied", None)]
    counts = replay.counts()
    assert [counts[name] for name in ("contested", "pairs_contested", "pairs_swapped")] == [2, 1, 1]


def test_evidence_names_all_who_stand_by_it(tmp_path: Path) -> None:
    rows = [
        decision(0, "drop", annotators=["lee"], reason="early"),
        decision(0, "drop", annotators=["kim"], reason="late"),
        decision(0, "keep", annotators=["bo"]),
    ]
    _, ledger, replay = applied(tmp_path, pairs(2), *rows)
    assert ledger.select("value", "detail").rows() == [(2 / 3, "drop by kim, lee (agreement 0.67): late")]
    assert fates(replay) == [
        (1, "applied", None),
        (2, "applied", None),
        (3, "outvoted", "others outvoted it: 2 drop, 1 keep"),
    ]
    _, ledger, replay = applied(tmp_path, pairs(2), *rows, rule="latest")
    assert ledger.height == 0
    later = "a later decision took its place"
    assert fates(replay) == [(1, "superseded", later), (2, "superseded", later), (3, "applied", None)]


def test_the_order_of_pairs_does_not_matter(tmp_path: Path) -> None:
    rows = [decision(3, "drop"), decision(1, "swap"), decision(2, "edit", chosen="x", rejected="y")]
    one = applied(tmp_path, pairs(6), *rows)
    other = applied(tmp_path, pairs(6).reverse(), *rows)
    assert one[0] == other[0] and one[1].equals(other[1])
    assert one[2].changed().equals(other[2].changed())


# --- blocks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block_rows", [1, 2, 4, 100])
def test_the_size_of_blocks_changes_nothing(tmp_path: Path, block_rows: int) -> None:
    rows = [
        decision(3, "drop"),
        decision(1, "swap"),
        decision(2, "edit", chosen="x", rejected="y"),
        decision(8, "swap", texts_sha256=hash_of(8)),
        decision(7, "drop", texts_sha256=hash_of(8)),
        decision(5, "drop", pair_id="f" * 16),
        decision(4, "edit", prompt=[{"role": "user", "content": "Ho"}]),
    ]
    decisions = read_decisions(written(tmp_path, *rows))
    kept, entries, whole = apply_decisions(pairs(10), decisions, "majority")
    assert (kept.height, whole.decisions().filter(fate="stale")["line"].to_list()) == (9, [5, 6])
    ledger, replay = Ledger("curate"), Replay(decisions, "majority")
    blocks = list(replay.blocks(HeldTable(pairs(10), block_rows), ledger))
    assert len(blocks) == -(-10 // block_rows) and pl.concat(blocks).equals(kept)
    assert ledger.frame().equals(entries.frame()) and replay.decisions().equals(whole.decisions())
    assert replay.changed().equals(whole.changed()) and replay.counts() == whole.counts()


def test_no_pairs_make_every_decision_stale(tmp_path: Path) -> None:
    kept, ledger, replay = applied(tmp_path, pairs(0), decision(1, "drop"))
    assert (kept, ledger.height, fates(replay)) == ([], 0, [(1, "stale", "no such pair")])
