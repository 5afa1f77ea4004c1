"""Where the training loop reports to: DVCLive, and the history that a resumed run reports once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Metrics = dict[str, float]


class StepLog:
    """Takes a run's metrics; this one lets them go.

    A resumed run reports its earlier steps once more before it goes on: each attempt's log is whole.
    """

    def step(self, step: int, metrics: Metrics) -> None:
        """Take the training metrics of one optimizer step."""

    def validation(self, step: int, metrics: Metrics) -> None:
        """Take the validation metrics after a step."""

    def close(self, failed: bool) -> None:
        """Finish; ``failed`` says that training ended in an error."""


class History(StepLog):
    """Remembers all it is given and hands it on.

    Args:
        log: Where to.
    """

    def __init__(self, log: StepLog) -> None:
        self._log = log
        self._entries: list[dict[str, Any]] = []

    def step(self, step: int, metrics: Metrics) -> None:
        """Take the training metrics of one optimizer step."""
        self._take({"kind": "step", "step": step, "metrics": metrics})

    def validation(self, step: int, metrics: Metrics) -> None:
        """Take the validation metrics after a step."""
        self._take({"kind": "validation", "step": step, "metrics": metrics})

    def state_dict(self) -> list[dict[str, Any]]:
        """All entries so far, for a checkpoint."""
        return list(self._entries)

    def replay(self, entries: Sequence[dict[str, Any]]) -> None:
        """Take the entries of an earlier attempt and hand them on, as if they came now."""
        for entry in entries:
            self._take(entry)

    def last_validation(self, step: int | None = None) -> Metrics:
        """The metrics of the last validation pass, or of the one after a step; empty if there was none."""
        for entry in reversed(self._entries):
            if entry["kind"] == "validation" and step in {None, entry["step"]}:
                return dict(entry["metrics"])
        return {}

    def _take(self, entry: dict[str, Any]) -> None:
        self._entries.append(entry)
        report = self._log.step if entry["kind"] == "step" else self._log.validation
        report(entry["step"], entry["metrics"])


class LogGroup(StepLog):
    """Several logs as one.

    Args:
        logs: Each is given everything.
    """

    def __init__(self, logs: Sequence[StepLog]) -> None:
        self._logs = list(logs)

    def step(self, step: int, metrics: Metrics) -> None:
        """Take the training metrics of one optimizer step."""
        for log in self._logs:
            log.step(step, metrics)

    def validation(self, step: int, metrics: Metrics) -> None:
        """Take the validation metrics after a step."""
        for log in self._logs:
            log.validation(step, metrics)

    def close(self, failed: bool) -> None:
        """Finish them all."""
        for log in self._logs:
            log.close(failed)


@contextmanager
def closing_log(log: StepLog) -> Iterator[StepLog]:
    """Close a log at the end of the block, as failed where the block raises."""
    try:
        yield log
    except BaseException:
        log.close(failed=True)
        raise
    log.close(failed=False)


def flat_names(metrics: Metrics, validation: bool) -> Metrics:
    """The metrics as trackers name them: those of validation under ``validation/``."""
    return {f"validation/{name}": value for name, value in metrics.items()} if validation else dict(metrics)


class LiveLog(StepLog):
    """Reports to DVCLive: one TSV per metric under ``plots/metrics``, the last values in ``metrics.json``.

    Args:
        folder: The folder DVCLive writes.
    """

    def __init__(self, folder: Path) -> None:
        from dvclive.live import Live

        self.live: Any = Live(dir=str(folder), save_dvc_exp=False, dvcyaml=None, report=None)

    def step(self, step: int, metrics: Metrics) -> None:
        """Log the training metrics of one optimizer step."""
        self._log(step, flat_names(metrics, validation=False))

    def validation(self, step: int, metrics: Metrics) -> None:
        """Log validation metrics at the step that has just been taken."""
        self._log(step, flat_names(metrics, validation=True))

    def _log(self, step: int, metrics: Metrics) -> None:
        self.live.step = step
        for name, value in metrics.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def close(self, failed: bool) -> None:
        """Write the summary."""
        self.live.end()
