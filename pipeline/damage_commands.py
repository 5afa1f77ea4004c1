"""``python -m pipeline damaged``: artifacts, and DVC's copies of them, that are not the bytes it recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def damaged(
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete what is damaged, so that DVC brings or makes it anew.")
    ] = False,
) -> None:
    """Read all artifacts and DVC's cached copies of them again, and name those that changed since."""
    from pipeline.damage import find_damage, remove_damage

    found = find_damage(Path())
    for changed in found.changed:
        print(f"{changed.path}: MD5 {changed.found}, recorded as {changed.expected}")
    print(f"{found.compared:,} files compared with dvc.lock, {len(found.changed)} damaged")
    if found.changed and remove:
        remove_damage(found.changed)
        print("Removed. Now `dvc pull` brings them from a remote, or `dvc repro` makes them again.")
    elif found.changed:
        raise typer.Exit(1)
