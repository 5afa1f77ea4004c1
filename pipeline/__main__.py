"""``python -m pipeline``: commands for a person at a terminal."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.errors import foreseen_faults

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
    """Run the command line; a fault a person can mend is printed in one paragraph.

    Raises:
        SystemExit: As :func:`~pipeline.errors.foreseen_faults`, and at the end of every command.
    """
    with foreseen_faults():
        app(prog_name="python -m pipeline")


if __name__ == "__main__":
    main()
