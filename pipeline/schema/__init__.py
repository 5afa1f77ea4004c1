"""Columns, dtypes and invariants of every table: the agreement between stages.

A :class:`Table` says what a Parquet file holds. :mod:`pipeline.tables` refuses to write or read one that
breaks it.
"""

from pipeline.schema.curation import (
    ANNOTATION_STATUSES,
    ANNOTATIONS,
    CHANGED_PAIRS,
    CHOICES,
    DECISIONS,
    FATES,
    PREFERENCES,
    QUEUE,
    SIDES,
    SUSPECTS,
)
from pipeline.schema.evaluation import (
    EVALUATED_PAIRS,
    EVALUATED_SLICES,
    GENERATIONS,
    GREEDY,
    IFEVAL_VERDICTS,
    REFERENCE_LOGPS,
    SAMPLED,
)
from pipeline.schema.pairs import (
    ASPECTS,
    CLUSTERED_PAIRS,
    COMPLETIONS,
    CONFLICTS,
    FLIPPED_PAIRS,
    LEDGER,
    PAIRS,
    SPLIT_PAIRS,
    SPLITS,
    TRUTH,
)
from pipeline.schema.table import MESSAGES, Column, Table

__all__ = [
    "ANNOTATIONS",
    "ANNOTATION_STATUSES",
    "ASPECTS",
    "CHANGED_PAIRS",
    "CHOICES",
    "CLUSTERED_PAIRS",
    "COMPLETIONS",
    "CONFLICTS",
    "DECISIONS",
    "EVALUATED_PAIRS",
    "EVALUATED_SLICES",
    "FATES",
    "FLIPPED_PAIRS",
    "GENERATIONS",
    "GREEDY",
    "IFEVAL_VERDICTS",
    "LEDGER",
    "MESSAGES",
    "PAIRS",
    "PREFERENCES",
    "QUEUE",
    "REFERENCE_LOGPS",
    "SAMPLED",
    "SIDES",
    "SPLITS",
    "SPLIT_PAIRS",
    "SUSPECTS",
    "TRUTH",
    "Column",
    "Table",
]
