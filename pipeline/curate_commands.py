"""``python -m pipeline curate``: pairs to people, and their decisions back."""

from __future__ import annotations

import sys
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


@app.command()
def push(
    recreate: Annotated[
        bool, typer.Option("--recreate", help="Make the dataset anew where it was deleted from Argilla.")
    ] = False,
) -> None:
    """Send the queue to Argilla, blind; what is there already stays as it is, responses and all."""
    from pipeline.curation import argilla_sync
    from pipeline.curation.argilla_status import unknown_line
    from pipeline.curation.queue_file import current_queue
    from pipeline.curation.sent import record_path
    from pipeline.params import load_params

    params = load_params().curate
    pushed = argilla_sync.push(current_queue(Path(), params), params, recreate=recreate)
    print(f"{pushed.sent} pairs sent, {pushed.there} were there already")
    print(f"Which response stands as A is in {record_path(params)}: commit it")
    if pushed.unrecorded:
        print(unknown_line(pushed.unrecorded), file=sys.stderr)


@app.command()
def pull() -> None:
    """Bring annotators' responses back from Argilla, un-blind them, and write what they decided."""
    from pipeline.curation import argilla_sync
    from pipeline.curation.annotations import record_annotations
    from pipeline.curation.argilla_status import status_lines, unknown_line
    from pipeline.curation.queue_file import QUEUE_FILE
    from pipeline.params import load_params

    params = load_params().curate
    pulled = argilla_sync.pull(params)
    recorded = record_annotations(pulled.responses.annotations, params, seen=pulled.responses.texts)
    print("\n".join(status_lines(pulled, recorded.aggregated, argilla_sync.unsent(pulled, QUEUE_FILE))))
    print(f"{recorded.written} decisions added to {params.decisions}")
    if pulled.responses.unknown:
        print(unknown_line(pulled.responses.unknown), file=sys.stderr)


@app.command()
def status() -> None:
    """How far annotation in Argilla is, how annotators agree, and what is left; writes nothing."""
    from pipeline.curation import argilla_sync
    from pipeline.curation.aggregate import aggregate
    from pipeline.curation.argilla_status import status_lines, unknown_line
    from pipeline.curation.queue_file import QUEUE_FILE
    from pipeline.params import load_params

    params = load_params().curate
    pulled = argilla_sync.pull(params)
    aggregated = aggregate(pulled.responses.annotations, pulled.responses.texts, params)
    print("\n".join(status_lines(pulled, aggregated, argilla_sync.unsent(pulled, QUEUE_FILE))))
    if pulled.responses.unknown:
        print(unknown_line(pulled.responses.unknown), file=sys.stderr)
