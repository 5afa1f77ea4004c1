"""Sound rows of every kind of source, a few of each form it takes: what the fuzz damages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.params import SourceParams
from pipeline.sources import argilla_binarized, hh_rlhf, ultrafeedback, ultrafeedback_binarized
from pipeline.sources.layout import detect_layout, layout_adapter
from pipeline.sources.reading import Adapter

Row = dict[str, Any]


@dataclass(frozen=True)
class Seeds:
    """A way of reading, and rows that it reads.

    Attributes:
        adapter: The way.
        rows: The rows.
    """

    adapter: Adapter
    rows: Sequence[Row]


def _talk(*turns: str) -> list[Row]:
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]


_SYSTEM = {"role": "system", "content": "Be brief."}
_CONSTRAINT = {"kind": "end_with", "args": {"word": "so"}, "topic": ["a"]}


def _rated(response: str, score: float, rating: Any) -> Row:
    return {
        "response": response,
        "model": "m",
        "overall_score": score,
        "fine-grained_score": 4.25,
        "critique": "Good.",
        "annotations": {aspect: rating for aspect in ("honesty", "helpfulness", "truthfulness")},
    }


_RAW: list[Row] = [
    {
        "source": "s",
        "instruction": "Wie geht's? 😀",
        "completions": [_rated("gut", 7, {"Rating": "4"}), _rated("", 2.5, {"Rating": "N/A"})],
    },
    {
        "source": "s",
        "instruction": "q",
        "constraint": _CONSTRAINT,
        "completions": [_rated("a", 1, {"Rating": 3})],
    },
    {
        "source": "s",
        "instruction": "q",
        "models": ["m"],
        "completions": [_rated("a", 1, "5"), _rated("b", 9, 2)],
    },
    {"source": "s", "instruction": "none", "completions": []},
]
_PAIRS: list[Row] = [
    {
        "prompt": "q",
        "chosen": "good",
        "rejected": "bad",
        "score_chosen": 8,
        "score_rejected": 2.5,
        "source": "s",
    },
    {"prompt": "q", "chosen": _talk("q", "good"), "rejected": _talk("q", "bad"), "score_chosen": 8.0},
    {"prompt": [_SYSTEM, *_talk("q")], "chosen": "good \u2028", "rejected": "bad", "constraint": _CONSTRAINT},
    {"chosen": [_SYSTEM, *_talk("q", "a", "r", "good")], "rejected": [_SYSTEM, *_talk("q", "a", "r", "bad")]},
]
_ARGILLA: list[Row] = [
    {
        "source": "s",
        "instruction": "q",
        "chosen_response": "good",
        "rejected_response": "bad",
        "chosen_avg_rating": 4.5,
        "rejected_avg_rating": 2,
        "chosen_model": "m",
    },
    {
        "source": "s",
        "prompt": "q",
        "chosen": _talk("q", "good"),
        "rejected": _talk("q", "bad"),
        "chosen-rating": 4.5,
        "rejected-rating": 2.0,
        "chosen-model": "m",
        "rejected-model": "n",
    },
]
_TRANSCRIPTS: list[Row] = [
    {"chosen": "\n\nHuman: q\n\nAssistant: good", "rejected": "\n\nHuman: q\n\nAssistant: bad"},
    {
        "chosen": "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant: é",
        "rejected": "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant:",
    },
    {"chosen": "\n\nHuman: q", "rejected": "Assistant: x"},
]

_OWN: dict[str, list[Row]] = {
    "pairs": [
        {"prompt": "q", "chosen": "good", "rejected": "bad", "chosen_score": 8, "rejected_score": "2.5"},
        {"prompt": _talk("q"), "chosen": _talk("good é"), "rejected": _talk("bad"), "system": "Be brief."},
        {"prompt": "r", "chosen": "yes", "rejected": "no", "chosen_score": None, "source": "s"},
    ],
    "completions": [
        {"prompt": "q", "responses": ["a", "b", "c"], "scores": [1, 2.5, 0], "models": ["m", "n", "o"]},
        {"prompt": "r", "responses": ["d", "e"], "scores": [4, None], "models": ["m", "n"]},
    ],
    "ranking": [
        {"prompt": "q", "response_a": "a", "response_b": "b", "winner": "A"},
        {"prompt": "r", "response_a": "c", "response_b": "d", "winner": "tie"},
        {"prompt": "s", "response_a": "e", "response_b": "f", "winner": "B"},
    ],
    "rated_single": [
        {"prompt": "q", "response": "a", "rating": 4.5, "model": "m"},
        {"prompt": "q", "response": "b", "rating": 1, "model": None},
        {"prompt": _talk("q", "c", "r"), "response": "é", "rating": "2"},
    ],
}
"""Of the private kinds. Rows of rated_single are read like any; that they find each other comes later."""


def _own(kind: str, rows: list[Row]) -> Seeds:
    params = SourceParams.model_validate({"kind": kind, "path": "mine.jsonl"})
    # The first row has the form that is read; the others are what may stand beside it.
    return Seeds(layout_adapter(detect_layout(rows[:1] * 4, params, Path("mine.jsonl")), params), rows)


SEEDS = {
    "ultrafeedback": Seeds(ultrafeedback.adapter(), _RAW),
    "ultrafeedback_scored": Seeds(ultrafeedback.adapter("fine-grained_score"), _RAW),
    "ultrafeedback_binarized": Seeds(ultrafeedback_binarized.ADAPTER, _PAIRS),
    "argilla_binarized": Seeds(argilla_binarized.ADAPTER, _ARGILLA),
    "hh_rlhf": Seeds(hh_rlhf.ADAPTER, _TRANSCRIPTS),
    **{kind: _own(kind, rows) for kind, rows in _OWN.items()},
}
"""By the name under which the fuzz reports them."""
