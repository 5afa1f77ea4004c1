"""The queue: what each strategy chooses, what the rows hold, and what leaves the queue as it is."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pipeline.curation.queue import build_queue
from pipeline.curation.strategies import disagreement, random, small_margin
from pipeline.curation.texts_hash import texts_hash
from pipeline.params import QueueParams, QueueWeights
from pipeline.schema import CLUSTERED_PAIRS, QUEUE
from pipeline.tables import HeldTable
from pipeline.validation import validate
from tests.curation.test_critiques import completions

PROMPT = [{"role": "user", "content": "Which?"}]


def pair(number: int, **changes: Any) -> dict[str, Any]:
    known = {
        "pair_id": f"{number:016x}",
        "prompt_id": f"p{number}",
        "row_id": f"r{number}",
        "source": "s",
        "prompt": PROMPT,
        "chosen": f"good {number}",
        "rejected": f"bad  {number}",
        "margin": float(number),
        "aspect_margin": 1.0,
        "conflict": "agrees",
        "cluster_id": f"c{number}",
    }
    return known | changes


def table(*rows: dict[str, Any]) -> HeldTable:
    return HeldTable(pl.DataFrame(rows, schema=CLUSTERED_PAIRS.schema()))


def params(size: int, **weights: float) -> QueueParams:
    off = dict.fromkeys(QueueWeights.model_fields, 0.0)
    return QueueParams(size=size, seed=3, weights=QueueWeights(**{**off, **weights}))


def ids(frame: pl.DataFrame) -> list[int]:
    return [int(pair_id, 16) for pair_id in frame["pair_id"]]


def facts(**columns: list[Any]) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    known = {"pair_id": [f"{number:016x}" for number in range(height)], **columns}
    empty = {"margin": None, "aspect_margin": None, "conflict": None, "critique_margin": None}
    return pl.DataFrame(known).with_columns(
        pl.lit(value).cast(pl.String if name == "conflict" else pl.Float64).alias(name)
        for name, value in empty.items()
        if name not in known
    )


def test_small_margins_come_first_whatever_their_sign_and_unscored_pairs_never() -> None:
    assert ids(small_margin(facts(margin=[2.0, -0.5, None, 1.0]), 0)) == [1, 3, 0]


def test_the_random_order_depends_on_ids_and_seed_alone() -> None:
    known = facts(margin=[0.0] * 30)
    assert ids(random(known, 1)) == ids(random(known.reverse(), 1))
    assert sorted(ids(random(known, 1))) == list(range(30))
    assert ids(random(known, 1)) != ids(random(known, 2))
    # A pair more changes the order of no other two.
    assert [n for n in ids(random(facts(margin=[0.0] * 31), 1)) if n != 30] == ids(random(known, 1))


def test_disagreement_is_told_in_standard_deviations_of_each_kind() -> None:
    known = facts(
        aspect_margin=[-2.0, -1.0, 2.0, 1.0, -3.0, None],
        conflict=["contradicted", "contradicted", "agrees", "agrees", "agrees", None],
        critique_margin=[0.1, -0.1, -0.3, None, 0.1, 0.1],
    )
    found = disagreement(known, 0)
    assert ids(found) == [2, 0, 1]
    aspect = ((4 + 1 + 4 + 1 + 9) / 5) ** 0.5
    critique = ((0.01 * 4 + 0.09) / 5) ** 0.5
    worth = [0.3 / critique, 2 / aspect, max(1 / aspect, 0.1 / critique)]
    assert found["apart"].to_list() == pytest.approx(worth)


def test_a_critique_that_contradicts_the_score_is_found_by_its_words() -> None:
    rows = [(f"x{n}", f"t{n}", 9.0 if n % 2 else 1.0, "superb" if n % 2 else "poor") for n in range(40)]
    rows += [("r1", "good 1", 8.0, "poor"), ("r1", "bad  1", 2.0, "superb")]
    rows += [("r2", "good 2", 8.0, "superb"), ("r2", "bad  2", 2.0, "poor")]
    queue = build_queue(table(pair(1), pair(2)), completions(*rows), None, params(5, disagreement=1.0))
    assert ids(queue.rows) == [1]
    assert queue.wished == {"disagreement": 1}


def test_a_row_holds_all_a_person_is_shown() -> None:
    queue = build_queue(table(pair(1, margin=None)), None, None, params(1, random=1.0))
    validate(queue.rows, QUEUE, "queue")
    row = queue.rows.row(0, named=True)
    assert row.pop("first") in {"chosen", "rejected"}
    assert row == {
        "pair_id": f"{1:016x}",
        "texts_sha256": texts_hash(PROMPT, "good 1", "bad  1"),
        "source": "s",
        "prompt": PROMPT,
        "chosen": "good 1",
        "rejected": "bad  1",
        "reasons": ["random"],
        "priority": 2.0,
        "margin": None,
        "chosen_chars": 6,
        "rejected_chars": 6,
        "language": None,
        "suspicion": None,
    }


def test_which_response_stands_first_is_drawn_by_pair_id_and_half_of_the_time_chosen() -> None:
    pairs = [pair(number) for number in range(400)]
    whole = build_queue(table(*pairs), None, None, params(400, random=1.0)).rows
    share = (whole["first"] == "chosen").mean()
    assert isinstance(share, float) and abs(share - 0.5) < 0.1  # four standard deviations
    part = build_queue(table(*pairs[:50]), None, None, params(400, small_margin=1.0)).rows
    joined = part.join(whole, on="pair_id")
    assert joined.height == 50 and (joined["first"] == joined["first_right"]).all()


def suspects(*rows: tuple[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "pair_id": [f"{number:016x}" for number, _ in rows],
            "texts_sha256": [texts_hash(PROMPT, f"good {number}", f"bad  {number}") for number, _ in rows],
            "suspicion": [value for _, value in rows],
        }
    )


def test_pairs_that_several_strategies_choose_come_first_with_all_reasons() -> None:
    pairs = table(*(pair(number) for number in range(1, 7)))
    known = suspects((1, 0.9), (5, 1.0), (6, 0.1))
    queue = build_queue(pairs, None, known, params(4, small_margin=1.0, suspects=1.0)).rows
    # small_margin wishes 1, 2, 3, ...; suspects 5, 1, 6.
    assert ids(queue) == [1, 5, 2, 3]
    by_scores, by_model = ["small_margin"], ["suspects"]
    assert queue["reasons"].to_list() == [[*by_scores, *by_model], by_model, by_scores, by_scores]
    assert queue["priority"].to_list() == [3.0, 1.75, 1.5, 1.25]
    assert queue["suspicion"].to_list() == [0.9, 1.0, None, None]


def test_a_suspicion_of_the_pair_the_other_way_round_does_not_count() -> None:
    turned = pair(1, chosen="bad  1", rejected="good 1")
    queue = build_queue(table(turned, pair(2)), None, suspects((1, 0.9), (2, 0.2)), params(5, suspects=1.0))
    assert ids(queue.rows) == [2]


def test_decided_pairs_are_left_out_until_their_texts_change() -> None:
    pairs = table(pair(1), pair(2), pair(3))
    as_it_is = texts_hash(PROMPT, "good 1", "bad  1")
    decided = {f"{1:016x}": as_it_is, f"{2:016x}": "0" * 64, f"{3:016x}": None}
    assert ids(build_queue(pairs, None, None, params(5, small_margin=1.0), decided).rows) == [2]


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = [pair(n, conflict="contradicted", aspect_margin=-float(n % 3)) for n in range(1, 30)]
    setting = params(12, random=1.0, disagreement=2.0, small_margin=1.0, suspects=1.0)
    known = suspects(*((number, number / 30) for number in range(1, 30)))
    there = build_queue(table(*rows), None, known, setting).rows
    back = build_queue(table(*reversed(rows)), None, known.reverse(), setting).rows
    assert there.equals(back) and there.height == 12
