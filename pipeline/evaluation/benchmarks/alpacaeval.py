"""AlpacaEval 1 and 2 (arXiv 2404.04475): how often a judge prefers the model's answer to a reference's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.alpacaeval_files import (
    ModelOutput,
    pair_up,
    read_outputs,
    reference_file,
)
from pipeline.evaluation.benchmarks.alpacaeval_judging import annotate
from pipeline.evaluation.benchmarks.alpacaeval_package import EVALUATORS, Evaluator, load_evaluator
from pipeline.evaluation.benchmarks.alpacaeval_scores import AlpacaEvalScore, score_annotations
from pipeline.evaluation.benchmarks.interface import (
    BenchmarkAnswer,
    BenchmarkPrompt,
    BenchmarkScore,
    Interval,
    ScoringPlace,
)
from pipeline.evaluation.benchmarks.judge import Judge
from pipeline.evaluation.benchmarks.prompt_files import draw
from pipeline.files import write_json
from pipeline.params import AlpacaEvalParams, JudgeParams, project_path

NORMAL_95 = 1.959963984540054
"""Standard errors on either side of a 95% interval."""


class AlpacaEval:
    """AlpacaEval as the stage runs it.

    Args:
        params: The ``benchmarks.alpacaeval`` section.
        judge: The ``benchmarks.judge`` section.

    Raises:
        PipelineError: If the package or the reference answers are not to be had.
    """

    name = "alpacaeval"

    def __init__(self, params: AlpacaEvalParams, judge: JudgeParams) -> None:
        self._params = params
        self._judge = judge
        self._evaluator: Evaluator = load_evaluator(params.version)
        self._path = reference_file(
            params.version, None if params.reference is None else project_path(params.reference)
        )
        self.files: Sequence[Path] = (self._path,)
        self.max_new_tokens: int = params.max_new_tokens

    @cached_property
    def _reference(self) -> list[ModelOutput]:
        return read_outputs(self._path)

    def prompts(self) -> Sequence[BenchmarkPrompt]:
        """The instructions, keyed by their place in the file; with a limit, the ones drawn.

        Raises:
            PipelineError: If the reference answers cannot be read.
        """
        prompts = [
            BenchmarkPrompt(str(place), (output.instruction,)) for place, output in enumerate(self._reference)
        ]
        # By the instruction's own hash, not by its place.
        return draw(prompts, self._params.limit, self._params.seed, lambda prompt: prompt.turns[0])

    def score(self, answers: Sequence[BenchmarkAnswer], place: ScoringPlace) -> BenchmarkScore:
        """Have the answers judged, and score the judgements.

        Writes ``model_outputs.json`` and ``annotations.json``, both in AlpacaEval's format, into
        ``place.folder``, and keeps the judge's replies in ``place.work``.

        Raises:
            PipelineError: As :meth:`~pipeline.evaluation.benchmarks.judge.Judge.ask`.
        """
        said = {answer.turns[0]: answer.responses[0] for answer in answers}
        pairs = pair_up(self._reference, said, place.model)
        if len(pairs) != len(answers):
            raise PipelineError(
                "AlpacaEval was answered with other prompts than its own",
                file=self._path,
                found=f"{len(answers)} answers, {len(pairs)} of them to its instructions",
                hint="Run `dvc repro --force --single-item benchmark`",
            )
        write_json(place.folder / "model_outputs.json", [answer.to_json() for _, _, answer in pairs])
        judge = Judge(self._judge, self._evaluator.model, place.work / "alpacaeval_judge.jsonl")
        annotated = annotate(pairs, self._evaluator, judge, self._params.swap_positions)
        write_json(place.folder / "annotations.json", annotated.annotations)
        control = self._params.length_control
        score = score_annotations(annotated.annotations, None if control is None else project_path(control))
        return BenchmarkScore(
            scores={
                "win_rate": score.win_rate,
                "length_controlled_winrate": score.length_controlled_winrate,
                "discrete_win_rate": score.discrete_win_rate,
            },
            intervals=_intervals(score),
            counts={
                "prompts": len(pairs),
                "judged": score.n,
                "wins": score.wins,
                "losses": score.losses,
                "draws": score.draws,
                "unparsed": score.unparsed,
                **annotated.judged.counts_with_failures,
            },
            details={
                "judge": judge.model,
                "evaluator": EVALUATORS[self._params.version],
                "reference": self._reference[0].generator,
                "length_control": score.length_control,
                "position_bias": asdict(annotated.bias),
            },
        )


def _intervals(score: AlpacaEvalScore) -> dict[str, Interval]:
    """95% intervals by the normal approximation, from the package's standard errors, within 0 and 100."""
    found = {
        "win_rate": (score.win_rate, score.standard_error),
        "length_controlled_winrate": (score.length_controlled_winrate, score.lc_standard_error),
    }
    return {
        name: Interval(max(0.0, rate - NORMAL_95 * error), min(100.0, rate + NORMAL_95 * error))
        for name, (rate, error) in found.items()
        if rate is not None and error is not None
    }
