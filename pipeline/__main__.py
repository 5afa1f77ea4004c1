"""``python -m pipeline``: commands for a person at a terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from pipeline.errors import PipelineError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def commands() -> None:
    """Look at what a run of the pipeline made. Run from the project's top folder."""


@app.command()
def summary() -> None:
    """What each stage kept, and what training changed."""
    from pipeline.summary import print_summary

    print_summary(Path())


def main() -> None:
    """Run the command line; a fault a person can mend is printed in one paragraph, with status 1.

    Raises:
        PipelineError: Only where the environment variable PIPELINE_TRACEBACK is 1, for its traceback.
    """
    try:
        app(prog_name="python -m pipeline")
    except PipelineError as error:
        if os.environ.get("PIPELINE_TRACEBACK") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
