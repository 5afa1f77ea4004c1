"""From what is asked to files and a way to read them: the source of params, or a path whose kind is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pipeline.errors import PipelineError
from pipeline.params import PRIVATE_KINDS, SourceParams
from pipeline.sources import generated
from pipeline.sources.layout import Layout, layout_adapter, understand
from pipeline.sources.locate import locate
from pipeline.sources.pull import ADAPTERS, check_params
from pipeline.sources.reading import Adapter

KINDS: tuple[str, ...] = get_args(SourceParams.model_fields["kind"].annotation)
"""Every kind of source."""


@dataclass(frozen=True)
class Asked:
    """What to look at.

    Attributes:
        path: A file, folder, glob or URL; None: the source of params.
        kind: Its kind; None: as params say, or to be found.
    """

    path: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Opened:
    """A source that can be read.

    Attributes:
        params: The section ``source`` as it would be for this source.
        files: What tables call each file, and where it lies.
        adapter: How rows are read.
        layout: Which field is which; None: a known dataset's own.
    """

    params: SourceParams
    files: Mapping[str, Path]
    adapter: Adapter
    layout: Layout | None = None

    @property
    def labels(self) -> frozenset[str]:
        """The fields that are read as the label."""
        columns = self.layout.fields.get("label", ()) if self.layout is not None else ()
        return frozenset([columns] if isinstance(columns, str) else columns)


@dataclass(frozen=True)
class Located:
    """A source whose files are found, and which is not understood yet.

    Attributes:
        params: The section ``source`` as it is asked for.
        files: What tables call each file, and where it lies.
        is_known: Whether ``params.kind`` is what the files are; else it is to be found.
    """

    params: SourceParams
    files: Mapping[str, Path]
    is_known: bool


def locate_source(params: SourceParams, asked: Asked, scratch: Path) -> Located:
    """Find the files that are asked for.

    Args:
        params: The section ``source``.
        asked: What to look at instead.
        scratch: A folder that the sample may be generated into.

    Raises:
        PipelineError: If nothing is there, or the kind is none there is.
        OSError: If a file cannot be reached.
    """
    wanted, is_known = wanted_source(params, asked)
    if is_known:
        check_params(wanted)
    if is_known and wanted.kind == "sample":
        file = scratch / generated.NAME
        generated.write_sample(wanted.sample, file)
        return Located(wanted, {generated.NAME: file}, is_known)
    return Located(wanted, locate(wanted).files, is_known)


def open_source(located: Located) -> Opened:
    """Find out how the files are read.

    Raises:
        PipelineError: If a file cannot be read, or it cannot be told what its rows are.
    """
    params, files = located.params, located.files
    if located.is_known and params.kind not in PRIVATE_KINDS:
        return Opened(params, files, ADAPTERS[params.kind](params.score_column))
    layout = understand(files, params)
    known = params.model_copy(update={"kind": layout.kind})
    return Opened(known, files, layout_adapter(layout, known), layout)


def wanted_source(params: SourceParams, asked: Asked) -> tuple[SourceParams, bool]:
    """The section ``source`` that is looked at, and whether its kind is known before its rows are seen.

    With a path, params say what kind it is only where theirs is a private one: a known dataset's or the
    sample's is no reason to take another file for it.

    Raises:
        PipelineError: If the kind is none there is.
    """
    if asked.kind is not None and asked.kind not in KINDS:
        raise PipelineError(
            "There is no such kind of source",
            key="--kind",
            found=asked.kind,
            expected=f"one of {', '.join(KINDS)}",
        )
    changed: dict[str, Any] = {}
    if asked.path is not None:
        changed["path"] = asked.path
    if asked.kind is not None:
        changed["kind"] = asked.kind
    is_known = asked.path is None or asked.kind is not None or params.kind in PRIVATE_KINDS
    if not is_known or asked.kind not in (None, params.kind):
        # What params name of another kind's rows says nothing of these.
        changed |= {"score_column": None, "columns": type(params.columns)(), "labels": type(params.labels)()}
    return params.model_copy(update=changed), is_known
