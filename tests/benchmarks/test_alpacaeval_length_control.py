"""Recovering judgements' sums from published fits: against scikit-learn's fits to known judgements."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks import alpacaeval_length_control as module
from benchmarks.alpacaeval_length_control import (
    Array,
    Repository,
    agreed,
    feature_sums,
    labels_with_sums,
    sigmoid,
    standardised_lengths,
)
from pipeline.errors import PipelineError

ROWS = 300


def features(generator: np.random.Generator, difficulty: Array) -> Array:
    return np.column_stack([np.tanh(generator.normal(size=ROWS)), difficulty])


def fit(x: Array, y: Array, weight: Array, strength: float) -> Array:
    """The package's fit, to the end: each row once with either label, weighted by its probability."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.LogisticRegression(
        penalty="l1", solver="liblinear", fit_intercept=False, C=strength, tol=1e-10, max_iter=10_000
    )
    labels = np.repeat([1, 0], len(x))
    model.fit(np.concatenate([x, x]), labels, sample_weight=np.concatenate([y * weight, (1 - y) * weight]))
    coefficients: Array = model.coef_[0]
    return coefficients


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("strength", module.STRENGTHS[5:7])
def test_sums_and_strength_of_a_fit(strength: float) -> None:
    generator = np.random.default_rng(0)
    difficulty = generator.normal(size=ROWS)
    gamed = np.concatenate([features(generator, difficulty), features(generator, difficulty)])
    hidden = generator.integers(0, 2, size=2 * ROWS).astype(np.float64)
    own = np.column_stack([features(generator, difficulty), np.ones(ROWS)])
    preferences = sigmoid(own @ np.array([-1.0, 0.8, -1.5]) + generator.normal(size=ROWS))
    x = np.concatenate([np.column_stack([gamed, np.zeros(2 * ROWS)]), own])
    weight = np.repeat([module.GAMED_WEIGHT, 1.0], [2 * ROWS, ROWS])
    weights = fit(x, np.concatenate([hidden, preferences]), weight, strength)
    sums, found = feature_sums(own, preferences, weights, gamed)
    assert found == strength
    np.testing.assert_allclose(sums, gamed.T @ hidden, atol=0.01)


@pytest.mark.parametrize(("preference", "expected"), [(0.41, 2.7825594), (0.25, None), (0.5, None)])
def test_a_fit_that_ended_early_tells_no_strength(preference: float, expected: float | None) -> None:
    """Four rows predicted 1/2: gradients 0.36 (1 / 2.78), 1 (midway to the next, 2.78), and none at all."""
    _, strength = feature_sums(np.ones((4, 3)), np.full(4, preference), np.zeros(3), np.ones((8, 2)))
    assert strength == pytest.approx(expected)


def test_labels_have_the_sums() -> None:
    generator = np.random.default_rng(1)
    x = np.column_stack([features(generator, generator.normal(size=ROWS)), np.ones(ROWS)])
    sums = x.T @ generator.integers(0, 2, size=ROWS).astype(np.float64)
    labels = labels_with_sums(x, sums)
    np.testing.assert_allclose(x.T @ labels, sums, atol=1e-9)
    assert labels.min() > 0 and labels.max() < 1


def test_agreed_is_the_narrowest_quarter() -> None:
    """Twelve values, three of them 5: the others, however they lie, count for nothing."""
    assert agreed(np.array([0.0, 5, 9, 5, 3, 5, 20, -7, 6.5, 1.5, 40, 12])) == 5.0
    assert agreed(np.array([1.0, 2.0, 9.0, 2.5])) == pytest.approx(11 / 6)


def test_standardised_lengths_by_hand() -> None:
    """Differences 1, 2, 3, whose standard deviation over n - 1 is 1."""
    np.testing.assert_allclose(standardised_lengths(np.array([5.0, 5, 5]), np.array([4.0, 3, 2])), [1, 2, 3])


def test_a_repository_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(PipelineError, match="lacks a file"):
        Repository(tmp_path).annotations("alpaca-7b")


@pytest.mark.filterwarnings("ignore")
def test_recovering_from_a_repository_made_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, on fits to judgements that are known: difficulties, lengths and sums come out again."""
    generator = np.random.default_rng(2)
    difficulty = generator.normal(size=ROWS)
    lengths = {
        name: generator.integers(100, 900, size=ROWS).astype(np.float64)
        for name in ("reference", *module.GAMED, "a", "b")
    }
    tanhs = {
        name: np.tanh(standardised_lengths(lengths["reference"], lengths[name])) for name in list(lengths)[1:]
    }
    full = {name: np.column_stack([tanh, difficulty, np.ones(ROWS)]) for name, tanh in tanhs.items()}
    judged = {
        name: (generator.random(ROWS) < sigmoid(x @ np.array([-1.5, 0.8, -0.5]))).astype(np.float64)
        for name, x in full.items()
    }
    hidden = np.concatenate([judged[name] for name in module.GAMED])
    gamed = np.concatenate([full[name] * [1, 1, 0] for name in module.GAMED])
    weight = np.repeat([module.GAMED_WEIGHT, 1.0], [2 * ROWS, ROWS])
    strength = float(module.STRENGTHS[5])
    weights = {
        name: fit(np.concatenate([gamed, x]), np.append(hidden, judged[name]), weight, strength)
        for name, x in full.items()
    }
    folder = write_repository(tmp_path, lengths, judged, weights, difficulty)
    for name, value in (("SUMMED", ("a", "b")), ("WITH_FITTED", ("a", "b")), ("COMMIT", "HEAD")):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "agreed", lambda column: float(np.mean(column)))
    rows = module.recover(Repository(folder))
    found = {key: np.array([float(str(row[key])) for row in rows]) for key in list(rows[0])[1:5]}
    np.testing.assert_allclose(found["instruction_difficulty"], np.tile(difficulty, 2), atol=1e-6)
    for place, name in enumerate(module.GAMED):
        part = slice(place * ROWS, (place + 1) * ROWS)
        np.testing.assert_allclose(np.tanh(found["std_delta_len"][part]), tanhs[name], atol=1e-6)
        sums = full[name].T @ found["preference"][part]
        np.testing.assert_allclose(sums, full[name].T @ judged[name], atol=0.05)


def write_repository(
    root: Path,
    lengths: dict[str, Array],
    judged: dict[str, Array],
    weights: dict[str, Array],
    difficulty: Array,
) -> Path:
    """A git repository that holds what AlpacaEval's does of these models."""
    files: dict[str, str] = {}
    for name in ("a", "b"):
        fitted = sigmoid(weights[name][2] + weights[name][1] * difficulty)
        rows = [
            {
                "instruction": f"i{n}",
                "output_1": "r" * int(lengths["reference"][n]),
                "output_2": "m" * int(lengths[name][n]),
                "preference": 1 + judged[name][n],
                "glm_preference": fitted[n],
            }
            for n in range(ROWS)
        ]
        for place in (module.EVALUATOR, f"{module.EVALUATOR}/{module.EVALUATOR}"):
            files[f"results/{name}/{place}/annotations.json"] = json.dumps(rows)
    for name in module.GAMED:
        outputs = [{"instruction": f"i{n}", "output": "g" * int(lengths[name][n])} for n in range(ROWS)]
        files[f"results/{name}/model_outputs.json"] = json.dumps(outputs)
    coefficients = [f"{name},{','.join(map(repr, map(float, w)))}" for name, w in weights.items()]
    files[module.WEIGHTS] = "\n".join([",t,d,1", *coefficients])
    rates = [f"{name},{100 * judged[name].mean()}" for name in module.GAMED]
    files[module.LEADERBOARD] = "\n".join([",win_rate", *rates])
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git = ("git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "--no-gpg-sign", "-m", "all")):
        subprocess.run([*git, *command], check=True)
    return root


def test_the_shipped_file_has_its_columns() -> None:
    """What the script writes is what the pipeline reads: the package's columns, in one row per judgement."""
    from pipeline.evaluation.benchmarks.alpacaeval_length_control import RECOVERED

    with RECOVERED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "model",
        "index",
        "instruction_difficulty",
        "preference",
        "std_delta_len",
        "not_gamed_baseline",
    ]
    assert len(rows) == 2 * 805 and {row["not_gamed_baseline"] for row in rows} == {"False"}
