"""The commands of the README and the guides, and which test runs each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

IN_THE_LINE = (
    "python -m pipeline summary",
    "python -m pipeline trace 0123456789abcdef",
    "python -m pipeline trace ID",
    "python -m pipeline verify",
    "python -m pipeline recipe",
    "python -m pipeline push --repo-prefix owner/name",
    "python -m pipeline curate queue",
    "python -m pipeline curate export annotate.csv",
    "python -m pipeline curate import annotate.csv --annotator kim",
    "dvc repro",
    "dvc plots show",
    "dvc plots diff",
    "dvc metrics diff",
    "dvc repro --force --single-item evaluate",
    "dvc exp run -S train.lambda=0.1",
    "dvc exp show",
    "git restore params.yaml",
)
"""Run by tests/project/test_line.py as they stand, in a clone after its first `dvc repro`, in this order."""

ELSEWHERE = {
    r"make (setup|repro|test)": (".ci/run", "for target in argilla-server lint types test repro"),
    r"make repro RECIPE=.*": ("tests/test_recipes.py", "experiment_options"),
    r"options=\$\(python -m pipeline recipe .*": ("tests/test_recipes.py", "experiment_options"),
    r"dvc exp run( -S [a-z_.]+=\S+)+": ("tests/project/test_line.py", "IN_THE_LINE"),
    r"dvc exp run benchmark .*": ("tests/evaluation/benchmarks/test_run.py", "ifeval"),
    r"source .venv/bin/activate": ("Makefile", "VENV := .venv"),
    r"python -m pipeline suspects": ("tests/test_suspect_commands.py", r'\["suspects"'),
    r"python -m pipeline curate (push|pull|status)": (
        "tests/argilla_server/test_repro.py",
        r'(?s)"curate", "push".*"curate", "status".*"curate", "pull"',
    ),
    r"python -m pipeline curate import .*": ("tests/curation/test_offline.py", '"import"'),
    r"python -m pipeline curate review.*": ("tests/curation/test_offline.py", '"review"'),
    r"pip install -c constraints.txt -e '.\[argilla\]'": ("Makefile", r"-e '\.\[argilla,"),
    r"export ARGILLA_API_(URL|KEY)=.*": ("tests/argilla_server/conftest.py", "ARGILLA_API_URL"),
    r"git add curation && git commit": ("tests/argilla_server/test_repro.py", '"add", "curation"'),
    r"python -m pipeline check.*": ("tests/inspection/test_check.py", "check"),
    r"python -m pipeline init.*": ("tests/test_init.py", r'"init"'),
    r"python -m pipeline score ifeval .*": ("tests/evaluation/benchmarks/test_ifeval.py", '"ifeval"'),
    r"python -m pipeline score alpacaeval .*": ("tests/evaluation/test_alpacaeval.py", '"alpacaeval"'),
    r"python -m pipeline compare --variants recipes/.*": (
        "tests/evaluation/test_variant_runs.py",
        "run_variants",
    ),
}
"""Pattern of a command to the file that runs it, or the code behind it, and words that must stand there."""

BY_PAGE = {"remotes.md": "tests/project/test_remotes.py"}
"""Pages of which a test runs every command that is not marked."""


@dataclass(frozen=True)
class Documented:
    """A command of a page.

    Attributes:
        page: The page's name.
        command: The command, without its comment.
        reason: Why no test runs it, where the page says so; else None.
    """

    page: str
    command: str
    reason: str | None


def commands() -> list[Documented]:
    """All commands in blocks of the language ``sh``, and indented ones; split lines are joined."""
    mark = r"(?:<!-- [Nn]ot run(.*?) -->\n+)?"
    block = re.compile(mark + r"^```sh\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
    indented = re.compile(r"^    ((?:python|dvc|make|git|pip) .*)$", flags=re.MULTILINE)
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        # In a block of another language, such a line is output or code.
        outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for reason, lines in [*block.findall(text), *(("", line) for line in indented.findall(outside))]:
            for line in lines.replace("\\\n", " ").splitlines():
                command = re.split(r"(?:^|\s)#", line)[0].strip()
                if command:
                    found.append(Documented(page.name, command, reason or None))
    return found
