"""``python -m pipeline curate export``, ``import`` and ``review``: annotating without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.curation.annotations import Recorded

app = typer.Typer()


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .csv for a spreadsheet, or .jsonl.")],
    annotator: Annotated[str, typer.Option(help="Who will fill it in, where that is known.")] = "",
) -> None:
    """Write the queue to a file for annotators, blind; `curate import` reads it back."""
    from pipeline.curation.offline.export import export_queue
    from pipeline.curation.queue_file import current_queue
    from pipeline.curation.sent import record_path
    from pipeline.params import load_params

    params = load_params().curate
    record = record_path(params)
    exported = export_queue(current_queue(Path(), params), file, record, annotator)
    print(f"{exported.pairs:,} pairs in {file}, export {exported.export}")
    print(f"Which response stands as A is in {record}: commit it, and do not send it to annotators")
    if exported.too_long:
        print(
            f"warning: {len(exported.too_long):,} pairs were left out, as a cell would cut their texts: "
            f"{', '.join(exported.too_long)}. Export to .jsonl, or use `curate review`, for these",
            file=sys.stderr,
        )


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of `curate export`, filled in.")],
    annotator: Annotated[str, typer.Option(help="Who filled in the rows that name nobody.")] = "",
    partial: Annotated[
        bool, typer.Option("--partial", help="Read the rows that are there, though others are missing.")
    ] = False,
) -> None:
    """Check an annotated file row by row, un-blind it, and write what it decides."""
    from pipeline.curation.offline.flow import import_file
    from pipeline.params import load_params

    params = load_params().curate
    imported = import_file(file, params, annotator=annotator, partial=partial)
    said = imported.annotations
    submitted = said["status"].eq("submitted").sum()
    print(f"{submitted:,} answers in {file} by {', '.join(sorted(set(said['annotator']))) or 'nobody'}")
    if said.height > submitted:
        print(f"{said.height - submitted:,} rows are filled in without a choice: kept as drafts")
    print(f"{imported.new:,} of these were not known before")
    _print_recorded(imported.recorded, params.decisions)


@app.command()
def review(
    annotator: Annotated[
        str | None, typer.Option(help="Who annotates; without it, the name you are logged in by.")
    ] = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="Ask again what you skipped.")] = False,
) -> None:
    """Decide on the queue's pairs at this terminal, by one key each; goes on where you stopped."""
    import getpass

    from rich.console import Console

    from pipeline.curation.offline.flow import review_queue
    from pipeline.curation.offline.keys import terminal_keys
    from pipeline.curation.offline.screen import Screen
    from pipeline.curation.queue_file import current_queue
    from pipeline.params import load_params

    keys = terminal_keys()
    params = load_params().curate
    who = annotator or getpass.getuser()
    queue = current_queue(Path(), params)
    done, recorded = review_queue(queue, params, keys, Screen(Console()), who, skipped=skipped)
    print(f"{who}: {done.answered:,} decided, {done.skipped:,} skipped, {done.left:,} left of the queue")
    _print_recorded(recorded, params.decisions)


def _print_recorded(recorded: Recorded, decisions: str) -> None:
    """What all annotations come to."""
    said = recorded.aggregated
    alpha = "" if said.agreement.alpha is None else f"; Krippendorff's alpha {said.agreement.alpha:.2f}"
    print(
        f"In all {said.decided:,} pairs are decided, {len(said.contested):,} contested, "
        f"{len(said.waiting):,} wait for more annotators{alpha}"
    )
    if said.unknown:
        print(f"{len(said.unknown):,} pairs stay undecided: their texts changed after they were corrected")
    print(f"{recorded.written:,} decisions added to {decisions}: commit it, then `dvc repro`")
