"""Every enabled benchmark with every model: answers, scores, and what is known of contamination."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.answers import AnswerFile, answers_fingerprint
from pipeline.evaluation.benchmarks.generate import Decoding, answer_prompts
from pipeline.evaluation.benchmarks.interface import Benchmark, BenchmarkAnswer, ScoringPlace
from pipeline.evaluation.benchmarks.words import contamination_line, score_lines
from pipeline.files import write_text
from pipeline.params import BenchmarksParams
from pipeline.tokens.prompts import SpecialTokensInText
from pipeline.tokens.tokenizer import load_tokenizer
from pipeline.training.model import load_model

ANSWERS = "answers.jsonl"


def chosen_models(models: Mapping[str, Path], params: BenchmarksParams) -> dict[str, Path]:
    """The models that ``benchmarks.models`` names, in its order; all where it is null.

    Raises:
        PipelineError: If it names one that is not there.
    """
    if params.models is None:
        return dict(models)
    unknown = [name for name in params.models if name not in models]
    if unknown:
        raise PipelineError(
            "benchmarks.models names a model that is not there",
            key="benchmarks.models",
            found=", ".join(unknown),
            expected=f"some of {', '.join(models)}",
        )
    return {name: models[name] for name in params.models}


def run_benchmarks(
    benchmarks: Sequence[Benchmark],
    models: Mapping[str, Path],
    params: BenchmarksParams,
    contaminations: Mapping[str, Mapping[str, Any]],
    folder: Path,
    work: Path,
    trust_remote_code: bool = False,
    special_tokens_in_text: SpecialTokensInText = "text",
) -> dict[str, Any]:
    """Have each model answer each benchmark, and score the answers.

    All answers are made before the first is scored, model by model, so that each model is loaded once at
    most, and not at all where ``work`` holds all its answers already.

    Args:
        benchmarks: Those that params enable.
        models: Name to model directory.
        params: The section ``benchmarks``.
        contaminations: Of each benchmark, by name:
            :func:`~pipeline.evaluation.benchmarks.contamination.contamination`.
        folder: Takes ``<benchmark>/<model>/answers.jsonl`` and what the benchmark itself writes there.
        work: Outlives a run that fails: answers and judgements made before.
        trust_remote_code: As in params.
        special_tokens_in_text: ``tokenize.special_tokens_in_text``.

    Returns:
        By benchmark its contamination, and by model its scores, intervals and counts.

    Raises:
        PipelineError: If a model cannot be loaded, or a benchmark cannot score the answers.
    """
    answers = {
        name: _answer_all(name, path, benchmarks, params, work, trust_remote_code, special_tokens_in_text)
        for name, path in models.items()
    }
    metrics: dict[str, Any] = {}
    for benchmark in benchmarks:
        contamination = dict(contaminations[benchmark.name])
        metrics[benchmark.name] = {"contamination": contamination}
        for name in models:
            given = answers[name][benchmark.name]
            place = ScoringPlace(name, folder / benchmark.name / name, work / benchmark.name / name)
            place.folder.mkdir(parents=True)
            place.work.mkdir(parents=True, exist_ok=True)
            write_text(place.folder / ANSWERS, "".join(map(_line, given)))
            score = benchmark.score(given, place)
            metrics[benchmark.name][name] = score.to_json()
            lines = [*score_lines(score), contamination_line(contamination)]
            print("\n  ".join([f"{benchmark.name} ({name})", *lines]))
    return metrics


def _answer_all(
    name: str,
    path: Path,
    benchmarks: Sequence[Benchmark],
    params: BenchmarksParams,
    work: Path,
    trust_remote_code: bool,
    special_tokens_in_text: SpecialTokensInText,
) -> dict[str, list[BenchmarkAnswer]]:
    """One model's answers by benchmark."""
    tokenizer = load_tokenizer(path, trust_remote_code)
    model: PreTrainedModel | None = None
    answers = {}
    for benchmark in benchmarks:
        decoding = Decoding(benchmark.max_new_tokens, params.batch_prompts, special_tokens_in_text)
        settings = {
            "dtype": params.dtype,
            "max_new_tokens": decoding.max_new_tokens,
            "special_tokens_in_text": special_tokens_in_text,
        }
        kept = AnswerFile(
            work / benchmark.name / name / ANSWERS, answers_fingerprint(path, settings), benchmark.prompts()
        )
        missing = kept.missing()
        if missing:
            model = model or _load(path, params, trust_remote_code)
            answer_prompts(model, tokenizer, missing, decoding, kept.add, f"{benchmark.name} ({name})")
        answers[benchmark.name] = kept.answers()
    return answers


def _load(path: Path, params: BenchmarksParams, trust_remote_code: bool) -> PreTrainedModel:
    # Weights in bf16, not autocast: decoding reads every weight for each token, and would cast each.
    dtype = torch.bfloat16 if params.dtype == "bf16" else torch.float32
    return load_model(path, trust_remote_code, dtype)


def _line(answer: BenchmarkAnswer) -> str:
    """An answer as ``score`` takes it: ``prompt`` and ``response`` where there is one turn."""
    row: dict[str, Any] = {"key": answer.key}
    if len(answer.turns) == 1:
        row |= {"prompt": answer.turns[0], "response": answer.responses[0]}
    else:
        row |= {"turns": answer.turns, "responses": answer.responses}
    row |= {"tokens": answer.tokens, "finished": answer.finished}
    return json.dumps(row, ensure_ascii=False) + "\n"
