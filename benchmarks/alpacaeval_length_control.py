"""The calibration data of AlpacaEval 2's length control, recovered from what AlpacaEval publishes.

``python benchmarks/alpacaeval_length_control.py --repository CLONE --output FILE --validate`` takes a minute;
CLONE is a clone of github.com/tatsu-lab/alpaca_eval. It gives what ``df_gamed.csv`` on the hub holds:

- The length-controlled preference of a model for instruction i is sigmoid(a + b * difficulty_i). Annotations
  of two models hold it, the repository holds a and b: each gives all the difficulties.
- The length differences of the two gamed models follow from their answers.
- Their judgements enter a logistic fit by their sums over each feature alone. A published fit is a minimum,
  so its gradient is zero: coefficients and annotations of any model give the sums over both gamed models,
  and each gamed model's own coefficients give its sums. Judgements with those sums stand in for the real.

The fits (``fit_LogisticRegressionCV`` of the package, by liblinear) minimise |w| + C * loss, with C chosen by
cross-validation. C is not published either, but the gradient for the intercept is then -sign(w) / C.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a file, Python looks for modules in this folder, where tokenize.py would hide the standard library's:
# the folder above takes its place before anything else is imported.
sys.path[0] = str(Path(__file__).parents[1])

import csv
import io
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from pipeline.errors import PipelineError, foreseen_faults

Array = NDArray[np.float64]

COMMIT = "cd543a149df89434d8a54582c0151c0b945c3d20"
EVALUATOR = "weighted_alpaca_eval_gpt4_turbo"
WEIGHTS = f"src/alpaca_eval/metrics/weights/{EVALUATOR}/length_controlled_v1/baseline_gpt4_1106_preview.csv"
LEADERBOARD = f"src/alpaca_eval/leaderboards/data_AlpacaEval_2/{EVALUATOR}_leaderboard.csv"
GAMED = ("gpt4_1106_preview_concise", "gpt4_1106_preview_verbose")
WITH_FITTED = ("vicuna-13b-v1.5", "vicuna-7b-v1.5")
"""Models whose annotations hold the fitted preference; the second checks the first."""

SUMMED = (
    *("FuseChat-Gemma-2-9B-Instruct", "FuseChat-Llama-3.2-1B-Instruct", "FuseChat-Qwen-2.5-7B-Instruct"),
    *("NullModel", "Qwen-14B-Chat", "alpaca-farm-ppo-sim-gpt4-20k", "chatglm2-6b", "claude-2.1_concise"),
    *("claude-instant-1.2", "falcon-40b-instruct", "gemma-2b-it", "gpt-3.5-turbo-0301"),
    *("gpt-3.5-turbo-1106_concise", "gpt4_0613_concise", "humpback-llama2-70b", "minichat-3b"),
    *("oasst-rlhf-llama-33b", "oasst-sft-pythia-12b", "openbuddy-llama-30b-v7.1"),
    *("openbuddy-llama2-70b-v10.1", "pythia-12b-mix-sft", "vicuna-13b-v1.5-togetherai", "vicuna-13b"),
    *("vicuna-7b-v1.5", "wizardlm-13b"),
)
"""Models that the sums are taken from. All others, alpaca-7b and phi-2 among them, are left to validate."""

GAMED_WEIGHT = 0.1
"""The package's weight of a gamed model's row: 0.2, for two of them."""

STRENGTHS = np.logspace(-4, 4, 10)
"""Values of C that scikit-learn tries."""


@dataclass(frozen=True)
class Repository:
    """AlpacaEval's repository at :data:`COMMIT`."""

    folder: Path

    def read(self, path: str) -> bytes:
        """A file's content.

        Raises:
            PipelineError: If it is not there.
        """
        found = subprocess.run(
            ["git", "-C", str(self.folder), "show", f"{COMMIT}:{path}"], capture_output=True, check=False
        )
        if found.returncode:
            raise PipelineError(
                "AlpacaEval's repository lacks a file",
                file=self.folder,
                found=found.stderr.decode(errors="replace").strip(),
                expected=f"{path} at {COMMIT}",
                hint="Name a full clone of github.com/tatsu-lab/alpaca_eval",
            )
        return found.stdout

    def objects(self, path: str) -> list[dict[str, Any]]:
        """The rows of a JSON file."""
        rows: list[dict[str, Any]] = json.loads(self.read(path))
        return rows

    def table(self, path: str) -> dict[str, dict[str, str]]:
        """A CSV file's rows by their first field, which has no name."""
        rows = csv.DictReader(io.StringIO(self.read(path).decode()))
        return {row.pop(""): row for row in rows}

    def annotations(self, model: str) -> list[dict[str, Any]]:
        """A model's annotations."""
        return self.objects(f"results/{model}/{EVALUATOR}/annotations.json")


def sigmoid(logits: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-logits))


def standardised_lengths(reference: Array, model: Array) -> Array:
    """Reference length minus the model's, over its standard deviation, as the package's feature has it."""
    difference = reference - model
    scaled: Array = difference / difference.std(ddof=1)
    return scaled


def feature_sums(
    features: Array, preferences: Array, weights: Array, gamed: Array
) -> tuple[Array, float | None]:
    """What a published fit says of the gamed models' judgements.

    Args:
        features: (instructions, 3): tanh of the standardised length, difficulty, 1.
        preferences: (instructions,): the model's, from 0 to 1.
        weights: (3,): its published coefficients.
        gamed: (2 * instructions, 2): the first two features of both gamed models.

    Returns:
        (2,): their preferences summed over each feature, and the fit's C; None for C where the fit ended too
        far from its minimum to tell.
    """
    gradient = features.T @ (sigmoid(features @ weights) - preferences)
    measured = 1 / max(abs(gradient[2]), 1e-12)
    place = int(np.argmin(np.abs(np.log(STRENGTHS / measured))))
    strength = float(STRENGTHS[place])
    fitted = gamed.T @ sigmoid(gamed @ weights[:2])
    sums = fitted + (gradient[:2] + np.sign(weights[:2]) / strength) / GAMED_WEIGHT
    return sums, strength if abs(np.log(strength / measured)) < 0.5 else None


def agreed(values: Array) -> float:
    """The mean of the quarter of the values that lie closest together.

    liblinear descends by one coefficient at a time: of the two sums, a fit that ended early gives that of
    the coefficient moved last to many digits and the other to a few. So the good ones agree, and no others.
    """
    ordered, size = np.sort(values), max(3, len(values) // 4)
    widths = ordered[size - 1 :] - ordered[: len(ordered) - size + 1]
    start = int(np.argmin(widths))
    return float(ordered[start : start + size].mean())


def labels_with_sums(features: Array, sums: Array) -> Array:
    """Labels between 0 and 1 whose sums over the features are the ones given, as a logistic model's are.

    Args:
        features: (rows, features).
        sums: (features,).

    Raises:
        PipelineError: If there are none.
    """
    weights = np.zeros(features.shape[1])
    for _ in range(100):
        labels = sigmoid(features @ weights)
        short = sums - features.T @ labels
        if np.abs(short).max() < 1e-9:
            return labels
        weights += np.linalg.solve((features * (labels * (1 - labels))[:, None]).T @ features, short)
    raise PipelineError(
        "No labels have the sums recovered", found=sums.tolist(), expected="a Newton fit to end"
    )


def recover(repository: Repository) -> list[dict[str, object]]:
    """The rows of the calibration file.

    Raises:
        PipelineError: If the repository lacks a file, or what it publishes does not agree with itself.
    """
    weights = {name: _numbers(row) for name, row in repository.table(WEIGHTS).items()}
    difficulty, check = (_difficulty(repository, name, weights[name]) for name in WITH_FITTED)
    _agree("difficulties by two models", difficulty, check, 1e-6)
    reference = repository.annotations(WITH_FITTED[0])
    instructions = [row["instruction"] for row in reference]
    lengths = np.array([len(row["output_1"]) for row in reference], dtype=np.float64)
    differences = []
    for name in GAMED:
        outputs = repository.objects(f"results/{name}/model_outputs.json")
        if [row["instruction"] for row in outputs] != instructions:
            raise PipelineError("Instructions stand in another order", found=name, expected=WITH_FITTED[0])
        differences.append(standardised_lengths(lengths, np.array([len(row["output"]) for row in outputs])))
    gamed = [np.stack([np.tanh(values), difficulty], axis=1) for values in differences]
    total = _total_sums(repository, weights, difficulty, np.concatenate(gamed))
    leaderboard = repository.table(LEADERBOARD)
    wins = [float(leaderboard[name]["win_rate"]) / 100 * len(instructions) for name in GAMED]
    concise = _own_sums(gamed[0], wins[0], weights[GAMED[0]], total, np.concatenate(gamed))
    verbose = _own_sums(gamed[1], wins[1], weights[GAMED[1]], total, np.concatenate(gamed))
    _agree("sums over both gamed models, and over each", concise + verbose, total, 0.1)
    rows: list[dict[str, object]] = []
    for name, values, features, sums, won in zip(
        GAMED, differences, gamed, (concise, total - concise), wins, strict=True
    ):
        labels = labels_with_sums(np.column_stack([features, np.ones(len(features))]), np.append(sums, won))
        rows += [
            {
                "model": name.rpartition("_")[2],
                "index": place,
                "instruction_difficulty": round(float(difficulty[place]), 6),
                "preference": round(float(labels[place]), 6),
                "std_delta_len": round(float(values[place]), 6),
                "not_gamed_baseline": False,
            }
            for place in range(len(instructions))
        ]
    return rows


def _difficulty(repository: Repository, model: str, weights: Array) -> Array:
    rows = repository.objects(f"results/{model}/{EVALUATOR}/{EVALUATOR}/annotations.json")
    fitted = np.array([row["glm_preference"] for row in rows], dtype=np.float64)
    difficulty: Array = (np.log(fitted / (1 - fitted)) - weights[2]) / weights[1]
    return difficulty


def _total_sums(
    repository: Repository, weights: Mapping[str, Array], difficulty: Array, gamed: Array
) -> Array:
    found = []
    for name in SUMMED:
        rows = repository.annotations(name)
        reference, model = (np.array([len(row[key]) for row in rows]) for key in ("output_1", "output_2"))
        features = np.column_stack(
            [np.tanh(standardised_lengths(reference, model)), difficulty, np.ones(len(rows))]
        )
        preferences = np.array([row["preference"] or 1.5 for row in rows], dtype=np.float64) - 1
        sums, strength = feature_sums(features, preferences, weights[name], gamed)
        if strength is not None:
            found.append(sums)
    return np.array([agreed(column) for column in np.array(found).T])


def _own_sums(features: Array, wins: float, weights: Array, total: Array, gamed: Array) -> Array:
    """One gamed model's sums, from its own fit: there its judgements count once more, in full.

    The sum over the intercept is published, as the win rate, and says which C the fit has.
    """
    full = np.column_stack([features, np.ones(len(features))])
    fitted = full.T @ sigmoid(full @ weights)
    fitted[:2] += GAMED_WEIGHT * (gamed.T @ sigmoid(gamed @ weights[:2]) - total)
    candidates = [fitted + np.sign(weights) / strength for strength in STRENGTHS]
    best = min(candidates, key=lambda sums: abs(float(sums[2]) - wins))
    _agree("judgements won by a gamed model", best[2:], np.array([wins]), 0.02)
    own: Array = best[:2]
    return own


def _agree(what: str, one: Array, other: Array, tolerance: float) -> None:
    apart = float(np.abs(one - other).max())
    print(f"{what}: at most {apart:.2g} apart")
    if apart > tolerance:
        raise PipelineError(f"Not as they should be: {what}", found=apart, expected=f"at most {tolerance}")


def _numbers(row: Mapping[str, str]) -> Array:
    return np.array([float(value) for value in row.values()])


def validate(repository: Repository, file: Path) -> None:
    """Print each model's published length-controlled win rate beside the one fitted with ``file``."""
    from pipeline.evaluation.benchmarks.alpacaeval_scores import score_annotations

    errors: dict[bool, list[float]] = {True: [], False: []}
    for name, row in repository.table(LEADERBOARD).items():
        if name in GAMED or not row["length_controlled_winrate"]:
            continue
        try:
            annotations = repository.annotations(name)
        except PipelineError:
            continue
        found = score_annotations(annotations, file).length_controlled_winrate
        if found is None:
            continue
        published = float(row["length_controlled_winrate"])
        errors[name in SUMMED].append(abs(found - published))
        used = "used" if name in SUMMED else "held out"
        print(f"{name:36} {used:8} {len(annotations)} {published:8.4f} {found:8.4f} {found - published:8.4f}")
    _print_errors("held out", errors[False])
    _print_errors("used", errors[True])


def _print_errors(label: str, errors: Sequence[float]) -> None:
    if errors:
        exact, near = (sum(error < limit for error in errors) for limit in (1e-3, 0.05))
        print(
            f"{label}: {len(errors)} models, {exact} within 0.001, {near} within 0.05, "
            f"mean {np.mean(errors):.4f}, most {max(errors):.4f}"
        )


def main(
    repository: Annotated[Path, typer.Option(help="A clone of github.com/tatsu-lab/alpaca_eval.")],
    output: Annotated[Path, typer.Option(help="The CSV file to write.")],
    check: Annotated[
        bool, typer.Option("--validate", help="Compare with the leaderboard; needs the extra judge.")
    ] = False,
) -> None:
    """Recover the calibration data of AlpacaEval 2's length control."""
    with foreseen_faults():
        rows = recover(Repository(repository))
        with output.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        if check:
            validate(Repository(repository), output)


if __name__ == "__main__":
    typer.run(main)
