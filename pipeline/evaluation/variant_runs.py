"""Variants trained one after another as experiments of DVC, or loaded, and measured on the same pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.variant_results import (
    CURVE_SCHEMA,
    VariantResult,
    evaluated_rows,
    training_cost,
    training_curves,
)
from pipeline.evaluation.variants import Comparison, TrainedVariant, trained_variants
from pipeline.evaluation.workspace import Workspace
from pipeline.model_scores import BASE, TRAINED
from pipeline.params import CompareVariant, load_params, project_path, read_yaml
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import read_table
from pipeline.tokens.shards import ShardSet

STAGE = "evaluate"
"""The last stage a variant needs."""


def run_variants(root: Path, comparison: Comparison, settings: Sequence[str] = ()) -> list[VariantResult]:
    """Train or load every variant; the workspace is afterwards as it was.

    A variant that was trained before with the same params, on the same code and data, is not trained again.

    Args:
        root: The project's top folder, which must be the current one.
        comparison: What to compare.
        settings: ``dotted.key=value`` texts, before what the variants share.

    Returns:
        The variants in their order, then the base model as the first trained variant saw it, named base.

    Raises:
        PipelineError: If params are at fault, a stage fails, or the workspace could not be given back.
    """
    workspace = Workspace(root)
    found: dict[str, VariantResult] = {}
    with workspace.lent():
        values = read_yaml(workspace.own_params)
        for variant in trained_variants(comparison, values, settings):
            _train(workspace, variant)
            found[variant.name] = _trained(root, variant)
            if BASE not in found:
                rows = evaluated_rows(root, BASE, BASE)
                split = variant.params.evaluate.split
                found[BASE] = VariantResult(BASE, split, *rows, CURVE_SCHEMA.to_frame())
            workspace.leave(variant.experiment)
        for loaded in comparison.variants:
            if loaded.model is not None:
                found[loaded.name] = _loaded(root, loaded, loaded.model)
    names = [variant.name for variant in comparison.variants]
    return [found[name] for name in (*names, BASE) if name in found]


def _train(workspace: Workspace, variant: TrainedVariant) -> None:
    """Run the stages up to evaluate with a variant's params."""
    workspace.enter(variant.experiment, variant.params)
    _forget(workspace, variant.experiment)
    workspace.dvc(["exp", "run", "--name", variant.experiment, *variant.options(), STAGE])


def _forget(workspace: Workspace, experiment: str) -> None:
    """Remove an experiment of that name: what it made is in DVC's cache, and DVC takes no name twice."""
    listed = workspace.dvc(["exp", "list", "--all-commits", "--name-only"], quiet=True)
    if experiment in listed.split():
        workspace.dvc(["exp", "remove", experiment], quiet=True)


def _trained(root: Path, variant: TrainedVariant) -> VariantResult:
    curves = training_curves(root, variant.name)
    return VariantResult(
        variant.name,
        variant.params.evaluate.split,
        *evaluated_rows(root, TRAINED, variant.name),
        curves,
        settings=variant.settings,
        experiment=variant.experiment,
        cost=training_cost(root, curves),
        epochs=variant.params.train.epochs,
    )


def _loaded(root: Path, variant: CompareVariant, model: str) -> VariantResult:
    """A model that is there, on the pairs and prompts that the workspace holds now."""
    params = load_params(root / "params.yaml")
    split = params.evaluate.split
    result = evaluate(
        {variant.name: project_path(model)},
        ShardSet(root / "data/tokenize", split),
        read_table(root / f"data/split/{split}.parquet", SPLIT_PAIRS),
        params.evaluate,
        params.model.trust_remote_code,
    )
    return VariantResult(
        variant.name, split, result.pairs, result.generations, CURVE_SCHEMA.to_frame(), model=model
    )
