import shutil
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from stages._closure import differences, import_closure, main, rewrite

ROOT = Path(__file__).parents[2]

TREE = {
    "pipeline/__init__.py": "",
    "pipeline/base.py": "import os\n",
    "pipeline/only_typing.py": "",
    "pipeline/otherwise.py": "",
    "pipeline/late.py": "from pipeline import base\n",
    "pipeline/named.py": "",
    "pipeline/unused.py": "",
    "pipeline/wing/__init__.py": "from pipeline.wing.inside import name\n",
    "pipeline/wing/inside.py": "from .sibling import name\n",
    "pipeline/wing/sibling.py": "from .. import late\nname = 1\n",
    "pipeline/wing/deep/__init__.py": "",
    "pipeline/wing/deep/leaf.py": "",
    "stages/__init__.py": "",
    "stages/_stage.py": "import pipeline.base as base\n",
    "stages/one.py": """
import importlib
import typing
from typing import TYPE_CHECKING
import polars
from stages._stage import anything
if TYPE_CHECKING:
    from pipeline import only_typing
else:
    import pipeline.otherwise
if typing.TYPE_CHECKING:
    import pipeline.only_typing
def work():
    from pipeline.wing.deep import leaf
    return importlib.import_module("pipeline.named")
""",
    "stages/two.py": "x = 1\n",
}

DVC = """\
# The top.
stages:
  one:
    cmd: python -m stages.one
    deps:
      - pipeline/unused.py
      - data/in # stays where it is
      - stages/one.py # runs this
      - ${curate.decisions}
    outs:
      - data/one:
          persist: true

  # Between.
  two:
    cmd: python -m stages.two
    outs:
      - data/two
"""

CLOSURE_OF_ONE = [
    "pipeline/__init__.py",
    "pipeline/base.py",
    "pipeline/late.py",
    "pipeline/named.py",
    "pipeline/otherwise.py",
    "pipeline/wing/__init__.py",
    "pipeline/wing/deep/__init__.py",
    "pipeline/wing/deep/leaf.py",
    "pipeline/wing/inside.py",
    "pipeline/wing/sibling.py",
    "stages/__init__.py",
    "stages/_stage.py",
    "stages/one.py",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "dvc.yaml").write_text(DVC)
    return tmp_path


def test_closure_follows_every_import_that_may_run(tree: Path) -> None:
    assert import_closure(tree / "stages/one.py", tree) == CLOSURE_OF_ONE
    assert import_closure(tree / "stages/two.py", tree) == ["stages/__init__.py", "stages/two.py"]


def test_import_of_a_package_takes_its_init_only(tree: Path) -> None:
    (tree / "stages/two.py").write_text("import pipeline.wing.deep\n")
    closure = import_closure(tree / "stages/two.py", tree)
    assert "pipeline/wing/deep/__init__.py" in closure and "pipeline/wing/deep/leaf.py" not in closure


def test_differences_name_what_is_missing_and_what_is_left_over(tree: Path) -> None:
    one, two = differences(tree)
    assert one.superfluous == ["pipeline/unused.py"]
    assert set(one.missing) == set(CLOSURE_OF_ONE) - {"stages/one.py"}
    assert two.line() == "stage two: missing stages/__init__.py, missing stages/two.py"


def test_rewrite_puts_code_first_and_keeps_data_and_comments(tree: Path) -> None:
    assert rewrite(tree) == ["one", "two"]
    code = "".join(f"      - {path}\n" for path in CLOSURE_OF_ONE[:-1])
    expected = DVC.replace(
        """\
      - pipeline/unused.py
      - data/in # stays where it is
      - stages/one.py # runs this
""",
        f"{code}      - stages/one.py # runs this\n      - data/in # stays where it is\n",
    ).replace(
        "    cmd: python -m stages.two\n",
        "    cmd: python -m stages.two\n    deps:\n      - stages/__init__.py\n      - stages/two.py\n",
    )
    assert (tree / "dvc.yaml").read_text() == expected
    assert differences(tree) == []
    assert rewrite(tree) == []


def test_code_behind_data_is_a_difference(tree: Path) -> None:
    rewrite(tree)
    text = (tree / "dvc.yaml").read_text()
    first = "      - pipeline/__init__.py\n"
    (tree / "dvc.yaml").write_text(
        text.replace(first, "", 1).replace("    outs:\n", f"{first}    outs:\n", 1)
    )
    (one,) = differences(tree)
    assert one.line() == "stage one: code deps are not first and sorted"


def test_check_and_write_commands(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree)
    assert main(["--check"]) == 1
    errors = capsys.readouterr().err
    assert "stage one: missing pipeline/__init__.py" in errors and "stages._closure --write" in errors
    assert main(["--write"]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("command", ["python stages/two.py", "python -m stages.three", "echo stages.two"])
def test_a_command_without_a_module_is_an_error(tree: Path, command: str) -> None:
    (tree / "dvc.yaml").write_text(DVC.replace("python -m stages.two", command))
    with pytest.raises(PipelineError, match=r"stages\.two\.cmd"):
        differences(tree)


def test_dvc_yaml_is_fresh() -> None:
    """Stale means that DVC would not re-run a stage whose code has changed: run `make fix`."""
    assert [difference.line() for difference in differences(ROOT)] == []


def test_the_page_of_the_report_is_code_of_the_report_stage(tmp_path: Path) -> None:
    """The template and the style are read by import, so that a change of either draws the report anew."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    closure = import_closure(tmp_path / "stages/report.py", tmp_path)
    assert {"pipeline/report/page.py", "pipeline/report/style.py"} <= set(closure)
