"""``python -m pipeline curate``: pairs to people, and their decisions back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import curate_offline_commands

app = typer.Typer(no_args_is_help=True, help="Let people decide on pairs, and keep what they decided.")
app.add_typer(curate_offline_commands.app)


@app.callback()
def commands() -> None:
    """Let people decide on pairs, and keep what they decided. Run from the project's top folder."""


@app.command()
def queue(
    show: Annotated[int, typer.Option(min=0, help="How many pairs to print.")] = 10,
) -> None:
    """Choose anew which pairs deserve a person, by curate.queue in params; says which, and why."""
    from pipeline.curation.queue_file import QUEUE_FILE, rebuild_queue
    from pipeline.params import load_params
    from pipeline.queue_words import pairs_table, shares_table
    from pipeline.summary import plain_console

    params = load_params().curate
    chosen = rebuild_queue(Path(), params)
    console = plain_console()
    console.print(shares_table(chosen.rows, chosen.wished, params.queue.weights.model_dump()))
    console.print(pairs_table(chosen.rows.head(show)))
    if params.queue.weights.suspects and not chosen.wished["suspects"]:
        print("No suspects: `python -m pipeline suspects` finds them; the others share their place")
    print(f"\nIn {QUEUE_FILE}")
