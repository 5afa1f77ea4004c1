"""``python -m pipeline curate``: pairs to people, and their decisions back."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Let people decide on pairs, and keep what they decided.")


@app.callback()
def commands() -> None:
    """Let people decide on pairs, and keep what they decided. Run from the project's top folder."""
