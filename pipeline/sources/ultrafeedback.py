"""Raw UltraFeedback rows (one instruction, several rated completions) to completions.

Nothing is repaired here: a null or empty response stays, a rating of ``N/A`` becomes null, a suspicious
overall score is the business of :mod:`pipeline.pairs.scoring`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa

from pipeline.schema import ASPECTS
from pipeline.sources.columns import canonical_constraints, is_no_number, user_prompt
from pipeline.sources.faults import BAD_VALUE, WRONG_TYPE
from pipeline.sources.fields import (
    Completion,
    Parsed,
    Place,
    as_constraint,
    as_optional_number,
    as_optional_text,
    as_text,
    required,
)
from pipeline.sources.jsonl import Row
from pipeline.sources.reading import Adapter
from pipeline.sources.shapes import NUMBER, OBJECT, TEXT, Shape, as_records

NO_COMPLETIONS = "no_completions"

_EMPTY = "the list of completions is empty"
_NO_NUMBERS = ("response", "model", "critique", "annotations")
# Python takes more for a number: such a rating is left to it.
_PLAIN_RATING = r"^[1-5](\.[0-9]{1,15})?$"


def adapter(score_column: str | None = None) -> Adapter:
    """How raw UltraFeedback is read.

    Args:
        score_column: A number beside each completion's response, read as ``named_score``.
    """
    ratings = [pa.struct([("Rating", TEXT)]), pa.struct([("Rating", NUMBER)]), TEXT, NUMBER]
    # A column of texts named as the score is a fault, which the strict way explains.
    shapes = () if score_column in _NO_NUMBERS else tuple(_shape(kind, score_column) for kind in ratings)
    return Adapter(partial(parse, score_column=score_column), shapes)


# --- row by row -----------------------------------------------------------------------------------------


def parse(row: Row, place: Place, score_column: str | None = None) -> Parsed:
    """Read one raw UltraFeedback row.

    ``source``, ``instruction`` and ``completions`` must be there, and ``response``, ``model`` and
    ``overall_score`` in each completion. ``annotations``, ``critique``, ``fine-grained_score``, the score
    column and a ``constraint`` beside the instruction may be null or missing; other fields are not read.

    Raises:
        PipelineError: If a field is missing or of the wrong type; with file, row and column.
    """
    source = as_text(required(row, "source", place, "the name of the part it comes from"), "source", place)
    instruction = as_text(required(row, "instruction", place, "the prompt"), "instruction", place)
    constraint = as_constraint(row.get("constraint"), "constraint", place)
    completions = required(row, "completions", place, "a list of completions")
    if not isinstance(completions, list):
        raise place.fault("completions", completions, "a list of completions")
    shared = {
        "source": source,
        "prompt": [{"role": "user", "content": instruction}],
        "label": None,
        "constraint": constraint,
    }
    if not completions:
        return Parsed([shared], NO_COMPLETIONS, _EMPTY)
    return Parsed(
        [
            {**shared, **_completion(item, f"completions[{index}]", place, score_column)}
            for index, item in enumerate(completions)
        ]
    )


def _completion(item: Any, path: str, place: Place, score_column: str | None) -> Completion:
    if not isinstance(item, dict):
        raise place.fault(path, item, "an object with response, model, overall_score and annotations")

    def get(key: str, expected: str) -> Any:
        return required(item, key, place, expected, f"{path}.{key}")

    def number(key: str) -> float | None:
        return as_optional_number(item.get(key), f"{path}.{key}", place)

    return {
        "completion": as_optional_text(get("response", "the response"), f"{path}.response", place),
        "model": as_optional_text(get("model", "who wrote it"), f"{path}.model", place),
        "overall_score": as_optional_number(
            get("overall_score", "the judge's score"), f"{path}.overall_score", place
        ),
        "fine_grained_score": number("fine-grained_score"),
        "named_score": None if score_column is None else number(score_column),
        "critique": as_optional_text(item.get("critique"), f"{path}.critique", place),
        **_ratings(item.get("annotations"), f"{path}.annotations", place),
    }


def _ratings(annotations: Any, path: str, place: Place) -> dict[str, float | None]:
    """The rating of each aspect; null where there is none."""
    if annotations is None:
        return dict.fromkeys(ASPECTS)
    if not isinstance(annotations, dict):
        raise place.fault(path, annotations, f"an object with {', '.join(ASPECTS)}, or null")
    return {aspect: _rating(annotations.get(aspect), f"{path}.{aspect}", place) for aspect in ASPECTS}


def _rating(annotation: Any, path: str, place: Place) -> float | None:
    """One rating; it stands beside other fields in an object, alone, or in a list of one."""
    if isinstance(annotation, list) and len(annotation) == 1:
        annotation = annotation[0]
    if isinstance(annotation, dict):
        path = f"{path}.Rating"
        annotation = annotation.get("Rating")
    if annotation is None or annotation == "N/A":
        return None
    rating = math.nan
    if isinstance(annotation, str | int | float) and not isinstance(annotation, bool):
        try:
            rating = float(annotation)
        except (ValueError, OverflowError):
            rating = math.nan
    if not 1.0 <= rating <= 5.0:
        is_value = isinstance(annotation, str | int | float) and not isinstance(annotation, bool)
        reason = BAD_VALUE if is_value else WRONG_TYPE
        raise place.fault(path, annotation, 'a rating from "1" to "5", "N/A" or null', reason)
    return rating


# --- block by block -------------------------------------------------------------------------------------


def _shape(rating: pa.DataType, score_column: str | None) -> Shape:
    """Rows whose ratings all have one type."""
    completion = {
        "response": TEXT,
        "model": TEXT,
        "overall_score": NUMBER,
        "fine-grained_score": NUMBER,
        "critique": TEXT,
        "annotations": pa.struct([(aspect, rating) for aspect in ASPECTS]),
        **({} if score_column is None else {score_column: NUMBER}),
    }
    fields = {
        "source": TEXT,
        "instruction": TEXT,
        "constraint": OBJECT,
        "completions": pa.list_(pa.struct(list(completion.items()))),
    }
    must_be = ["source", "instruction", "completions"]
    must_be += [f"completions.{name}" for name in ("response", "model", "overall_score")]
    convert = partial(_records, rating=rating, score_column=score_column)
    return Shape(pa.schema(list(fields.items())), convert, frozenset(must_be))


def _records(
    frame: pl.DataFrame, null_may_be_missing: bool, rating: pa.DataType, score_column: str | None
) -> pl.DataFrame:
    """Records of a block; see :class:`~pipeline.sources.shapes.Shape`."""
    item, is_empty = pl.col("item"), pl.col("is_empty")
    ratings = {aspect: _rating_column(aspect, rating) for aspect in ASPECTS}
    records = _one_per_completion(frame).select(
        "row",
        "completion_index",
        "source",
        "prompt",
        "constraint",
        "is_faulty",
        "is_empty",
        item.is_null().alias("is_no_item"),
        item.struct.field("response").alias("completion"),
        item.struct.field("model"),
        item.struct.field("overall_score"),
        item.struct.field("fine-grained_score").alias("fine_grained_score"),
        item.struct.field("critique"),
        (pl.lit(None, pl.Float64) if score_column is None else item.struct.field(score_column)).alias(
            "named_score"
        ),
        *(value.alias(aspect) for aspect, (value, _) in ratings.items()),
        pl.any_horizontal(is_refused for _, is_refused in ratings.values()).alias("is_no_rating"),
        pl.when("is_empty").then(pl.lit(NO_COMPLETIONS)).alias("reason"),
        pl.when("is_empty").then(pl.lit(_EMPTY)).alias("detail"),
    )
    scores = pl.col("overall_score", "fine_grained_score", "named_score")
    doubtful = (
        pl.col("is_faulty")
        | (pl.col("is_no_item") & ~is_empty)
        | pl.col("is_no_rating")
        | pl.any_horizontal(is_no_number(scores))
    )
    if null_may_be_missing:
        needed = pl.col("completion", "model", "overall_score")
        doubtful |= pl.any_horizontal(needed.is_null()) & ~is_empty
    return as_records(records, doubtful)


def _one_per_completion(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows' own fields beside each of their completions, ``item``; null for a row with none."""
    count = pl.col("completions").list.len()
    constraints = canonical_constraints(frame["constraint"])
    rows = frame.select(
        "row",
        "source",
        user_prompt(pl.col("instruction")).alias("prompt"),
        constraints.alias("constraint"),
        (
            pl.any_horizontal(pl.col("source", "instruction", "completions").is_null())
            | (pl.col("constraint").is_not_null() & constraints.is_null())
        ).alias("is_faulty"),
        (count == 0).alias("is_empty"),
        pl.int_ranges(0, count, dtype=pl.Int32).alias("completion_index"),
        pl.col("completions").alias("item"),
    )
    items = rows.explode("completion_index", "item", empty_as_null=True, keep_nulls=True)
    return items.with_columns(pl.col("completion_index").fill_null(0))


def _rating_column(aspect: str, rating: pa.DataType) -> tuple[pl.Expr, pl.Expr]:
    """An aspect's rating in the column ``item``, and whether it is none that is surely a rating."""
    given = pl.col("item").struct.field("annotations").struct.field(aspect)
    if pa.types.is_struct(rating):
        given, rating = given.struct.field("Rating"), rating.field("Rating").type
    if rating.equals(TEXT):
        value = pl.when(given.str.contains(_PLAIN_RATING)).then(given).cast(pl.Float64)
        is_none = given.is_null() | (given == "N/A")
    else:
        value, is_none = given, given.is_null()
    return value, ~(is_none | value.is_between(1.0, 5.0)).fill_null(False)
