"""Arrow IPC in blocks of rows: files (also Feather, version 2), and streams as `datasets` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.sources.batch_blocks import BLOCK_ROWS, BatchBlock, check_names
from pipeline.sources.raw_files import not_whole

_FILE_MAGIC = b"ARROW1"


def arrow_blocks(path: Path, block_rows: int = BLOCK_ROWS) -> Iterator[BatchBlock]:
    """A file's rows in blocks.

    Args:
        path: The file.
        block_rows: The most rows in a block.

    Raises:
        PipelineError: If the file is not whole Arrow IPC, a value in it is damaged (a text that is not UTF-8
            too, as nothing around it is then certain), or two columns have one name.
    """
    row = 0
    try:
        with _open(path) as (batches, file):
            for batch in batches:
                # Offsets come from the file as they are: unchecked ones could point anywhere.
                batch.validate(full=True)
                check_names(path, batch.schema)
                for start in range(0, batch.num_rows, block_rows):
                    part = batch.slice(start, block_rows)
                    yield BatchBlock(path, part, np.arange(row + 1, row + 1 + part.num_rows), file.tell())
                    row += part.num_rows
    except (pa.ArrowException, OSError) as error:
        raise not_whole(path, "Arrow", row, error) from error


@contextmanager
def _open(path: Path) -> Iterator[tuple[Iterator[pa.RecordBatch], Any]]:
    """The batches of a file, and the file itself, whose position tells how far it has been read."""
    # Not memory-mapped: a file that shrinks meanwhile would end the process.
    with path.open("rb") as raw:
        magic = raw.read(len(_FILE_MAGIC))
    with pa.OSFile(str(path), "rb") as file:
        if magic == _FILE_MAGIC:
            with pa.ipc.open_file(file) as reader:
                yield (reader.get_batch(place) for place in range(reader.num_record_batches)), file
        else:
            with pa.ipc.open_stream(file) as reader:
                yield iter(reader), file
