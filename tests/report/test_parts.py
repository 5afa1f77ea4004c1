import math

import pytest

from pipeline.intervals import wilson_interval
from pipeline.report import charts, words
from pipeline.report.scores import headline
from pipeline.results import ModelScores, Scores


def test_wilson_interval() -> None:
    low, high = wilson_interval(8 / 10, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # as published for 8 of 10
    assert wilson_interval(0.0, 5)[0] == 0.0
    assert wilson_interval(1.0, 5)[1] == pytest.approx(1.0)
    assert words.interval(0, 0) == ""


def test_numbers_never_read_minus_zero() -> None:
    assert words.number(-0.0001) == "0.000"
    assert words.signed(-0.0001) == "0.000"
    assert words.signed(0.5) == "+0.500"
    assert words.number(None) == words.DASH


def test_flat_keeps_order_and_empty_mappings() -> None:
    assert words.flat({"b": {"y": 1, "x": None}, "a": {}, "c": [1, "é"], "d": True}) == [
        ("b.y", "1"),
        ("b.x", "–"),
        ("a", "{}"),
        ("c", '[1, "é"]'),
        ("d", "yes"),
    ]


def test_only_long_texts_fold() -> None:
    assert words.start_of("short", 100) is None
    assert words.start_of("x" * 110, 100) is None  # ten characters are not worth a click
    assert words.start_of("x" * 300, 100) == "x" * 100
    assert words.start_of("line of words\n" * 40, 100, lines=2) == "line of words\nline of words"


def test_rolling_mean_is_centred_and_keeps_the_ends() -> None:
    assert charts.rolling_mean([1.0, 2.0, 6.0, 2.0, 1.0], 3) == [1.0, 3.0, 10 / 3, 3.0, 1.0]


def test_bins_stand_around_few_values_and_spread_over_many() -> None:
    assert charts.bin_edges([1.0, 2.0, 2.0, 4.0]) == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert charts.bin_edges([3.0, 3.0]) == [2.5, 3.5]
    edges = charts.bin_edges([math.sqrt(value) for value in range(100)])
    assert len(edges) == 25 and edges[0] == 0.0


def test_charts_of_nothing_are_none() -> None:
    assert charts.curves("t", {}, {}, "c") is None
    assert charts.histogram("t", {"a": []}, "x", "c") is None


def test_a_single_step_is_drawn() -> None:
    chart = charts.curves("One step", {"loss": ([0], [1.5])}, {}, "caption")
    assert chart is not None and chart.caption == "caption"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(0.5, 0.6, "raised"), (0.6, 0.5, "lowered"), (0.5, 0.5001, "left preference accuracy at 50.0%")],
)
def test_headline_says_what_happened(before: float, after: float, said: str) -> None:
    def model(accuracy: float) -> ModelScores:
        return ModelScores(accuracy, None, 0.0, 1.0, 10, 0, 0, None, None, None)

    text = headline(Scores("test", model(before), model(after)))
    assert said in text and "instruction" not in text
