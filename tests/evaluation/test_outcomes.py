"""Wins, ties and losses against base."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import polars as pl
import pytest

from pipeline.evaluation.outcomes import compare_outcomes, sign_test
from pipeline.schema import GENERATIONS


def table(*rows: tuple[str, str, str, bool | None]) -> pl.DataFrame:
    columns = ("model", "prompt_id", "decoding", "success")
    schema = {name: GENERATIONS.columns[name].dtype for name in columns}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def greedy(model: str, **success: bool | None) -> list[tuple[str, str, str, bool | None]]:
    return [(model, prompt, "greedy", passed) for prompt, passed in success.items()]


def test_every_model_is_counted_against_base() -> None:
    found = compare_outcomes(
        table(
            *greedy("base", a=True, b=False, c=False, d=False, e=True, f=None),
            *greedy("trained", a=True, b=True, c=True, d=False, e=False, f=None),
            # In another order; the samples do not count.
            *greedy("other", e=True, d=True, c=True, b=True, a=True, f=None),
            ("trained", "d", "sampled", True),
        )
    )
    # One in four of 3 tosses are all alike; all 4 sequences of 2 heads or 1 are as far from even as any.
    assert found == {
        "trained_vs_base": {"outcomes": {"win": 2, "tie": 2, "loss": 1, "p_value": 1.0}},
        "other_vs_base": {"outcomes": {"win": 3, "tie": 2, "loss": 0, "p_value": 0.25}},
    }


@pytest.mark.parametrize(
    "generations",
    [
        table(),
        table(*greedy("trained", a=True)),
        table(*greedy("base", a=None), *greedy("trained", a=None)),
        table(*greedy("base", a=True)),
    ],
    ids=["empty", "no base", "no checks", "base alone"],
)
def test_nothing_to_compare(generations: pl.DataFrame) -> None:
    assert compare_outcomes(generations) == {}


@pytest.mark.parametrize("trials", [0, 1, 2, 5, 9])
def test_the_p_value_is_the_share_of_sequences_as_far_from_even(trials: int) -> None:
    leads = [abs(sum(signs)) for signs in product((-1, 1), repeat=trials)]
    for wins in range(trials + 1):
        far = sum(lead >= abs(2 * wins - trials) for lead in leads)
        assert sign_test(wins, trials - wins) == float(Fraction(far, len(leads)))


def test_the_p_value_of_many() -> None:
    assert sign_test(27, 2) == pytest.approx(2 * (1 + 29 + 29 * 28 / 2) / 2**29, rel=1e-12)
    assert 0 < sign_test(700, 300) < 1e-30
