"""W&B, MLflow and TensorBoard through their own clients, each imported only when ``train.trackers`` names it.

Where they write and with what credentials is theirs to know, from the environment (``WANDB_API_KEY``,
``WANDB_PROJECT``, ``WANDB_MODE``, ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and so on): params hold
no secrets (law 6).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.training.logs import Metrics, StepLog, flat_names

PROJECT = "preference-pipeline"
"""The W&B project and MLflow experiment where the environment names none."""

TENSORBOARD_RUNS = Path("runs")
"""Where TensorBoard's event files go, a folder for each run; ``tensorboard --logdir runs`` shows them."""


class WandbLog(StepLog):
    """Reports to Weights & Biases.

    Args:
        name: The run's; each attempt at a run is a W&B run of its own, grouped under this name.
        config: The params to show beside it.

    Raises:
        ImportError: If wandb is not installed.
        PipelineError: If W&B refuses to start, for want of an API key for instance.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        import wandb

        project = os.environ.get("WANDB_PROJECT", PROJECT)
        try:
            self._run: Any = wandb.init(project=project, name=name, group=name, config=dict(config))
        except wandb.errors.Error as error:
            raise PipelineError(
                "W&B does not start",
                key="train.trackers",
                found=str(error),
                hint="Set WANDB_API_KEY (or run `wandb login`), or WANDB_MODE=offline",
            ) from error

    def step(self, step: int, metrics: Metrics) -> None:
        """Log the training metrics of one optimizer step."""
        self._run.log(flat_names(metrics, validation=False), step=step)

    def validation(self, step: int, metrics: Metrics) -> None:
        """Log validation metrics at the step that has just been taken."""
        self._run.log(flat_names(metrics, validation=True), step=step)

    def close(self, failed: bool) -> None:
        """Upload what is left and end the run."""
        self._run.finish(exit_code=1 if failed else 0)


class MlflowLog(StepLog):
    """Reports to MLflow.

    Args:
        name: The run's; each attempt at a run is an MLflow run of its own.
        config: The params to log beside it; nested keys are joined by dots.

    Raises:
        ImportError: If mlflow is not installed.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ and "MLFLOW_EXPERIMENT_ID" not in os.environ:
            mlflow.set_experiment(PROJECT)
        self._run_id = mlflow.start_run(run_name=name).info.run_id
        mlflow.log_params(_dotted(config))

    def step(self, step: int, metrics: Metrics) -> None:
        """Log the training metrics of one optimizer step."""
        self._mlflow.log_metrics(flat_names(metrics, validation=False), step=step, run_id=self._run_id)

    def validation(self, step: int, metrics: Metrics) -> None:
        """Log validation metrics at the step that has just been taken."""
        self._mlflow.log_metrics(flat_names(metrics, validation=True), step=step, run_id=self._run_id)

    def close(self, failed: bool) -> None:
        """End the run as finished or failed."""
        self._mlflow.end_run("FAILED" if failed else "FINISHED")


class TensorBoardLog(StepLog):
    """Writes TensorBoard's event files to ``runs/<name>``.

    A later attempt at the same run takes the place of the earlier one's, whose steps it reports again.

    Args:
        name: The run's.
        config: The params, shown as a text.

    Raises:
        ImportError: If tensorboard is not installed.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = TENSORBOARD_RUNS / name
        if folder.is_dir():
            shutil.rmtree(folder)
        self._writer: Any = SummaryWriter(log_dir=str(folder))
        rows = [f"| {key} | {value} |" for key, value in _dotted(config).items()]
        self._writer.add_text("params", "\n".join(["| key | value |", "|---|---|", *rows]))

    def step(self, step: int, metrics: Metrics) -> None:
        """Log the training metrics of one optimizer step."""
        self._log(step, flat_names(metrics, validation=False))

    def validation(self, step: int, metrics: Metrics) -> None:
        """Log validation metrics at the step that has just been taken."""
        self._log(step, flat_names(metrics, validation=True))

    def _log(self, step: int, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, global_step=step)

    def close(self, failed: bool) -> None:
        """Write what is left."""
        self._writer.close()


TRACKERS: dict[str, Callable[[str, Mapping[str, Any]], StepLog]] = {
    "wandb": WandbLog,
    "mlflow": MlflowLog,
    "tensorboard": TensorBoardLog,
}
"""What ``train.trackers`` may name; each is called as the package to install."""


def open_trackers(names: Sequence[str], run: str, config: Mapping[str, Any]) -> list[StepLog]:
    """Start the trackers that ``train.trackers`` names.

    Args:
        names: Of :data:`TRACKERS`.
        run: The run's name.
        config: The params to show beside the curves.

    Raises:
        PipelineError: If one is not installed, or does not start; those before it are closed as failed.
    """
    opened: list[StepLog] = []
    try:
        for name in names:
            opened.append(_open(name, run, config))
    except BaseException:
        for log in opened:
            log.close(failed=True)
        raise
    return opened


def _open(name: str, run: str, config: Mapping[str, Any]) -> StepLog:
    try:
        return TRACKERS[name](run, config)
    except ImportError as error:
        raise PipelineError(
            "A tracker is not installed",
            key="train.trackers",
            found=f"{name} ({error})",
            hint=f"Run `pip install {name}`, or take it out of train.trackers",
        ) from error


def _dotted(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
