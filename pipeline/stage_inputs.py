"""A stage reads nothing that differs from what the stage before it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.recorded import WEIGHTS, Out, changed_files, load_yaml, recorded_outs


def check_inputs(root: Path, stage: str, weights: bool) -> None:
    """Compare the artifacts a stage depends on with what ``dvc.lock`` records of them.

    For use under ``dvc repro``, which brings ``dvc.lock`` up to date before a stage runs. It reads the inputs
    once, at some 0.7 GB a second and core.

    Args:
        root: The project's top folder.
        stage: The stage's name in ``dvc.yaml``.
        weights: Whether the stage reads models' weights; else these are not compared.

    Raises:
        PipelineError: If a file was damaged, or changed outside of DVC.
    """
    paths = list(_dependencies(root, stage))

    def is_read(name: str) -> bool:
        is_input = any(name == path or name.startswith(f"{path}/") for path in paths)
        return is_input and (weights or not name.endswith(WEIGHTS))

    changed = changed_files(root, _inputs(root, paths), is_read)
    if changed:
        first = changed[0]
        more = f", and {len(changed) - 1} more files" if len(changed) > 1 else ""
        raise PipelineError(
            f"An input of the stage {stage} is not as it was written: damaged, or changed outside of DVC",
            file=first.path.relative_to(root),
            found=f"MD5 {first.found}{more}",
            expected=f"MD5 {first.expected}, as dvc.lock records it",
            hint="Run `python -m pipeline damaged --remove`, which takes away damaged copies here and in "
            "DVC's cache, then `dvc pull` or `dvc repro`; keep a change of your own with `dvc commit`",
        )


def _dependencies(root: Path, stage: str) -> Iterator[str]:
    stages = (load_yaml(root / "dvc.yaml") or {}).get("stages") or {}
    for dependency in (stages.get(stage) or {}).get("deps") or ():
        # A dependency with settings of its own is a mapping of its path to them.
        yield dependency if isinstance(dependency, str) else next(iter(dependency))


def _inputs(root: Path, paths: list[str]) -> list[Out]:
    """The outs that the paths name, lie in, or hold."""
    return [
        out
        for out in recorded_outs(root)
        if any(
            out.path == path or out.path.startswith(f"{path}/") or path.startswith(f"{out.path}/")
            for path in paths
        )
    ]
