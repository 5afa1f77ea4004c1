"""``python -m pipeline check``: what would become of a source, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError


def check(
    path: Annotated[
        str | None,
        typer.Argument(help="A file, folder, glob or URL; without it, the source that params.yaml names."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="A file to write what was found to, whatever it is.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="What kind of source it is; without it, it is found out.")
    ] = None,
) -> None:
    """What was understood of a source, what the pipeline would make of it, and what to change.

    Exit status 1: the pipeline would stop. Writes nothing but the file of --json.
    """
    from pipeline.files import write_json
    from pipeline.inspection.as_json import to_json
    from pipeline.inspection.findings import Findings, RowError
    from pipeline.inspection.inspect import inspect
    from pipeline.inspection.opening import Asked
    from pipeline.inspection.page import print_page
    from pipeline.params import Params, load_params
    from pipeline.summary import plain_console

    params = Params()
    try:
        # Without params.yaml a file can be looked at all the same, as the defaults have it.
        if path is None or Path("params.yaml").is_file():
            params = load_params()
        found = inspect(params, Path(), Asked(path, kind))
    except PipelineError as error:
        found = Findings(kind=kind, stops=[error], errors=[RowError.of(error, "params")])
    if json is not None:
        write_json(json, to_json(found, params.tokenize))
    print_page(found, params, plain_console())
    if not found.would_run:
        raise typer.Exit(1)
