"""Each tracker by its own client: what was logged is read back from what it wrote."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.params import TrainParams
from pipeline.training import trackers
from pipeline.training.logs import History, LogGroup, StepLog, closing_log
from pipeline.training.trackers import TRACKERS, open_trackers
from tests.training.runs import Recorder, params

CONFIG = {"lr": 1e-5, "lora": {"r": 16, "target_modules": "all-linear"}}
STEPS = [{"loss": 2.5, "accuracy": 0.25}, {"loss": 1.25, "accuracy": 0.5}]
HELD_OUT = {"loss": 1.5}


def report(log: StepLog, failed: bool = False) -> None:
    """Two steps and a validation pass after the second."""
    for number, metrics in enumerate(STEPS, start=1):
        log.step(number, metrics)
    log.validation(2, HELD_OUT)
    log.close(failed)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)


def test_params_name_the_trackers_there_are() -> None:
    assert params(trackers=list(TRACKERS)).trackers == list(TRACKERS)
    with pytest.raises(PipelineError, match=r"train\.trackers"):
        params(trackers=["comet"])
    assert TrainParams().trackers == []


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"tensorboard": "torch.utils.tensorboard"}.get(name, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PipelineError) as caught:
        open_trackers([name], "train-0", CONFIG)
    assert caught.value.key == "train.trackers" and name in str(caught.value.found)
    assert f"pip install {name}" in str(caught.value)


def test_those_before_one_that_fails_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Recorder()

    def refuse(name: str, config: Any) -> StepLog:
        raise ImportError("no")

    monkeypatch.setattr(trackers, "TRACKERS", {"wandb": lambda *_: first, "mlflow": refuse})
    with pytest.raises(PipelineError):
        open_trackers(["wandb", "mlflow"], "train-0", CONFIG)
    assert first.failed is True


def test_a_group_hands_everything_to_each() -> None:
    one, other = Recorder(), Recorder()
    with closing_log(LogGroup([one, other])) as group:
        report(group)
    assert one.steps == other.steps == STEPS and one.validations == other.validations == [(2, HELD_OUT)]
    assert one.failed is False
    with pytest.raises(KeyError), closing_log(LogGroup([one, other])):
        raise KeyError
    assert one.failed is other.failed is True


def test_a_history_is_told_again_word_for_word() -> None:
    first, again = Recorder(), Recorder()
    history = History(first)
    report(history)
    copy = History(again)
    copy.replay(history.state_dict())
    assert again.curves() == first.curves() and copy.state_dict() == history.state_dict()
    assert copy.last_validation() == copy.last_validation(2) == HELD_OUT
    assert copy.last_validation(1) == {}


def test_tensorboard_holds_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # A later attempt at the run takes the earlier one's place.
    report(open_trackers(["tensorboard"], "train-0", CONFIG)[0])
    report(open_trackers(["tensorboard"], "train-0", CONFIG)[0])
    events = EventAccumulator(str(tmp_path / "runs/train-0"))
    events.Reload()
    scalars = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
    assert scalars == {
        "loss": [(1, 2.5), (2, 1.25)],
        "accuracy": [(1, 0.25), (2, 0.5)],
        "validation/loss": [(2, 1.5)],
    }
    [text] = events.Tensors("params/text_summary")
    assert b"| lora.r | 16 |" in text.tensor_proto.string_val[0]


@pytest.mark.parametrize(("failed", "status"), [(False, "FINISHED"), (True, "FAILED")])
def test_mlflow_holds_the_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: bool, status: str
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="mlflow-skinny alone has no SQL store")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    [log] = open_trackers(["mlflow"], "train-0", CONFIG)
    report(log, failed)
    client = mlflow.MlflowClient(store)
    experiment = client.get_experiment_by_name(trackers.PROJECT)
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("train-0", status)
    assert run.data.params == {"lr": "1e-05", "lora.r": "16", "lora.target_modules": "all-linear"}
    curves = {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    assert curves == {
        "loss": [(1, 2.5), (2, 1.25)],
        "accuracy": [(1, 0.25), (2, 0.5)],
        "validation/loss": [(2, 1.5)],
    }


def wandb_records(folder: Path) -> list[Any]:
    """The records of the offline run under a folder.

    A run file is a LevelDB log: after its own header of 7 bytes, records that begin with a CRC (4 bytes),
    their length (2) and a kind (1 for one that is whole); in a file of less than a block, 32 KiB, all are.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    [file] = folder.rglob("run-*.wandb")
    content = file.read_bytes()
    assert content.startswith(b":W&B") and len(content) < 32 * 1024
    records, place = [], 7
    while place < len(content):
        length, kind = struct.unpack_from("<HB", content, place + 4)
        assert kind == 1
        records.append(Record.FromString(content[place + 7 : place + 7 + length]))
        place += 7 + length
    return records


@pytest.mark.parametrize("failed", [False, True])
def test_wandb_holds_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: bool) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    for name, value in (("MODE", "offline"), ("DIR", str(tmp_path)), ("SILENT", "true"), ("CONSOLE", "off")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    [log] = open_trackers(["wandb"], "train-0", CONFIG)
    report(log, failed)
    wandb.teardown()  # What it took from the environment is this test's alone.
    records = wandb_records(tmp_path)
    [run] = [record.run for record in records if record.HasField("run")]
    assert (run.display_name, run.run_group, run.project) == ("train-0", "train-0", trackers.PROJECT)
    rows = [
        {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    logged = [{key: float(value) for key, value in row.items() if key in NAMES} for row in rows]
    assert logged == [
        {"_step": 1, "loss": 2.5, "accuracy": 0.25},
        {"_step": 2, "loss": 1.25, "accuracy": 0.5, "validation/loss": 1.5},
    ]
    [end] = [record.exit for record in records if record.HasField("exit")]
    assert end.exit_code == (1 if failed else 0)


NAMES = {"_step", "loss", "accuracy", "validation/loss"}
