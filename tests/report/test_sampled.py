"""The report shows the greedy answers of base and trained, whatever else the table holds."""

from __future__ import annotations

import polars as pl

from pipeline.report.examples import side_by_side
from pipeline.report.scores import kind_rows
from pipeline.schema import GENERATIONS
from tests.report.conftest import frame, generation


def test_samples_and_further_models_change_nothing() -> None:
    shown = frame(
        GENERATIONS, [generation(index, model) for index in range(24) for model in ("base", "trained")]
    )
    samples = shown.with_columns(decoding=pl.lit("sampled"), response=pl.lit("Drawn."), success=pl.lit(True))
    further = shown.filter(model="base").with_columns(model=pl.lit("other"), response=pl.lit("Other."))
    more = pl.concat([samples, further, shown])
    examples = side_by_side(more, 8)
    assert examples == side_by_side(shown, 8)
    assert [[answer.model for answer in example.answers] for example in examples] == [["base", "trained"]] * 8
    assert kind_rows(more) == kind_rows(shown) != []
