"""Atheris at one kind of source: bytes that it finds, as a JSON Lines file, under the laws of reading.

``python benchmarks/fuzz_bytes.py KIND -runs=10000``; options are libFuzzer's. Atheris must be installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a file, Python looks for modules in this folder, where tokenize.py would hide the standard library's.
sys.path[0] = str(Path(__file__).parents[1])

import json
import tempfile

import atheris

with atheris.instrument_imports(include=["pipeline.sources"]):
    from benchmarks.reader_laws import check_laws
    from benchmarks.reader_seeds import SEEDS


def main() -> None:
    """Fuzz the kind that the first argument names."""
    seeds = SEEDS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as scratch:
        path, corpus = Path(scratch) / "fuzz.jsonl", Path(scratch) / "corpus"
        corpus.mkdir()
        for number, row in enumerate(seeds.rows):
            (corpus / str(number)).write_bytes(json.dumps(row).encode())

        def test_one(data: bytes) -> None:
            path.write_bytes(data)
            rows = (
                None
                if data.startswith((b"\xff\xfe", b"\xfe\xff"))
                else sum(bool(line.strip()) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
            )
            check_laws(path, seeds.adapter, 64, rows)

        atheris.Setup([*sys.argv, str(corpus)], test_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
