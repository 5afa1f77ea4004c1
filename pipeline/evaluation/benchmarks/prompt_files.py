"""Where a benchmark's prompts come from, and which of them are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pipeline.errors import PipelineError
from pipeline.files import content_id
from pipeline.hub_download import file_download

Item = TypeVar("Item")


def hub_file(repo: str, name: str, revision: str, what: str, key: str, hint: str) -> Path:
    """A file of a dataset repository, from the hub or its local cache.

    Args:
        repo: The repository, ``owner/name``.
        name: The file in it.
        revision: The commit.
        what: What it is, for the error: ``The benchmark x``.
        key: The dotted key of params that names it.
        hint: What else to do.

    Raises:
        PipelineError: If neither has it, or the cache's is damaged.
    """
    try:
        return file_download(repo, "dataset", revision, name)
    except PipelineError:
        raise
    except Exception as error:  # The transports beneath (HTTP, xet) raise kinds that share no other base.
        raise PipelineError(
            f"{what} could not be downloaded",
            key=key,
            found=f"{type(error).__name__}: {error}",
            expected=f"{name} of {repo} at {revision} from the hub or its local cache",
            hint=f"Check the network; or {hint}",
        ) from error


def draw(items: Sequence[Item], limit: int | None, seed: int, name: Callable[[Item], str]) -> list[Item]:
    """At most ``limit`` of the items, in their order.

    Which ones depends on their names and the seed alone, and a larger limit draws the same and more.

    Args:
        items: The items.
        limit: Most items; None: all.
        seed: Salt of the draw.
        name: What an item is told from others by; no two have the same.
    """
    if limit is None or limit >= len(items):
        return list(items)
    ranked = sorted(items, key=lambda item: content_id(str(seed), name(item)))
    drawn = {name(item) for item in ranked[:limit]}
    return [item for item in items if name(item) in drawn]
