"""Imports run one way, as design has it: stages -> wings -> base."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages._closure import import_closure, imported_files

ROOT = Path(__file__).parents[2]
WINGS = (
    "sources",
    "authoring",
    "pairs",
    "curation",
    "tokens",
    "inspection",
    "training",
    "evaluation",
    "report",
)
BASE_PACKAGES = {"params", "schema"}
"""Folders of the base; every other folder is a wing."""

BETWEEN_WINGS = {
    "authoring": {"sources"},
    "inspection": {"sources", "pairs", "tokens"},
    "training": {"tokens"},
    "evaluation": {"training", "tokens"},
}
DATA_WINGS = ("sources", "authoring", "pairs", "curation")
NOT_FOR_DATA = {"torch", "transformers", "peft"}
ENTRY = {
    "pipeline/__main__.py",
    "pipeline/check_commands.py",
    "pipeline/curate_commands.py",
    "pipeline/curate_offline_commands.py",
    "pipeline/damage_commands.py",
    "pipeline/init_commands.py",
    "pipeline/score_commands.py",
    "pipeline/suspect_commands.py",
}
"""The command line: like a stage it may import any wing, and nothing else may import it."""

FILES = sorted(
    path.relative_to(ROOT).as_posix() for top in ("pipeline", "stages") for path in (ROOT / top).rglob("*.py")
)


def place(file: str) -> str:
    """Where a file lies: ``stages``, ``base``, ``entry`` or a wing's name."""
    parts = file.split("/")
    if parts[0] == "stages":
        return "stages"
    if file in ENTRY:
        return "entry"
    return "base" if len(parts) == 2 or parts[1] in BASE_PACKAGES else parts[1]


def allowed(importer: str) -> set[str]:
    """The places that files of a place may import from."""
    if importer == "stages":
        return {"stages", "base", *WINGS}
    if importer == "entry":
        return {"entry", "base", *WINGS}
    if importer == "base":
        return {"base"}
    return {"base", importer, *BETWEEN_WINGS.get(importer, set())}


def imports(file: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in imported_files(ROOT / file, ROOT)} - {file}


def external(file: str) -> Iterator[str]:
    """Top-level names of everything a file imports, at module level or within a function."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def test_every_folder_of_the_library_is_a_known_wing() -> None:
    assert {place(file) for file in FILES} <= {"stages", "base", "entry", *WINGS}


@pytest.mark.parametrize("importer", ["stages", "entry", "base", *WINGS])
def test_imports_run_one_way(importer: str) -> None:
    wrong = [
        f"{file} imports {imported}"
        for file in FILES
        if place(file) == importer
        for imported in sorted(imports(file))
        if place(imported) not in allowed(importer)
    ]
    assert wrong == []


def packages(file: str) -> list[Path]:
    """The packages a file lies in. Their ``__init__.py`` run before it, whatever it imports."""
    return [folder for folder in Path(file).parents if folder.name]


def taken_from_its_packages(file: str) -> Iterator[str]:
    """What a file imports from a package it lies in and is no submodule of it."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            folder = ROOT.joinpath(*(node.module or "").split("."))
            if folder.relative_to(ROOT) in packages(file):
                for alias in node.names:
                    if not any(
                        (folder / end).is_file() for end in (f"{alias.name}.py", f"{alias.name}/__init__.py")
                    ):
                        yield alias.name


def test_no_cycles() -> None:
    graph = {
        file: imports(file) - {f"{folder.as_posix()}/__init__.py" for folder in packages(file)}
        for file in FILES
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(FILES)


def test_no_file_takes_a_name_from_a_package_it_lies_in() -> None:
    """Such an import would close a cycle that the last test does not see."""
    assert {file: names for file in FILES if (names := list(taken_from_its_packages(file)))} == {}


def test_imports_are_absolute() -> None:
    trees = {file: ast.parse((ROOT / file).read_text(encoding="utf-8")) for file in FILES}
    assert [
        file
        for file, tree in trees.items()
        if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    ] == []


@pytest.mark.parametrize("wing", DATA_WINGS)
def test_the_data_half_never_imports_torch(wing: str) -> None:
    for file in FILES:
        if place(file) != wing:
            continue
        for reached in import_closure(ROOT / file, ROOT):
            found = NOT_FOR_DATA & set(external(reached))
            assert not found, f"{file} reaches {reached}, which imports {', '.join(found)}"


def test_nothing_the_data_half_loads_brings_torch_along() -> None:
    """As the last test, but through third-party packages too, by importing every module for real."""
    modules = [
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in FILES
        if place(file) in DATA_WINGS or (place(file) == "base" and not file.endswith("__init__.py"))
    ]
    code = f"import sys, {', '.join(modules)}; sys.exit(' '.join({NOT_FOR_DATA!r} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
