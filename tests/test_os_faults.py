"""What the machine refuses, in words; and signals that leave nothing half behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from pipeline.errors import TRACEBACK, PipelineError, foreseen_faults
from pipeline.files import atomic_file, atomic_folder
from pipeline.os_faults import is_out_of_memory, os_error_in

ROOT = Path(__file__).parents[1]
WAITING = """
import signal, sys, time
from pathlib import Path
from pipeline.errors import foreseen_faults
from pipeline.files import atomic_folder
# Whoever runs the tests may do so under nohup.
is_nohup = sys.argv[1:] == ["nohup"]
signal.signal(signal.SIGHUP, signal.SIG_IGN if is_nohup else signal.SIG_DFL)
with foreseen_faults():
    with atomic_folder(Path("out")) as folder:
        (folder / "a").write_text("new")
        print("filling", flush=True)
        time.sleep(60 if not sys.argv[1:] else 0.2)
"""


def paragraph(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended, foreseen_faults():
        raise error
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "The disk is full (file data/x). Found: No space left on device. Make room there"),
        (errno.EROFS, "The folder is read-only (file data/x). Found: Read-only file system."),
        (errno.EACCES, "There is no permission (file data/x). Found: Permission denied."),
        (errno.ENOTDIR, "A file is where a folder belongs (file data/x). Found: Not a directory. Move it"),
        (errno.ENOEXEC, "The operating system refused (file data/x). Found: Exec format error. Check"),
        (errno.ENOMEM, "There is not enough memory. Found: [Errno 12] Cannot allocate memory: 'data/x'."),
    ],
    ids=["full", "read-only", "permission", "file-in-place", "other", "memory"],
)
def test_what_the_system_refuses_is_said(
    code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    assert paragraph(OSError(code, os.strerror(code), "data/x"), capsys).startswith(f"error: {words}")


@pytest.mark.parametrize(
    "said",
    ["No space left on device (os error 28)", 'IoError(Os { code: 28, kind: StorageFull, message: "No" })'],
    ids=["plain", "debug"],
)
def test_libraries_with_errors_of_their_own_are_understood(tmp_path: Path, said: str) -> None:
    class SafetensorError(Exception):
        """As the library of that name has it: no OSError."""

    with pytest.raises(OSError) as caught, atomic_folder(tmp_path / "out"):
        raise SafetensorError(f"Error while serializing: {said}")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "out"))
    assert os_error_in(ValueError("no number")) is None and list(tmp_path.iterdir()) == []


def test_an_error_names_the_artifact_and_not_its_stand_in(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    for named, expected in (
        ((str(target) + ".partial",), str(target)),
        ((), str(target)),
        (("elsewhere", None, str(target) + ".partial"), str(target)),
        (("elsewhere",), "elsewhere"),
    ):
        with pytest.raises(OSError) as caught, atomic_file(target):
            raise OSError(errno.ENOSPC, "full", *named)
        assert caught.value.filename == expected
    # One of the data is the data's, whatever it quotes.
    with pytest.raises(PipelineError, match="os error 28"), atomic_file(target):
        raise PipelineError("A row says (os error 28)")


def test_a_file_that_is_not_read_for_want_of_memory_is_not_called_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = PipelineError("A table cannot be read", hint="Delete it")
    error.__cause__ = pa.ArrowMemoryError("malloc of size 18432 failed")
    said = paragraph(error, capsys)
    assert said.startswith("error: There is not enough memory. Found: malloc of size 18432 failed.")
    assert "Delete" not in said
    error.__cause__ = pa.ArrowInvalid("no magic bytes")
    assert paragraph(error, capsys) == "error: A table cannot be read. Delete it.\n"


def test_no_memory_is_known_by_whoever_says_it() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(KeyError("out of memory")) and not is_out_of_memory(RuntimeError("other"))


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_signal_ends_a_stage_as_if_it_had_not_begun(tmp_path: Path, number: str, code: int) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_text("old")
    with _waiting(tmp_path) as stage:
        assert stage.stdout is not None and stage.stdout.readline() == "filling\n"
        assert (tmp_path / "out.partial/a").exists()
        stage.send_signal(getattr(signal, number))
        _, errors = stage.communicate(timeout=60)
    assert stage.returncode == code and "stopped; what the stage made before is as it was" in errors
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (tmp_path / "out/a").read_text() == "old"


def test_nohup_is_respected(tmp_path: Path) -> None:
    with _waiting(tmp_path, "nohup") as stage:
        assert stage.stdout is not None and stage.stdout.readline() == "filling\n"
        stage.send_signal(signal.SIGHUP)
        assert stage.wait(timeout=60) == 0
    assert (tmp_path / "out/a").read_text() == "new"


def _waiting(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", WAITING, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
