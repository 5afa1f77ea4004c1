"""The sample: a function of (seed, index), true to its stated rates, honest where nothing is planted."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from random import Random

import pytest

from pipeline.checks import Constraint, kinds, verify
from pipeline.prose import trigram_jaccard, word_trigrams, words
from pipeline.sources.sample import (
    BENCHMARK_PROMPTS,
    BORROWED,
    DEFAULT_RATES,
    EXCLUSIVE,
    NO_DEFECTS,
    DefectRates,
    SampleRow,
    generate,
    make_row,
)
from pipeline.sources.sample_instructions import SAMPLE_KINDS, SOURCE_OF, ask, build, word_it
from pipeline.sources.sample_models import JUNK, MODELS
from pipeline.sources.sample_responses import meet, miss
from pipeline.sources.sample_topics import TOPICS, Topic, parse_topics
from pipeline.sources.sample_wordings import AUDIENCES, LIST_VERBS, VERBS, WORDINGS

SEED = 7
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "uf_raw_2rows.jsonl"


@pytest.fixture(scope="module")
def rows() -> list[SampleRow]:
    return list(generate(2000, SEED))


def having(rows: list[SampleRow], defect: str) -> list[SampleRow]:
    found = [row for row in rows if defect in row.truth["defects"]]
    assert found, defect
    return found


def overall(row: SampleRow) -> dict[str, float]:
    return {one["model"]: one["overall_score"] for one in row.raw["completions"]}


def bugged(row: SampleRow) -> list[str]:
    ones = row.raw["completions"]
    return [one["model"] for one in ones if one["overall_score"] == 10 and one["fine-grained_score"] <= 2]


# --- the topic bank -----------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])
def test_topic(topic: Topic) -> None:
    assert 1 <= len(topic.name.split()) <= 2
    assert len(topic.facts) == len(set(topic.facts)) >= 6
    assert len(topic.naming_facts) >= 4
    assert len(topic.nouns) == len(set(topic.nouns)) >= 6
    assert all(noun == noun.lower() and 1 <= len(noun.split()) <= 2 for noun in topic.nouns)
    for fact in topic.facts:
        assert 6 <= len(words(fact)) <= 13, fact
        assert fact[0].isupper() and fact.endswith(".") and fact.count(".") == 1 and "," not in fact, fact


def test_topics_are_many_and_distinct() -> None:
    assert len(TOPICS) == len({topic.name for topic in TOPICS}) >= 64
    facts = [fact for topic in TOPICS for fact in topic.facts]
    assert len(set(facts)) == len(facts)


def test_bad_topic_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"topic line is 'bread flour', expected 'name: keywords \| nouns'"):
        parse_topics("bread flour\nBread is made from flour.")


# --- instructions -------------------------------------------------------------------------------------


def test_kinds_are_known_and_have_a_source() -> None:
    assert set(SAMPLE_KINDS) == set(SOURCE_OF) <= set(kinds())
    assert len(SAMPLE_KINDS) >= 15
    assert all(len(set(WORDINGS[kind])) >= 5 for kind in SAMPLE_KINDS)


def test_wheels_share_no_factor() -> None:
    sizes = {len(VERBS), len(AUDIENCES), *map(len, WORDINGS.values())}
    assert len(VERBS) == len(LIST_VERBS)
    assert sizes == {5, 7, 11}


def test_a_block_holds_every_kind_and_topic_once() -> None:
    size = len(SAMPLE_KINDS) * len(TOPICS)
    asked = [ask(index, SEED) for index in range(size)]
    assert len({(one.kind, one.topic.name) for one in asked}) == size
    assert len({one.instruction for one in asked}) == size
    assert Counter(one.kind for one in asked[: 4 * len(SAMPLE_KINDS)]) == dict.fromkeys(SAMPLE_KINDS, 4)


@pytest.mark.parametrize("seed", range(10))
def test_even_a_few_rows_spread_over_kinds_and_topics(seed: int) -> None:
    asked = [ask(index, seed) for index in range(64)]
    assert {one.kind for one in asked} == set(SAMPLE_KINDS)
    assert len({one.topic.name for one in asked}) >= 40


def test_instructions_stay_distinct_far_beyond_a_block() -> None:
    size = 8 * len(SAMPLE_KINDS) * len(TOPICS)
    assert len({ask(index, SEED).instruction for index in range(size)}) == size


@pytest.mark.parametrize("kind", SAMPLE_KINDS)
def test_prompts_that_differ_in_topic_alone_are_no_near_duplicates(kind: str) -> None:
    choices = [build(kind, TOPICS[0], 0, Random(draw)).constraint.args for draw in range(12)]
    for wording, verb, audience, args in product(WORDINGS[kind], range(len(VERBS)), AUDIENCES, choices):
        tides = word_it(wording, verb, audience, "tides", args)
        assert 6 <= len(words(tides)) <= 18, tides
        assert trigram_jaccard(tides, word_it(wording, verb, audience, "bread", args)) < 0.7, tides


def test_no_unplanted_near_duplicates(rows: list[SampleRow]) -> None:
    own = [row.raw["instruction"] for row in rows[:500] if not set(row.truth["defects"]) & set(BORROWED)]
    grams = [(set(word_trigrams(text)), text) for text in own]
    close = [
        (left, right)
        for (one, left), (two, right) in combinations(grams, 2)
        if len(one & two) >= 0.7 * len(one | two)
    ]
    assert close == []


def test_an_instruction_by_hand() -> None:
    args: dict[str, str | int | list[str]] = {"keys": ["name", "detail", "example"]}
    wording = WORDINGS["json_keys"][2]
    expected = "As JSON with keys name, detail, example, tell me about bread for a pen pal."
    assert word_it(wording, 3, AUDIENCES[0], "bread", args) == expected
    expected = "Stay under 16 words and describe bread for a pen pal."
    assert word_it(WORDINGS["max_words"][3], 0, AUDIENCES[0], "bread", {"count": 15}) == expected


# --- responses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SAMPLE_KINDS)
def test_meeting_passes_and_missing_fails_on_every_topic(kind: str) -> None:
    for topic, draw in product(TOPICS, range(3)):
        asked = build(kind, topic, draw, Random(f"{topic.name} {draw}"))
        good, bad = meet(asked, Random(draw)), miss(asked, Random(draw))
        assert verify(asked.constraint, asked.instruction, good).failures == (), (asked.instruction, good)
        assert verify(asked.constraint, asked.instruction, bad).failures == ("constraint",), (asked, bad)


def test_benchmark_prompts_can_be_met() -> None:
    texts = [one.instruction for one in BENCHMARK_PROMPTS]
    assert len(texts) == len(set(texts)) >= 24
    assert {one.kind for one in BENCHMARK_PROMPTS} <= set(kinds())
    for asked, draw in product(BENCHMARK_PROMPTS, range(5)):
        assert verify(asked.constraint, asked.instruction, meet(asked, Random(draw))).failures == ()


# --- rows ---------------------------------------------------------------------------------------------


def test_a_row_depends_on_seed_and_index_alone() -> None:
    few, many = list(generate(64, SEED)), list(generate(1000, SEED))
    assert few == many[:64]
    assert make_row(999, SEED) == many[999]
    assert few != list(generate(64, SEED + 1))
    assert json.dumps(few[0].raw) == json.dumps(make_row(0, SEED).raw)


def test_rows_come_as_a_stream() -> None:
    assert next(generate(10**12, SEED)) == make_row(0, SEED)
    assert list(generate(0, SEED)) == []
    with pytest.raises(ValueError, match="rows is -1, expected 0 or more"):
        generate(-1, SEED)


def test_raw_and_truth_are_json(rows: list[SampleRow]) -> None:
    for row in rows[:200]:
        assert json.loads(json.dumps(row.raw)) == row.raw
        assert json.loads(json.dumps(row.truth)) == row.truth
        assert Constraint.from_dict(row.raw["constraint"]).kind == row.truth["kind"]
        assert list(row.truth) == [
            "index",
            "kind",
            "topic",
            "defects",
            "duplicate_of",
            "best_model",
            "worst_model",
            "passed",
        ]


def test_raw_has_the_shape_of_real_rows(rows: list[SampleRow]) -> None:
    if not REAL.exists():
        pytest.skip(f"no real rows at {REAL}")
    for line in REAL.read_text().splitlines():
        real, made = json.loads(line), rows[0].raw
        assert set(made) == set(real) | {"constraint"}
        for completion in real["completions"]:
            assert set(made["completions"][0]) == set(completion)
            for aspect, annotation in (completion["annotations"] or {}).items():
                assert set(annotation) <= set(made["completions"][0]["annotations"][aspect])


def test_scores_follow_the_ratings(rows: list[SampleRow]) -> None:
    for row in rows:
        for one in row.raw["completions"]:
            given = [int(note["Rating"]) for note in one["annotations"].values() if note["Rating"] != "N/A"]
            assert set(given) <= {1, 2, 3, 4, 5}
            assert one["fine-grained_score"] == round(sum(given) / len(given), 2)
            assert 1 <= one["overall_score"] <= 10
            assert one["critique"].endswith(".")


def test_passing_outranks_failing_where_nothing_is_planted() -> None:
    both = 0
    for row in generate(1000, SEED, NO_DEFECTS):
        assert row.truth["defects"] == []
        ends: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for one, passed in zip(row.raw["completions"], row.truth["passed"], strict=True):
            ends[passed].append((one["overall_score"], one["fine-grained_score"]))
        if ends[True] and ends[False]:
            both += 1
            for score in (0, 1):
                assert min(pair[score] for pair in ends[True]) > max(pair[score] for pair in ends[False])
    assert both > 950


def test_models_differ_in_skill() -> None:
    passed: Counter[str] = Counter()
    for row in generate(1000, SEED, NO_DEFECTS):
        passed.update(one for one, good in zip(row.raw["models"], row.truth["passed"], strict=True) if good)
    shares = [passed[model] / 1000 for model in MODELS]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.95 and 0.65 < shares[1] < 0.85 and shares[2] < 0.2 and shares[3] < 0.02


# --- planted defects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*EXCLUSIVE, "na_rating", "constant_junk"])
def test_rate(name: str, rows: list[SampleRow]) -> None:
    rate = getattr(DEFAULT_RATES, name)
    share = len(having(rows, name)) / len(rows)
    # Four standard errors; a row of few completions, or of identical ones, may have lost its constant junk.
    slack = 4 * (rate * (1 - rate) / len(rows)) ** 0.5 + (0.03 if name == "constant_junk" else 0)
    assert abs(share - rate) < slack


def test_at_most_one_exclusive_defect(rows: list[SampleRow]) -> None:
    assert all(len(set(row.truth["defects"]) & set(EXCLUSIVE)) <= 1 for row in rows)


@pytest.mark.parametrize("name", EXCLUSIVE)
def test_a_rate_of_one_plants_it_everywhere(name: str) -> None:
    rates = DefectRates(**{other: 0.0 for other in EXCLUSIVE} | {name: 1.0})
    made = [name in row.truth["defects"] for row in generate(20, SEED, rates)]
    # Nothing comes before row 0, and where all is borrowed it is the only row to borrow from.
    assert made == [not name.endswith("duplicate_prompt"), *[True] * 19]


def test_what_cannot_be_planted_is_not_claimed() -> None:
    rates = DefectRates(**{name: 0.0 for name in EXCLUSIVE} | {name: 0.5 for name in BORROWED[::2]})
    made = list(generate(60, 3, rates))
    for row in made:
        if (original := row.truth["duplicate_of"]) is not None:
            mine, theirs = row.raw["instruction"], made[original].raw["instruction"]
            assert mine.lower().split() == theirs.lower().split()


def test_tie(rows: list[SampleRow]) -> None:
    for row in having(rows, "tie"):
        assert len(set(overall(row).values())) == 1
        assert len({one["fine-grained_score"] for one in row.raw["completions"]}) == 1


def test_exact_duplicate(rows: list[SampleRow]) -> None:
    respelt = 0
    for row in having(rows, "exact_duplicate_prompt"):
        original = rows[row.truth["duplicate_of"]]
        assert original.truth["index"] < row.truth["index"]
        mine, theirs = row.raw["instruction"], original.raw["instruction"]
        assert mine.lower().split() == theirs.lower().split()
        assert row.raw["constraint"] == original.raw["constraint"]
        assert row.raw["completions"] != original.raw["completions"]
        respelt += mine != theirs
    assert respelt > 0


def test_near_duplicate(rows: list[SampleRow]) -> None:
    for row in having(rows, "near_duplicate_prompt"):
        original = rows[row.truth["duplicate_of"]]
        mine, theirs = row.raw["instruction"], original.raw["instruction"]
        assert mine.lower().split() != theirs.lower().split()
        assert trigram_jaccard(mine, theirs) >= 0.7
        assert abs(len(words(mine)) - len(words(theirs))) <= 1
        assert row.raw["constraint"] == original.raw["constraint"]


def test_only_duplicates_name_an_original(rows: list[SampleRow]) -> None:
    for row in rows:
        planted = set(row.truth["defects"]) & {"exact_duplicate_prompt", "near_duplicate_prompt"}
        assert (row.truth["duplicate_of"] is not None) == bool(planted)


def test_empty_response(rows: list[SampleRow]) -> None:
    lost = having(rows, "empty_response")
    blank = [[not one["response"].strip() for one in row.raw["completions"]] for row in lost]
    assert all(sum(places) == 1 for places in blank)
    assert all(
        not passed
        for row, places in zip(lost, blank, strict=True)
        for gone, passed in zip(places, row.truth["passed"], strict=True)
        if gone
    )
    assert all(one["response"].strip() for row in rows if row not in lost for one in row.raw["completions"])


def test_identical_responses(rows: list[SampleRow]) -> None:
    for row in having(rows, "identical_responses"):
        assert len({one["response"] for one in row.raw["completions"]}) == 1


def test_overall_score_bug(rows: list[SampleRow]) -> None:
    for row in having(rows, "overall_score_bug"):
        assert bugged(row) == [row.truth["worst_model"]]
    assert not any(bugged(row) for row in rows if "overall_score_bug" not in row.truth["defects"])


def test_benchmark_prompt(rows: list[SampleRow]) -> None:
    known = {one.instruction for one in BENCHMARK_PROMPTS}
    for row in rows:
        assert (row.raw["instruction"] in known) == ("benchmark_prompt" in row.truth["defects"])


def test_few_completions(rows: list[SampleRow]) -> None:
    counts: Counter[int] = Counter()
    for row in rows:
        few = "few_completions" in row.truth["defects"]
        counts[len(row.raw["completions"])] += 1
        assert len(row.raw["completions"]) in ((1, 2, 3) if few else (4,))
        assert row.raw["models"] == [one["model"] for one in row.raw["completions"]]
        assert len(row.truth["passed"]) == len(row.raw["completions"])
    assert set(counts) == {1, 2, 3, 4}


def test_flipped_label(rows: list[SampleRow]) -> None:
    for row in having(rows, "flipped_label"):
        scores = overall(row)
        assert scores[row.truth["best_model"]] == min(scores.values())
        assert scores[row.truth["worst_model"]] == max(scores.values())
        # The flip is the last of the exclusive defects, so without it the row is the honest one.
        honest = make_row(row.truth["index"], SEED, DefectRates(flipped_label=0.0))
        best, worst = row.truth["best_model"], row.truth["worst_model"]
        assert overall(honest) == scores | {best: scores[worst], worst: scores[best]}
        assert [one["response"] for one in honest.raw["completions"]] == [
            one["response"] for one in row.raw["completions"]
        ]


def test_scores_name_best_and_worst_where_nothing_is_planted(rows: list[SampleRow]) -> None:
    for row in rows:
        if not set(row.truth["defects"]) & set(EXCLUSIVE):
            scores = overall(row)
            assert scores[row.truth["best_model"]] == max(scores.values())
            assert scores[row.truth["worst_model"]] == min(scores.values())


def test_na_rating(rows: list[SampleRow]) -> None:
    aspects: Counter[str] = Counter()
    for row in rows:
        notes = [item for one in row.raw["completions"] for item in one["annotations"].items()]
        unrated = {aspect for aspect, note in notes if note["Rating"] == "N/A"}
        assert bool(unrated) == ("na_rating" in row.truth["defects"])
        aspects.update(unrated)
    assert aspects.most_common(1)[0][0] == "honesty"


def test_constant_junk(rows: list[SampleRow]) -> None:
    for row in rows:
        said = [one["response"] for one in row.raw["completions"]]
        assert (JUNK in said) == ("constant_junk" in row.truth["defects"])


def test_bad_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"defect rates must lie in 0..1: tie=1.5"):
        DefectRates(tie=1.5)
    with pytest.raises(ValueError, match=r"at most one sum to 1\.010, above 1"):
        DefectRates(tie=0.8)
