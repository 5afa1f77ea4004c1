r"""Anthropic's HH-RLHF: chosen and rejected as transcripts, to two labelled completions each.

A transcript is a run of turns, each behind a line ``Human:`` or ``Assistant:`` and a blank one::

    \n\nHuman: What is a river?\n\nAssistant: Water that flows.

The last turn is the response, what stands before it is the prompt. The one space behind a colon belongs to
the marker; nothing else is taken from a text. A response may be empty: binarize knows what to do with it.
"""

from __future__ import annotations

import re

import polars as pl
import pyarrow as pa

from pipeline.schema import MESSAGES
from pipeline.sources.fields import Completion, Parsed, Place, as_text, required
from pipeline.sources.jsonl import Row
from pipeline.sources.pair_rows import DIFFERENT_PROMPTS, LABELS, PROMPTS_DIFFER
from pipeline.sources.reading import Adapter
from pipeline.sources.shapes import TEXT, Shape, as_records

KIND = "hh_rlhf"
NOT_A_TRANSCRIPT = "not_a_transcript"
ENDS_WITHOUT_ASSISTANT = "ends_without_assistant"
ROLES_DO_NOT_ALTERNATE = "roles_do_not_alternate"

_TURN = r"\n\n(?:Human|Assistant):"
_SPEAKERS = {"\n\nHuman:": "user", "\n\nAssistant:": "assistant"}


# --- row by row -----------------------------------------------------------------------------------------


def parse(row: Row, place: Place) -> Parsed:
    """Read one pair of transcripts.

    A pair goes to the ledger, under the first of these reasons that holds for chosen, then for rejected:
    ``not_a_transcript`` (it does not start with a turn), ``ends_without_assistant`` (its last turn is the
    human's), ``roles_do_not_alternate`` (human, assistant, human, ... from the start), ``prompts_differ``.

    Raises:
        PipelineError: If a field is missing or no string; with file, row and column.
    """
    texts = {label: as_text(required(row, label, place, "a transcript"), label, place) for label in LABELS}
    turns = {label: turns_of(text) for label, text in texts.items()}
    fault = transcripts_fault(turns)
    if fault is not None:
        return Parsed([_completion(label, [], texts[label]) for label in LABELS], *fault)
    return Parsed([_completion(label, turns[label][:-1], turns[label][-1]["content"]) for label in LABELS])


def _completion(label: str, prompt: list[dict[str, str]], text: str) -> Completion:
    return {"source": KIND, "prompt": prompt, "completion": text, "label": label}


def turns_of(text: str) -> list[dict[str, str]]:
    """The turns as messages; none of a text that does not start with one."""
    marks, contents = re.findall(_TURN, text), re.split(_TURN, text)
    if contents[0]:
        return []
    return [
        {"role": _SPEAKERS[mark], "content": content.removeprefix(" ")}
        for mark, content in zip(marks, contents[1:], strict=True)
    ]


def transcripts_fault(turns: dict[str, list[dict[str, str]]]) -> tuple[str, str] | None:
    """The reason why a pair of transcripts is none, and its evidence."""
    roles = {label: [turn["role"] for turn in turns[label]] for label in LABELS}
    for label in LABELS:
        if not roles[label]:
            return NOT_A_TRANSCRIPT, f"{label} does not start with a turn"
    for label in LABELS:
        if roles[label][-1] != "assistant":
            return ENDS_WITHOUT_ASSISTANT, f"{label}: {', '.join(roles[label])}"
    for label in LABELS:
        if any(role != ("assistant" if index % 2 else "user") for index, role in enumerate(roles[label])):
            return ROLES_DO_NOT_ALTERNATE, f"{label}: {', '.join(roles[label])}"
    if turns["chosen"][:-1] != turns["rejected"][:-1]:
        return PROMPTS_DIFFER, DIFFERENT_PROMPTS
    return None


# --- block by block -------------------------------------------------------------------------------------


def _records(frame: pl.DataFrame, null_may_be_missing: bool) -> pl.DataFrame:
    """Records of a block; see :class:`~pipeline.sources.shapes.Shape`. A null is refused either way."""
    is_null = pl.any_horizontal(pl.col(LABELS).is_null())
    turns = frame.select("row", *LABELS, is_null.alias("is_null"))
    for label in LABELS:
        turns = turns.with_columns(_turn_column(turns[label]).alias(f"{label}_turns"))
    reason, detail = _fault_columns()
    turns = turns.with_columns(reason.alias("reason"), detail.alias("detail"))
    is_kept = pl.col("reason").is_null()
    records = [
        turns.select(
            "row",
            "is_null",
            "reason",
            "detail",
            pl.lit(KIND).alias("source"),
            pl.lit(index).alias("completion_index"),
            pl.lit(label).alias("label"),
            pl.when(is_kept).then(_before(label)).otherwise(pl.lit([], dtype=MESSAGES)).alias("prompt"),
            pl.when(is_kept).then(_last(label)).otherwise(pl.col(label)).alias("completion"),
        )
        for index, label in enumerate(LABELS)
    ]
    return pl.concat([as_records(part, pl.col("is_null")) for part in records]).sort(
        "row", maintain_order=True
    )


def _turn_column(texts: pl.Series) -> pl.Series:
    """Each transcript's turns as messages; none of a text that does not start with one."""
    text = pl.col("text")
    contents = text.str.split(_TURN, literal=False)
    split = (
        texts.alias("text")
        .to_frame()
        .select(
            roles=text.str.extract_all(_TURN).list.eval(pl.element().replace_strict(_SPEAKERS)),
            contents=pl.when(contents.list.first() == "").then(contents.list.slice(1)),
        )
    )
    # One row per turn, and back: this pairs each role with its content.
    is_split = pl.col("contents").list.len() > 0
    numbered = split.with_row_index("place").filter(is_split).explode("roles", "contents")
    message = pl.struct(role="roles", content=pl.col("contents").str.strip_prefix(" "))
    messages = numbered.group_by("place", maintain_order=True).agg(message.alias("turns"))
    places = pl.DataFrame({"place": pl.int_range(texts.len(), dtype=pl.UInt32, eager=True)})
    joined = places.join(messages, on="place", how="left", maintain_order="left")
    return joined.select(pl.col("turns").fill_null([]).cast(MESSAGES)).to_series()


def _before(label: str) -> pl.Expr:
    turns = pl.col(f"{label}_turns")
    return turns.list.slice(0, (turns.list.len().cast(pl.Int64) - 1).clip(0))


def _last(label: str) -> pl.Expr:
    return pl.col(f"{label}_turns").list.last().struct.field("content")


def _fault_columns() -> tuple[pl.Expr, pl.Expr]:
    """Reason and evidence as :func:`transcripts_fault` gives them; null for a pair without fault."""
    turns = {label: pl.col(f"{label}_turns") for label in LABELS}
    roles = {label: column.list.eval(pl.element().struct.field("role")) for label, column in turns.items()}
    said = {label: pl.format(f"{label}: {{}}", roles[label].list.join(", ")) for label in LABELS}
    expected = pl.when(pl.int_range(pl.len()) % 2 == 1).then(pl.lit("assistant")).otherwise(pl.lit("user"))
    faults = [
        *(
            (turns[label].list.len() == 0, NOT_A_TRANSCRIPT, pl.lit(f"{label} does not start with a turn"))
            for label in LABELS
        ),
        *((roles[label].list.last() != "assistant", ENDS_WITHOUT_ASSISTANT, said[label]) for label in LABELS),
        *(
            (
                ~roles[label].list.eval(pl.element() == expected).list.all(),
                ROLES_DO_NOT_ALTERNATE,
                said[label],
            )
            for label in LABELS
        ),
        (_before("chosen").ne_missing(_before("rejected")), PROMPTS_DIFFER, pl.lit(DIFFERENT_PROMPTS)),
    ]
    reason: pl.Expr = pl.lit(None, pl.String)
    detail: pl.Expr = pl.lit(None, pl.String)
    for is_fault, name, evidence in reversed(faults):
        reason = pl.when(is_fault).then(pl.lit(name)).otherwise(reason)
        detail = pl.when(is_fault).then(evidence).otherwise(detail)
    return reason, detail


ADAPTER = Adapter(
    parse, (Shape(pa.schema([(label, TEXT) for label in LABELS]), _records, frozenset(LABELS)),)
)
"""How such rows are read."""
