"""AlpacaEval's numbers from annotations: win rate and length-controlled win rate, by the package.

The length-controlled win rate (arXiv 2404.04475) is fitted together with judgements of two models that game
the judge by length, and with the difficulty of each instruction. The package downloads both, as
``df_gamed.csv``. Where that file is not to be had, a stand-in takes its place, and the result says so.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import hf_hub_download

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.alpacaeval_files import HUB, REVISION
from pipeline.evaluation.benchmarks.alpacaeval_package import (
    EVALUATORS,
    REFERENCES,
    alpaca_eval,
    reference_leaderboard,
)

GAMED = {"gpt4_1106_preview_concise": 1.0, "gpt4_1106_preview_verbose": -1.0}
"""The two gamed models; the sign of reference length minus theirs."""

CALIBRATION_FILE = "df_gamed.csv"

LEAST_JUDGED = 10
"""Judgements below which no length-controlled win rate is fitted."""

LengthControl = Literal["published", "estimated", "not_defined"]


@dataclass(frozen=True)
class AlpacaEvalScore:
    """What AlpacaEval says of one model.

    Attributes:
        win_rate: Mean preference for the model's answer, percent; None where nothing was judged.
        standard_error: Of the win rate, percentage points; None for fewer than two judgements.
        length_controlled_winrate: The win rate were the answers as long as the reference's, percent; None
            where it is not defined.
        lc_standard_error: Of that, percentage points; None where it is estimated.
        discrete_win_rate: Share of won judgements, draws half, percent.
        length_control: ``published``: fitted with the package's own data; ``estimated``: with the stand-in
            of :func:`stand_in`; ``not_defined``: the judgements are not AlpacaEval 2's.
        n: Judgements with a preference.
        wins: Of those, won by the model.
        losses: Lost.
        draws: Neither.
        unparsed: Judgements without a preference, which count for nothing.
    """

    win_rate: float | None
    standard_error: float | None
    length_controlled_winrate: float | None
    lc_standard_error: float | None
    discrete_win_rate: float | None
    length_control: LengthControl
    n: int
    wins: int
    losses: int
    draws: int
    unparsed: int


def score_annotations(
    annotations: Sequence[Mapping[str, Any]], calibration: Path | None = None
) -> AlpacaEvalScore:
    """Score one model's annotations.

    Args:
        annotations: As :func:`~pipeline.evaluation.benchmarks.alpacaeval_files.read_annotations` gives them.
            Their order, or ``index`` where there is one, says which of AlpacaEval's instructions each is.
        calibration: The package's ``df_gamed.csv``; None: the hub, or else the stand-in.

    Raises:
        PipelineError: If the package is not installed, or the calibration file is not the package's.
    """
    judged = [row for row in annotations if row["preference"] is not None]
    unparsed = len(annotations) - len(judged)
    if not judged:
        return AlpacaEvalScore(None, None, None, None, None, "not_defined", 0, 0, 0, 0, unparsed)
    with alpaca_eval("metrics.winrate") as winrate:
        rates = winrate.get_winrate([{"preference": row["preference"]} for row in judged])
    controlled, error, how = _length_controlled(annotations, calibration)
    several = len(judged) > 1
    return AlpacaEvalScore(
        win_rate=float(rates["win_rate"]),
        standard_error=float(rates["standard_error"]) if several else None,
        length_controlled_winrate=controlled,
        lc_standard_error=error,
        discrete_win_rate=float(rates["discrete_win_rate"]),
        length_control=how,
        n=int(rates["n_total"]),
        wins=int(rates["n_wins"]),
        losses=int(rates["n_wins_base"]),
        draws=int(rates["n_draws"]),
        unparsed=unparsed,
    )


def _length_controlled(
    annotations: Sequence[Mapping[str, Any]], calibration: Path | None
) -> tuple[float | None, float | None, LengthControl]:
    """The length-controlled win rate, its standard error and how it was come by."""
    first = annotations[0]
    judge_is_its_own = first.get("annotator") in {None, EVALUATORS[2]}
    # The calibration data are judgements against this reference: against another they say nothing. The
    # package's five-fold fit needs some judgements, and a length that never varies controls nothing.
    lengths = {len(row["output_1"]) - len(row["output_2"]) for row in annotations}
    if (
        first["generator_1"] != REFERENCES[2]
        or not judge_is_its_own
        or len(lengths) < 2
        or sum(row["preference"] is not None for row in annotations) < LEAST_JUDGED
    ):
        return None, None, "not_defined"
    import pandas as pd

    places = [row.get("index", place) for place, row in enumerate(annotations)]
    columns = ("output_1", "output_2", "generator_1", "generator_2", "preference")
    frame = pd.DataFrame([{name: row[name] for name in columns} for row in annotations], index=places)
    frame["preference"] = frame["preference"].astype(float)
    published = calibration or _downloaded()
    with tempfile.TemporaryDirectory() as folder, alpaca_eval("metrics.glm_winrate") as glm:
        file = published or stand_in(frame["output_1"].str.len(), Path(folder) / CALIBRATION_FILE)
        with _instead_of_the_hub(glm, file):
            try:
                found = glm.get_length_controlled_winrate(
                    frame, save_weights_dir=None, is_add_glm_preference_inplace=False
                )
            except (KeyError, ValueError) as error:
                raise PipelineError(
                    "The length-controlled win rate cannot be fitted",
                    file=file if published else None,
                    found=f"{type(error).__name__}: {error}",
                    expected=f"{CALIBRATION_FILE} of {HUB}, and its instructions in their order",
                    hint="Leave length_control out, or name the package's own file",
                ) from error
    if published is None:
        # The package's standard error is the spread over the instructions' difficulties, here all equal.
        return float(found["length_controlled_winrate"]), None, "estimated"
    return float(found["length_controlled_winrate"]), float(found["lc_standard_error"]), "published"


def stand_in(reference_lengths: Any, path: Path) -> Path:
    """Write what can be known of ``df_gamed.csv`` without it.

    The package's leaderboard has the win rates of the two gamed models, one concise, one verbose. Each is
    taken to win every instruction at its mean rate, with answers in constant proportion to the reference's:
    then the standardised length difference is the reference's length over its standard deviation, whatever
    the proportion. All instructions are taken to be equally difficult. Nothing in it is fitted to a model.

    Args:
        reference_lengths: pandas Series of the reference's answers' lengths, in characters, by place in
            AlpacaEval.
        path: The file to write.
    """
    with reference_leaderboard().open(encoding="utf-8", newline="") as file:
        rates = {row[""]: float(row["win_rate"]) / 100 for row in csv.DictReader(file) if row[""] in GAMED}
    differences = reference_lengths / reference_lengths.std()
    fields = ("model", "index", "instruction_difficulty", "preference", "std_delta_len", "not_gamed_baseline")
    # The package looks a difficulty up by row number: the first rows must be the places from 0 without a gap.
    places = range(int(max(differences.index)) + 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        for model, sign in GAMED.items():
            for place in places:
                difference = sign * differences.get(place, differences.mean())
                writer.writerow((model, place, 0.0, rates[model], difference, False))
    return path


def _downloaded() -> Path | None:
    try:
        return Path(hf_hub_download(HUB, CALIBRATION_FILE, repo_type="dataset", revision=REVISION))
    except Exception:  # The transports beneath share no base; without the file there is the stand-in.
        return None


@contextmanager
def _instead_of_the_hub(glm: Any, file: Path) -> Iterator[None]:
    """Let the package's download give this file."""
    download = glm.hf_hub_download
    glm.hf_hub_download = lambda **_: str(file)
    try:
        yield
    finally:
        glm.hf_hub_download = download


def describe(score: AlpacaEvalScore) -> str:
    """A score in one line, and how far its length control is to be trusted in another."""
    if score.win_rate is None:
        return f"nothing was judged: {score.unparsed:,} annotations without a preference"
    line = f"win rate {score.win_rate:.2f}%"
    if score.standard_error is not None:
        line += f" (standard error {score.standard_error:.2f})"
    if score.length_controlled_winrate is not None:
        line += f", length-controlled {score.length_controlled_winrate:.2f}% ({score.length_control})"
    line += f"; {score.n:,} judged: {score.wins:,} won, {score.losses:,} lost, {score.draws:,} drawn"
    line += f"; {score.unparsed:,} without a preference"
    if score.length_control == "estimated":
        line += (
            f"\nThe length control is an estimate, not comparable with the leaderboard to the decimal: "
            f"{CALIBRATION_FILE} of {HUB} is not at hand (--length-control FILE)"
        )
    return line
