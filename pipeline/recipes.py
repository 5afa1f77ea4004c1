"""Published runs as params overlays, in ``recipes/``, and how one is laid over ``params.yaml``.

A recipe is a YAML file with any keys of ``params.yaml``, each with the source of its value. Nothing here
writes into ``params.yaml``: a recipe is spelled out as options of ``dvc exp run``, so that DVC records the
run as an experiment with all its params.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.params import load_params, parse_params, parse_yaml, read_yaml

FOLDER = Path("recipes")
"""Where recipes lie, seen from the project's top folder."""

PARAMS = Path("params.yaml")

Overlay = dict[str, Any]
"""Some keys of ``params.yaml``, nested as they are there."""

_PLAIN = re.compile(r"[\w./:-]+", flags=re.ASCII)
_QUOTABLE = re.compile(r"[^\\$'\"\r\n]*")


def recipe_titles(folder: Path = FOLDER) -> dict[str, str]:
    """The name of every recipe and its title, the comment in its first line, by name."""
    paths = sorted(folder.glob("*.yaml"), key=lambda path: path.name)
    return {
        path.name.removesuffix(".yaml"): path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for path in paths
    }


def load_recipe(name: str, folder: Path = FOLDER) -> Overlay:
    """The overlay of that name, not validated.

    Raises:
        PipelineError: If there is no such recipe (the known ones are named), it is not YAML, or sets nothing.
    """
    known = recipe_titles(folder)
    path = folder / f"{name}.yaml"
    if name not in known:
        raise PipelineError(
            "There is no such recipe",
            file=folder,
            found=name,
            expected=f"one of {', '.join(known)}" if known else "a .yaml file there",
            hint="Run `python -m pipeline recipe` for what each is",
        )
    overlay = read_yaml(path)
    if not isinstance(overlay, dict) or not overlay:
        raise PipelineError(
            "A recipe sets nothing", file=path, found=repr(overlay), expected="keys of params.yaml"
        )
    return overlay


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Overlay:
    """``base`` with the values of ``overlay``: sections are merged key by key, anything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def parse_settings(settings: Sequence[str]) -> Overlay:
    """An overlay of ``dotted.key=value`` texts, each value in YAML; of two for one key the later holds.

    Raises:
        PipelineError: If one has no ``=`` or no key, or its value is not YAML.
    """
    overlay: Overlay = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise PipelineError("A setting cannot be read", found=setting, expected="dotted.key=value")
        value = parse_yaml(text, file=f"the setting {key}") if text.strip() else None
        overlay = merge(overlay, nested(key, value))
    return overlay


def nested(key: str, value: Any) -> Overlay:
    """The overlay that sets one dotted key."""
    for name in reversed(key.split(".")):
        value = {name: value}
    overlay: Overlay = value
    return overlay


def leaves(overlay: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything an overlay sets, in its order."""
    for name, value in overlay.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def experiment_options(
    name: str, settings: Sequence[str] = (), folder: Path = FOLDER, params: Path = PARAMS
) -> list[str]:
    """The options of ``dvc exp run`` that run a recipe: ``-S`` and ``++key=value`` for each of its keys.

    (``++`` also sets a key that is not in the file.) ``dvc exp run`` writes them into ``params.yaml``. So
    that nothing of the user's is lost or mixed into the run unseen, that file must be as committed, or as the
    same recipe left it (a run that was stopped goes on).

    Args:
        name: The recipe.
        settings: ``dotted.key=value`` texts that go before the recipe's own values.
        folder: Where recipes lie.
        params: The params file, in a git repository.

    Raises:
        PipelineError: If there is no such recipe, a key is unknown or its value out of range, or the params
            file has changes that are not committed.
    """
    overlay = merge(load_recipe(name, folder), parse_settings(settings))
    committed = _committed(params)
    unchanged = parse_params(committed, file=f"the last commit's {params.name}")
    wanted = parse_params(merge(committed, overlay), file=folder / f"{name}.yaml")
    if load_params(params) not in (unchanged, wanted):
        raise PipelineError(
            "A recipe would be mixed with changes that are not committed",
            file=params,
            found="params that differ from the last commit",
            expected="the file as committed, or as this recipe left it",
            hint=f"Commit the changes, or undo them with `git restore {params}`",
        )
    return [word for key, value in leaves(overlay) for word in ("-S", f"++{key}={override(value, key)}")]


def override(value: Any, key: str = "") -> str:
    """A value in the grammar of DVC's ``--set-param``, which is Hydra's: read back, it is the same value.

    Raises:
        PipelineError: If it is a text that the grammar would change (quotes, backslashes, line breaks, ``$``)
            or of a type that params do not have.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and _QUOTABLE.fullmatch(value):
        return value if _PLAIN.fullmatch(value) and _stays_text(value) else f"'{value}'"
    if isinstance(value, list):
        return f"[{','.join(override(item, key) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{override(item, key)}' for name, item in value.items())}}}"
    raise PipelineError(
        "A value cannot be handed to DVC",
        key=key,
        found=repr(value),
        expected="null, a boolean, a number, a list or a text without quotes, backslashes, $ and line breaks",
        hint="Write it into params.yaml itself",
    )


def _stays_text(text: str) -> bool:
    """Whether a bare word is read as a text: not as a number, a boolean or null."""
    try:
        float(text)
    except ValueError:
        return text.lower() not in {"null", "true", "false"}
    return False


def _committed(path: Path) -> Any:
    """What the params file holds in the last commit, not validated."""
    done = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"],
        cwd=path.resolve().parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PipelineError(
            "A recipe runs as an experiment of DVC, which needs a commit to start from",
            file=path,
            found=done.stderr.strip(),
            expected="a git repository with params.yaml in its last commit",
            hint="Commit the project, then run it again",
        )
    return parse_yaml(done.stdout, file=f"the last commit's {path.name}")
