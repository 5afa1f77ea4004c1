"""Processes are measured, descendants included, and a failing one is said to have failed."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure import own_peak_mb, python, run
from pipeline.errors import PipelineError

TAKE_100_MB = "taken = bytearray(b'x') * 100_000_000"

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")


def peak(code: str, folder: Path) -> float:
    return run(python("-c", code), folder).peak_mb


def test_wall_time_and_output(tmp_path: Path) -> None:
    done = run(python("-c", "import time; time.sleep(0.3); print('done')"), tmp_path)
    assert 0.3 <= done.seconds < 3
    assert done.output == "done\n"


def test_peak_is_the_greatest_even_if_it_was_given_back(tmp_path: Path) -> None:
    nothing = peak("pass", tmp_path)
    # A busy machine may take pages away before the last are there.
    assert 50 < peak(f"{TAKE_100_MB}; del taken", tmp_path) - nothing < 110


@needs_proc
def test_a_descendant_counts_too(tmp_path: Path) -> None:
    code = f"import time; {TAKE_100_MB}; time.sleep(0.5)"
    alone = peak(code, tmp_path)
    child = f"{TAKE_100_MB}; import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    assert peak(child, tmp_path) == pytest.approx(2 * alone, rel=0.1)


def test_the_size_of_this_process_does_not_count(tmp_path: Path) -> None:
    """A child starts as a copy of its parent, and the kernel's own account of it would hold that."""
    taken = bytearray(b"x") * 100_000_000
    assert peak("pass", tmp_path) < 60
    assert len(taken) == 100_000_000


def test_own_peak_grows_with_what_is_taken() -> None:
    before = own_peak_mb()
    taken = bytearray(b"x") * (int(before) * 1_000_000)
    assert own_peak_mb() > before + 1
    assert len(taken)


def test_a_failing_command_says_why(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        run(python("-c", "import sys; sys.exit('it broke')"), tmp_path)
    assert "failed with status 1" in str(caught.value)
    assert caught.value.found == "it broke"


def test_variables_come_on_top_of_the_environment(tmp_path: Path) -> None:
    code = "import os; print(os.environ['BENCHMARK_A'], 'PATH' in os.environ)"
    assert run([sys.executable, "-c", code], tmp_path, {"BENCHMARK_A": "b"}).output == "b True\n"
    assert "BENCHMARK_A" not in os.environ


def test_waiting_does_not_outlast_the_process(tmp_path: Path) -> None:
    begun = time.perf_counter()
    done = run([sys.executable, "-S", "-c", "pass"], tmp_path)
    assert done.seconds <= time.perf_counter() - begun
