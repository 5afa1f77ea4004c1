"""Files that are made from the sections of params: the JSON Schema for editors and the reference in docs.

``python -m pipeline.params.generated --write`` brings them up to date; ``--check`` fails when one is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pipeline.files import write_text
from pipeline.params.json_schema import params_schema
from pipeline.params.reference import params_reference


def wanted_files() -> dict[str, str]:
    """The text each file should have, by its path from the project's top folder."""
    return {
        "params.schema.json": json.dumps(params_schema(), indent=2, ensure_ascii=False) + "\n",
        "docs/params.md": params_reference(),
    }


def stale_files(root: Path) -> list[str]:
    """Paths of the files that are missing or say something else; empty when none is.

    Raises:
        OSError: If a file that is there cannot be read.
    """
    return [
        name
        for name, text in wanted_files().items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]


def rewrite(root: Path) -> list[str]:
    """Write the files that are stale; their paths.

    Raises:
        OSError: If one cannot be written.
    """
    stale, wanted = stale_files(root), wanted_files()
    for name in stale:
        write_text(root / name, wanted[name])
    return stale


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.params.generated", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="bring the files up to date")
    mode.add_argument("--check", action="store_true", help="exit 1 where one is not")
    options = parser.parse_args(arguments)
    if options.write:
        print(f"made from params: {', '.join(rewrite(Path.cwd())) or 'nothing'} changed")
        return 0
    stale = stale_files(Path.cwd())
    if stale:
        print(f"error: {', '.join(stale)}: not as pipeline/params says", file=sys.stderr)
        print("Run `python -m pipeline.params.generated --write`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
