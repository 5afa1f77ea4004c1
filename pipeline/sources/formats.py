"""What a source file is, by its name: its format, and how it is packed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import PipelineError

Kind = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow"]
Packing = Literal["", "gz", "zst"]

_KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_TYPED: tuple[Kind, ...] = ("parquet", "arrow")
_PACKINGS: tuple[Packing, ...] = ("", "gz", "zst")

_ARCHIVE = "Unpack it and name the folder or the files in it"
_SHEET = "Save the sheet as CSV in UTF-8"
_CODE = "It is never opened, as that can run code: load it where you trust it and write Parquet"
_PACKED = "Unpack it, or pack a text format as .gz or .zst"
_ADVICE = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".tar.gz", ".tar.zst", ".7z", ".rar"), _ARCHIVE),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), _SHEET),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz"), _CODE),
    **dict.fromkeys((".bz2", ".xz", ".lz4", ".br", ".parquet.gz", ".parquet.zst"), _PACKED),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb"), "Export its table as Parquet or CSV"),
    **dict.fromkeys((".txt", ".md"), "If it holds one JSON object per line, rename it to .jsonl"),
}


@dataclass(frozen=True)
class Format:
    """What a file is.

    Attributes:
        kind: The format of its rows.
        packing: How the file is compressed; only text formats are.
    """

    kind: Kind
    packing: Packing

    @property
    def is_typed(self) -> bool:
        """Whether it is a table of Arrow's types, not text."""
        return self.kind in _TYPED


FORMATS = {
    suffix + (f".{packing}" if packing else ""): Format(kind, packing)
    for suffix, kind in _KINDS.items()
    for packing in (_PACKINGS if kind not in _TYPED else ("",))
}
"""Every format that is read, by the end of the file's name."""

EXTENSIONS = tuple(FORMATS)
"""How names of source files end, in lower case."""


def is_data_file(name: str) -> bool:
    """Whether a file's name says that it holds rows."""
    return name.lower().endswith(EXTENSIONS)


def format_of(path: Path) -> Format:
    """What a file is, as the end of its name says; upper case is as lower case.

    Raises:
        PipelineError: If the name has none of :data:`EXTENSIONS`; with what to do about those that are known.
    """
    ends = ["".join(path.suffixes[-count:]).lower() for count in (2, 1)]
    for end in ends:
        if end in FORMATS:
            return FORMATS[end]
    advice = next((_ADVICE[end] for end in ends if end in _ADVICE), None)
    raise PipelineError(
        "A source file is of an unknown kind",
        file=path,
        found=next((end for end in ends if end in _ADVICE), ends[-1]) or "no extension",
        expected=f"one of {', '.join(_KINDS)}; the text formats also with .gz or .zst behind",
        hint=advice or "Convert it, or correct source.path in params.yaml",
    )
