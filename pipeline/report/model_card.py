"""The model card: train's own words on the recipe, and what is known only after evaluation."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.licenses import License, base_license, base_repo, source_license
from pipeline.params import ReportParams
from pipeline.report import card_parts, words
from pipeline.report.artifacts import Artifacts
from pipeline.report.benchmarks import Benchmark, benchmark_tables
from pipeline.report.evaluation import evaluation_grid, length_baseline
from pipeline.report.grid import Cell, Grid
from pipeline.report.markdown import inline, table
from pipeline.results import missing

_REPORTED = {
    "accuracy": "Preference accuracy",
    "instruction_success": "Instruction success",
    "log_odds_margin": "Log-odds margin",
}


def model_card(artifacts: Artifacts, folder: Path, params: ReportParams) -> str:
    """A model card in Markdown with Hugging Face front matter: recipe, funnel, metrics, licences.

    Args:
        artifacts: What the stages wrote.
        folder: models/trained, whose README.md says how the model was trained.
        params: The ``report`` section: the licence, where the user has decided on one.

    Raises:
        PipelineError: If train's card is missing or has no front matter that can be read.
    """
    card = _trained_card(folder / "README.md")
    base = base_license(artifacts.lineage["base"])
    repo = artifacts.dataset.get("repo")
    front = ModelCardData(
        **{
            **vars(card.data),
            "license": params.model_license or base.id,
            "base_model": base_repo(artifacts.lineage["base"]),
            "datasets": [str(repo)] if repo else None,
            "model_name": "preference-pipeline model",
            "eval_results": _results(artifacts),
        }
    )
    licenses = [("Base model", base), ("Training data", source_license(artifacts.dataset))]
    if params.model_license:
        licenses.append(("This model", License(params.model_license, "this model")))
    parts = [
        card.text.strip(),
        _evaluation(artifacts),
        card_parts.funnel_section(artifacts),
        card_parts.contamination_section(artifacts),
        card_parts.license_section(licenses),
        f"SHA-256 of lineage.json: `{sha256_file(folder / 'lineage.json')}`",
    ]
    return f"---\n{front.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def _trained_card(path: Path) -> ModelCard:
    if not path.is_file():
        raise missing(path, "train")
    try:
        return ModelCard(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise PipelineError(
            "The model's card cannot be read",
            file=path,
            found=str(error),
            expected="Markdown with YAML front matter",
            hint="Run `dvc repro --force --single-item train`",
        ) from error


def _results(artifacts: Artifacts) -> list[EvalResult]:
    """The trained model's scores for the hub's model index."""
    values, kind = (
        artifacts.evaluation["trained"],
        str(artifacts.dataset.get("repo") or artifacts.dataset.get("kind")),
    )
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=kind,
            dataset_name=f"held-out pairs of {kind}",
            dataset_split=artifacts.scores.split,
            metric_type=metric,
            metric_name=name,
            metric_value=round(float(values[metric]), 6),
        )
        for metric, name in _REPORTED.items()
        if values.get(metric) is not None
    ]


def _evaluation(artifacts: Artifacts) -> str:
    parts = [
        f"## Evaluation\n\nOn the held-out {artifacts.scores.split} split; 95% intervals in brackets.",
        _table(evaluation_grid(artifacts.evaluation)),
    ]
    parts += [said] if (said := length_baseline(artifacts.evaluation)) else []
    parts += [_benchmark(found) for found in benchmark_tables(artifacts.benchmarks, {})]
    return "\n\n".join(parts)


def _benchmark(found: Benchmark) -> str:
    return f"### {inline(found.name)}\n\n{inline(found.contamination)}\n\n{_table(found.grid)}"


def _table(grid: Grid) -> str:
    head = [inline(column.label) for column in grid.columns]
    return table(head, [[_cell(cell) for cell in row] for row in grid.rows])


def _cell(cell: Cell) -> str:
    return inline(cell.text or words.DASH) + (f" [{inline(cell.note)}]" if cell.note else "")
