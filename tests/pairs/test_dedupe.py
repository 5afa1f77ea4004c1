"""Duplicate prompts: the join against brute force, the greedy choice, clusters, the laws."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.files import content_id
from pipeline.pairs import similarity
from pipeline.pairs.dedupe import components, dedupe, duplicates
from pipeline.pairs.similarity import similar_pairs
from pipeline.params import DedupeParams
from pipeline.schema import CLUSTERED_PAIRS
from pipeline.tables import validate, write_table
from pipeline.texts import fold_text

Frame = Callable[..., pl.DataFrame]

# --- the join -------------------------------------------------------------------------------------------


def grams(text: str, ngram: int) -> frozenset[tuple[str, ...]]:
    words = text.split(" ")
    if len(words) < ngram:
        return frozenset([("whole", text)])
    return frozenset(tuple(words[start : start + ngram]) for start in range(len(words) - ngram + 1))


def brute_force(texts: list[str], ngram: int, threshold: float) -> list[tuple[int, int, float]]:
    sets = [grams(text, ngram) for text in texts]
    found = []
    for left in range(len(sets)):
        for right in range(left + 1, len(sets)):
            value = len(sets[left] & sets[right]) / len(sets[left] | sets[right])
            if value >= threshold:
                found.append((left, right, value))
    return found


def joined(texts: list[str], ngram: int, threshold: float) -> list[tuple[int, int, float]]:
    docs = pl.DataFrame(
        {"doc": range(len(texts)), "text": texts}, schema={"doc": pl.UInt32, "text": pl.String}
    )
    return similar_pairs(docs, ngram, threshold).rows()


WORDS = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)
LONG = st.tuples(
    st.sampled_from(["a b c d e f g h i j", "a b c d e f g h x j k l"]),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abxyz")), max_size=3),
).map(lambda parts: edit(*parts))
THRESHOLDS = st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.6, 2 / 3, 0.7, 0.8, 0.9, 1.0])


def edit(text: str, changes: list[tuple[int, str]]) -> str:
    words = text.split(" ")
    for place, word in changes:
        words[place] = word
    return " ".join(words)


@settings(max_examples=250, deadline=None)
@given(
    texts=st.lists(st.one_of(WORDS, LONG), max_size=14, unique=True),
    ngram=st.integers(1, 4),
    threshold=THRESHOLDS,
)
@example(texts=["", "a", "a b"], ngram=3, threshold=1.0)
@example(texts=["a b a b a b", "b a b a b a"], ngram=2, threshold=1.0)
def test_the_join_finds_what_brute_force_finds(texts: list[str], ngram: int, threshold: float) -> None:
    assert joined(texts, ngram, threshold) == brute_force(texts, ngram, threshold)


def test_the_join_in_small_blocks_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    base = list("abcdefghijkl")
    texts = sorted({" ".join(rng.sample(base, rng.randint(4, 12))) for _ in range(120)})
    texts += [edit(text, [(1, "changed")]) for text in texts[:60]]
    expected = brute_force(texts, 1, 0.7)
    assert joined(texts, 1, 0.7) == expected
    monkeypatch.setattr(similarity, "JOIN_ROWS", 50)
    monkeypatch.setattr(similarity, "CHECK_ROWS", 7)
    assert joined(texts, 1, 0.7) == expected
    assert len(expected) > 100


def test_a_similarity_equal_to_the_threshold_counts() -> None:
    left, right = "a b c d e f g x", "a b c d e f g y z"
    assert joined([left, right], 1, 0.7) == [(0, 1, 0.7)]
    assert joined([left, right], 1, 0.7000001) == []


def test_float_error_shortens_no_prefix() -> None:
    # 100 * 0.55 is 55.00000000000001, yet 55 of 100 words in common are enough.
    words = [f"w{number}" for number in range(100)]
    assert joined([" ".join(words), " ".join(words[45:])], 1, 0.55) == [(0, 1, 0.55)]


# --- the choice -----------------------------------------------------------------------------------------


def edges(*rows: tuple[int, int, float]) -> pl.DataFrame:
    schema = {"left": pl.UInt32, "right": pl.UInt32, "similarity": pl.Float64}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


GRAPHS = st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda e: e[0] < e[1]), max_size=30)


@settings(max_examples=100, deadline=None)
@given(graph=GRAPHS)
def test_greedy_choice_and_components_against_plain_loops(graph: set[tuple[int, int]]) -> None:
    frame = edges(*((left, right, 0.7 + (left * 12 + right) % 7 / 30) for left, right in sorted(graph)))
    kept: list[int] = []
    for node in range(12):
        if not any((other, node) in graph for other in kept):
            kept.append(node)
    gone = duplicates(frame)
    assert sorted(gone["doc"]) == [node for node in range(12) if node not in kept]
    for value, doc, match in gone.select("similarity", "doc", "kept").rows():
        options = [
            (left_value, -left) for left, right, left_value in frame.rows() if right == doc and left in kept
        ]
        assert (value, -match) == max(options)
    root = {node: node for pair in graph for node in pair}
    for _ in root:
        for left, right in graph:
            root[left] = root[right] = min(root[left], root[right])
    assert dict(components(frame).select("doc", "root").rows()) == root


def test_a_long_chain_is_one_component() -> None:
    chain = edges(*((node, node + 1, 0.8) for node in range(3000)))
    found = components(chain)
    assert found.height == 3001 and found["root"].unique().to_list() == [0]
    assert duplicates(edges(*chain.rows()[:50]))["doc"].to_list() == list(range(1, 51, 2))


# --- the stage ------------------------------------------------------------------------------------------

LINE = "please tell me about the tall old lighthouse on the northern coast"


def test_exact_duplicates_keep_the_largest_margin(pairs: Frame) -> None:
    frame = pairs(
        {"prompt": "Tell me.", "margin": 1.0},
        {"prompt": "TELL  me.\n", "margin": 3.0},
        {
            "prompt": [{"role": "system", "content": "tell"}, {"role": "user", "content": "ｍe."}],
            "margin": None,
        },
        {"prompt": "Tell her."},
    )
    kept, ledger = dedupe(DedupeParams(), frame)
    validate(kept, CLUSTERED_PAIRS)
    assert sorted(kept["row_id"]) == ["r1", "r3"]
    winner = frame["pair_id"][1]
    assert set(ledger.frame().select("row_id", "reason", "match_id", "value", "threshold").rows()) == {
        ("r0", "exact_duplicate_prompt", winner, 1.0, 0.7),
        ("r2", "exact_duplicate_prompt", winner, 1.0, 0.7),
    }


def test_near_duplicates_name_the_kept_pair_and_the_similarity(pairs: Frame) -> None:
    # 12 words make 10 trigrams; one more word at the end makes 11, so 10 of 11 are shared.
    frame = pairs({"prompt": LINE, "margin": 1.0}, {"prompt": f"{LINE} now", "margin": 2.0})
    kept, ledger = dedupe(DedupeParams(), frame)
    assert kept["row_id"].to_list() == ["r1"]
    assert ledger.frame().select("row_id", "reason", "match_id", "value", "threshold").rows() == [
        ("r0", "near_duplicate_prompt", frame["pair_id"][1], 10 / 11, 0.7)
    ]
    assert dedupe(DedupeParams(threshold=0.92), frame)[1].counts() == {}


def test_equal_margins_keep_the_smallest_pair_id_and_none_comes_last(pairs: Frame) -> None:
    frame = pairs(*({"prompt": LINE, "margin": margin} for margin in (2.0, 2.0, 2.0, None)))
    kept, _ = dedupe(DedupeParams(), frame)
    assert kept["pair_id"].to_list() == [min(frame["pair_id"][:3])]
    only_null = pairs(*({"prompt": LINE, "margin": None} for _ in range(3)))
    assert dedupe(DedupeParams(), only_null)[0]["pair_id"].to_list() == [min(only_null["pair_id"])]


def chain() -> list[str]:
    """Three prompts: the first and the last are similar to the middle, but not to each other."""
    words = LINE.split()
    return [" ".join(words[start : start + 10]) for start in (0, 1, 2)]


def test_a_chain_keeps_both_ends_but_in_one_cluster(pairs: Frame) -> None:
    # 8 trigrams each; neighbours share 7 of 9, the ends 6 of 10.
    first, middle, last = chain()
    params = DedupeParams(threshold=0.75)
    frame = pairs(
        {"prompt": first, "margin": 3.0}, {"prompt": middle, "margin": 1.0}, {"prompt": last, "margin": 2.0}
    )
    kept, ledger = dedupe(params, frame)
    assert sorted(kept["row_id"]) == ["r0", "r2"]
    assert kept["cluster_id"].n_unique() == 1
    assert ledger.frame().select("row_id", "match_id", "value").rows() == [("r1", frame["pair_id"][0], 7 / 9)]
    # Where the middle is the best, both ends are duplicates of it.
    frame = frame.with_columns(margin=pl.Series([1.0, 9.0, 1.0]))
    kept, ledger = dedupe(params, frame)
    assert kept["row_id"].to_list() == ["r1"]
    assert set(ledger.frame()["match_id"]) == {frame["pair_id"][1]}


def test_copies_of_a_dropped_near_duplicate_match_the_kept_pair(pairs: Frame) -> None:
    frame = pairs(
        {"prompt": LINE, "margin": 3.0},
        {"prompt": f"{LINE} now", "margin": 2.0},
        {"prompt": f"{LINE} NOW", "margin": 1.0},
    )
    kept, ledger = dedupe(DedupeParams(), frame)
    assert kept["row_id"].to_list() == ["r0"]
    assert ledger.counts() == {"near_duplicate_prompt": 2}
    assert set(ledger.frame()["match_id"]) == {frame["pair_id"][0]}
    assert set(ledger.frame()["value"]) == {10 / 11}


def test_the_cluster_follows_from_prompts_not_from_responses(pairs: Frame) -> None:
    one = dedupe(DedupeParams(), pairs({"prompt": LINE}, {"prompt": f"{LINE} now"}))[0]
    rows = ({"prompt": LINE}, {"prompt": f"{LINE} now", "chosen": "other", "margin": 5.0})
    other = dedupe(DedupeParams(), pairs(*rows))[0]
    assert one["pair_id"].to_list() != other["pair_id"].to_list()
    assert one["cluster_id"].to_list() == other["cluster_id"].to_list()
    ids = pairs({"prompt": LINE}, {"prompt": f"{LINE} now"})["prompt_id"]
    assert one["cluster_id"].to_list() == [content_id(str(ids.min()))]


def test_nothing_in_nothing_out(pairs: Frame) -> None:
    kept, ledger = dedupe(DedupeParams(), pairs())
    assert kept.height == 0 and kept.schema == CLUSTERED_PAIRS.schema() and ledger.counts() == {}


# --- laws -----------------------------------------------------------------------------------------------

PROMPTS = st.one_of(WORDS, LONG, LONG.map(str.upper))
ROW = st.fixed_dictionaries(
    {"prompt": PROMPTS, "margin": st.one_of(st.none(), st.sampled_from([1.0, 2.0, 3.0]))}
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=12), ngram=st.integers(1, 3), threshold=THRESHOLDS)
def test_conserved_exact_idempotent_and_blind_to_order(
    pairs: Frame, rows: list[dict[str, Any]], ngram: int, threshold: float
) -> None:
    params = DedupeParams(threshold=threshold, ngram=ngram)
    frame = pairs(*rows)
    kept, ledger = dedupe(params, frame)
    dropped = ledger.frame()
    assert sorted(kept["pair_id"].to_list() + dropped["pair_id"].to_list()) == sorted(frame["pair_id"])
    words = {
        pair_id: fold_text(prompt[0]["content"])
        for pair_id, prompt in frame.select("pair_id", "prompt").rows()
    }

    def jaccard(left: str, right: str) -> float:
        one, two = grams(words[left], ngram), grams(words[right], ngram)
        return len(one & two) / len(one | two)

    stays = kept["pair_id"].to_list()
    assert not any(jaccard(a, b) >= threshold for a in stays for b in stays if a < b)
    for pair_id, reason, match_id, value in dropped.select("pair_id", "reason", "match_id", "value").rows():
        assert match_id in stays
        assert value == jaccard(pair_id, match_id) >= threshold
        assert (reason == "exact_duplicate_prompt") == (words[pair_id] == words[match_id])
    again, second = dedupe(params, kept.drop("cluster_id"))
    assert again["pair_id"].equals(kept["pair_id"]) and second.counts() == {}
    shuffled, other = dedupe(params, frame.sample(fraction=1, shuffle=True, seed=4))
    assert shuffled.equals(kept) and other.frame().equals(dropped)


def test_the_order_of_rows_does_not_change_a_byte(pairs: Frame, tmp_path: Path) -> None:
    rng = random.Random(5)
    words = [f"w{number}" for number in range(12)]
    frame = pairs(
        *(
            {"prompt": " ".join(rng.choices(words[: 3 + n % 9], k=8)), "margin": float(n % 5)}
            for n in range(400)
        )
    )
    for seed in range(3):
        shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
        write_table(dedupe(DedupeParams(), shuffled)[0], tmp_path / str(seed), CLUSTERED_PAIRS)
    assert len({(tmp_path / str(seed)).read_bytes() for seed in range(3)}) == 1
