"""Ten thousand damaged rows at every reader, by hand: no surprise, no row lost, fast equals strict.

    sound rows -> damaged rows -> a file -> read by blocks, row by row, and until the first fault -> compared

``python benchmarks/fuzz.py --rows 10000`` goes through every kind as JSON Lines and every format;
``--seed`` chooses other damage, ``--keep FOLDER`` is where a file that breaks a law is left. Where atheris is
installed, ``--atheris RUNS`` also lets it look for bytes that do, guided by what the readers run through.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a file, Python looks for modules in this folder, where tokenize.py would hide the standard library's.
sys.path[0] = str(Path(__file__).parents[1])

import subprocess
import tempfile
import time
from collections.abc import Callable
from random import Random
from typing import Annotated

import typer

from benchmarks.fuzz_files import FILES, line_file, packed
from benchmarks.reader_laws import check_laws
from benchmarks.reader_seeds import SEEDS
from pipeline.errors import foreseen_faults
from pipeline.sources import typed_lines

ROWS_PER_FILE = 40
_BLOCKS = (300, 4000, 4000, 1 << 20)


def fuzz_lines(name: str, rows: int, seed: int, path: Path) -> tuple[int, int, int]:
    """Damaged lines at one kind: rows that were made, kept and dropped.

    Raises:
        AssertionError: If a law is broken; the file is still at ``path``.
    """
    return _fuzz(rows, seed, path, lambda random: (name, *line_file(SEEDS[name].rows, random, ROWS_PER_FILE)))


def fuzz_format(form: str, rows: int, seed: int, path: Path) -> tuple[int, int, int]:
    """Damaged rows of all kinds, and damaged files, at the reader of one format.

    Raises:
        AssertionError: If a law is broken; the file is still at ``path``.
    """

    def make(random: Random) -> tuple[str, bytes, int | None]:
        name = random.choice(list(SEEDS))
        return (name, *packed(form, SEEDS[name].rows, random, ROWS_PER_FILE))

    return _fuzz(rows, seed, path, make)


def _fuzz(
    rows: int, seed: int, path: Path, make: Callable[[Random], tuple[str, bytes, int | None]]
) -> tuple[int, int, int]:
    random = Random(seed)
    made = kept = dropped = 0
    while made < rows:
        # Small parts are read as columns, too.
        typed_lines.FEWEST_HALVED = random.choice([2, 16, 256, 256])
        name, content, count = make(random)
        path.write_bytes(content)
        more = check_laws(path, SEEDS[name].adapter, random.choice(_BLOCKS), count)
        made, kept, dropped = made + ROWS_PER_FILE, kept + more[0], dropped + more[1]
    return made, kept, dropped


def main(
    rows: Annotated[int, typer.Option(help="Damaged rows per reader.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of all damage.")] = 0,
    only: Annotated[str | None, typer.Option(help="One kind or format.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Where the last file of a reader is left.")] = None,
    atheris: Annotated[int, typer.Option(help="Runs of atheris per kind; 0: none.")] = 0,
) -> None:
    """Damage rows and check the laws of reading on them."""
    with foreseen_faults(), tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in [one for one in (*SEEDS, *FILES) if only in (None, one)]:
            begun = time.process_time()
            is_kind = name in SEEDS
            path = folder / (f"{name}.jsonl" if is_kind else f"fuzz.{name}")
            made, kept, dropped = (fuzz_lines if is_kind else fuzz_format)(name, rows, seed, path)
            seconds = time.process_time() - begun
            print(
                f"{name}: {made:,} rows from, {kept:,} kept, {dropped:,} dropped, {seconds:.0f} s of CPU",
                flush=True,
            )
            if is_kind and atheris:
                script = Path(__file__).with_name("fuzz_bytes.py")
                subprocess.run(
                    [sys.executable, script, name, f"-runs={atheris}", f"-seed={seed + 1}"], check=True
                )


if __name__ == "__main__":
    typer.run(main)
