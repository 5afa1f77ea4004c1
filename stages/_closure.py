"""Which code a stage runs: the import closure of its file, for the ``deps`` in dvc.yaml (law 7).

DVC re-runs a stage when a dep changes, and does not see Python imports. ``python -m stages._closure --write``
brings the code part of each stage's deps up to date; ``--check`` fails when it is not.
"""

from __future__ import annotations

import argparse
import ast
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.errors import PipelineError
from pipeline.files import write_text

PACKAGES = ("pipeline", "stages")
"""First-party packages; everything else is pinned by constraints.txt."""


def import_closure(file: Path, root: Path) -> list[str]:
    """Every first-party file that running or importing ``file`` may read, itself included.

    Imports are followed through functions too, and into the ``__init__.py`` of each package on the way; only
    what stands under ``if TYPE_CHECKING:`` is left out, as it never runs.

    Args:
        file: A Python file under ``root``.
        root: The folder that holds the packages.

    Returns:
        Paths relative to ``root`` with forward slashes, sorted.

    Raises:
        OSError: If the file cannot be read.
        SyntaxError: If a file on the way is not Python.
    """
    found: set[Path] = set()
    todo = [file.resolve()]
    root = root.resolve()
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        todo.extend(_package_files(path, root))
        todo.extend(imported_files(path, root))
    return sorted(path.relative_to(root).as_posix() for path in found)


def imported_files(file: Path, root: Path) -> set[Path]:
    """The first-party files that one file's own import statements name.

    Raises:
        OSError: If the file cannot be read.
        SyntaxError: If it is not Python.
    """
    package = list(file.relative_to(root).with_suffix("").parts[:-1])
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    found: set[Path] = set()
    for names in _imports(tree, package):
        found.update(_resolve(names, root))
    return found


def _package_files(file: Path, root: Path) -> Iterator[Path]:
    """The ``__init__.py`` of each package a file lies in: Python runs them before the file."""
    for folder in file.parents:
        if folder == root:
            return
        init = folder / "__init__.py"
        if init.is_file():
            yield init


def _imports(tree: ast.AST, package: list[str]) -> Iterator[list[str]]:
    """Dotted names that imports in a tree may name, split at the dots; the last part may be an attribute."""
    for node in _running(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            yield module
            for alias in node.names:
                yield [*module, alias.name]
        elif isinstance(node, ast.Call) and _names_import_module(node):
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value.split(".")


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but those under ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _running(other)
            continue
        yield child
        yield from _running(child)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _names_import_module(call: ast.Call) -> bool:
    function = call.func
    name = (
        function.attr
        if isinstance(function, ast.Attribute)
        else function.id
        if isinstance(function, ast.Name)
        else ""
    )
    return name == "import_module" and bool(call.args)


def _resolve(names: list[str], root: Path) -> Iterator[Path]:
    """The files of a dotted name's modules, as far down as it names modules."""
    if not names or names[0] not in PACKAGES:
        return
    folder = root
    for name in names:
        module = folder / f"{name}.py"
        folder = folder / name
        if module.is_file():
            yield module
            return
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"


@dataclass(frozen=True)
class Difference:
    """How one stage's code deps differ from its import closure."""

    stage: str
    missing: list[str]
    superfluous: list[str]
    unordered: bool

    def line(self) -> str:
        """The difference as one line of text."""
        parts = [f"missing {path}" for path in self.missing]
        parts += [f"no longer imported {path}" for path in self.superfluous]
        if self.unordered and not parts:
            parts = ["code deps are not first and sorted"]
        return f"stage {self.stage}: {', '.join(parts)}"


def differences(root: Path) -> list[Difference]:
    """The stages of ``dvc.yaml`` whose code deps are not their import closure; empty when all are.

    Raises:
        PipelineError: If a stage's command is not ``python -m stages.<name>`` of a file that exists.
    """
    _, document = _load(root)
    found = []
    for name, stage in document["stages"].items():
        deps = [str(dep) for dep in stage.get("deps", [])]
        wanted = import_closure(stage_file(name, stage["cmd"], root), root)
        listed = [dep for dep in deps if is_code(dep)]
        if deps != _ordered(wanted, deps):
            found.append(
                Difference(
                    name,
                    missing=sorted(set(wanted) - set(listed)),
                    superfluous=sorted(set(listed) - set(wanted)),
                    unordered=True,
                )
            )
    return found


def rewrite(root: Path) -> list[str]:
    """Bring the code deps in ``dvc.yaml`` up to date, keeping data deps and comments.

    Returns:
        Names of the stages whose deps changed.

    Raises:
        PipelineError: As :func:`differences`.
    """
    yaml, document = _load(root)
    changed = []
    for name, stage in document["stages"].items():
        wanted = import_closure(stage_file(name, stage["cmd"], root), root)
        if _set_deps(stage, wanted):
            changed.append(name)
    if changed:
        text = StringIO()
        yaml.dump(document, text)
        write_text(root / "dvc.yaml", text.getvalue())
    return changed


def stage_file(name: str, command: str, root: Path) -> Path:
    """The Python file a stage's command runs.

    Raises:
        PipelineError: If the command is not ``python -m stages.<name>``, or there is no such file.
    """
    words = shlex.split(command)
    if words[:2] != ["python", "-m"] or len(words) != 3 or not words[2].startswith("stages."):
        raise PipelineError(
            "A stage's command has no code to follow",
            file="dvc.yaml",
            key=f"stages.{name}.cmd",
            found=command,
            expected="python -m stages.<name>",
        )
    file = root.joinpath(*words[2].split(".")).with_suffix(".py")
    if not file.is_file():
        raise PipelineError(
            "A stage's command names a module that is not there",
            file="dvc.yaml",
            key=f"stages.{name}.cmd",
            found=command,
            expected=f"a file {file.relative_to(root).as_posix()}",
        )
    return file


def is_code(dep: str) -> bool:
    """Whether a dep is code, which this module looks after, rather than data."""
    return dep.endswith(".py")


def _ordered(code: Iterable[str], deps: Iterable[str]) -> list[str]:
    """Code first, then the data deps in their own order."""
    return [*code, *(dep for dep in deps if not is_code(dep))]


def _load(root: Path) -> tuple[YAML, CommentedMap]:
    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml, yaml.load((root / "dvc.yaml").read_text(encoding="utf-8"))


def _set_deps(stage: CommentedMap, wanted: list[str]) -> bool:
    """Replace a stage's deps, each kept one with its comment; whether anything changed."""
    old = stage.get("deps") or CommentedSeq()
    ordered = _ordered(wanted, old)
    if list(old) == ordered:
        return False
    # ruamel hangs a comment on the item before it, so the last item's belongs to whatever is last now.
    comments: dict[str, Any] = {dep: old.ca.items[i] for i, dep in enumerate(old) if i in old.ca.items}
    trailing = comments.pop(old[-1], None) if old else None
    new = CommentedSeq(ordered)
    for index, dep in enumerate(ordered):
        if dep in comments:
            new.ca.items[index] = comments[dep]
    if trailing is not None:
        new.ca.items[len(ordered) - 1] = trailing
    if "deps" in stage:
        stage["deps"] = new
    else:
        stage.insert(list(stage).index("cmd") + 1, "deps", new)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m stages._closure", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="bring dvc.yaml up to date")
    mode.add_argument("--check", action="store_true", help="exit 1 where it is not")
    options = parser.parse_args(arguments)
    root = Path.cwd()
    try:
        if options.write:
            changed = rewrite(root)
            print(f"dvc.yaml: {', '.join(changed) or 'nothing'} changed")
            return 0
        found = differences(root)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for difference in found:
        print(f"error: {difference.line()}", file=sys.stderr)
    if found:
        print("Run `python -m stages._closure --write`.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
