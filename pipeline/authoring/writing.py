"""The last step of ``init``: the file itself, never over another one that is not kept."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from pipeline.authoring.params_text import with_values
from pipeline.errors import PipelineError
from pipeline.files import atomic_file, write_text
from pipeline.params import Params, parse_params, parse_yaml

TEMPLATE = Path(__file__).parents[2] / "params.yaml"
"""The project's own params file, whose comments and order a new one takes."""


def check_free(output: Path, force: bool) -> None:
    """See that a params file may be written.

    Raises:
        PipelineError: If one is there and may not be replaced, or something else is.
    """
    if output.exists() and not output.is_file():
        raise PipelineError("Params are written to a file", file=output, found="a folder")
    if output.exists() and not force:
        raise PipelineError(
            "A params file is there already",
            file=output,
            hint=f"Say --force to replace it, keeping it as {output.name}.bak, or name another with --output",
        )


def params_text(params: Params, template: Path = TEMPLATE) -> str:
    """The text of a params file with these values and the template's comments; read back, it is ``params``.

    Raises:
        PipelineError: If the template cannot be read or does not state every key, or a value cannot be
            written in YAML.
    """
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(
            "The params file whose comments a new one takes cannot be read",
            file=template,
            found=str(error),
            hint=f"`git restore {template.name}` brings it back",
        ) from error
    written = with_values(text, params, template)
    if parse_params(parse_yaml(written, template), template) != params:
        raise PipelineError(
            "Params cannot be written in YAML so that they read back the same",
            file=template,
            hint="Leave control characters out of names",
        )
    return written


def write_params(text: str, output: Path) -> Path | None:
    """Write a params file atomically.

    Returns:
        Where the file that was there before is kept: ``<name>.bak``, or the first of ``<name>.bak2``, ...
        that is free; None where there was none, or one with the same text.

    Raises:
        OSError: If a file cannot be written.
    """
    kept = None
    if output.exists():
        if output.read_bytes() == text.encode():
            return None
        kept = _free_name(output)
        with atomic_file(kept) as partial:
            shutil.copy2(output, partial)
    write_text(output, text)
    return kept


def _free_name(output: Path) -> Path:
    names = (output.with_name(f"{output.name}.bak{number if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not name.exists())
