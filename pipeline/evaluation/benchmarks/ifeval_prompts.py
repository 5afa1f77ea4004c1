"""IFEval's prompts, each with the instructions it gives and what their checkers ask about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.prompt_files import hub_file
from pipeline.evaluation.benchmarks.rows import line_fault, read_rows
from pipeline.params import IFEvalParams, project_path

BESIDE = Path("../shared/data/bench/ifeval_541.jsonl")
"""A copy beside the project's folder: where it lies, no network is needed."""

_WHAT = "IFEval's prompts"


@dataclass(frozen=True)
class IFEvalItem:
    """One prompt.

    Attributes:
        key: Its id.
        prompt: What the model is asked.
        instructions: Ids of the instructions it gives, such as ``punctuation:no_comma``.
        arguments: Per instruction what its checker is given; no value is None.
    """

    key: str
    prompt: str
    instructions: tuple[str, ...]
    arguments: tuple[dict[str, Any], ...]


def prompts_file(params: IFEvalParams) -> Path:
    """The file of the prompts: ``path`` of params, else :data:`BESIDE` where it is, else from the hub.

    Raises:
        PipelineError: If it is to come from the hub and neither the hub nor its local cache gives it.
    """
    if params.path is not None:
        return project_path(params.path)
    if BESIDE.is_file():
        return BESIDE
    hub = params.hub
    return hub_file(
        hub.repo,
        hub.file,
        hub.revision,
        f"The benchmark {hub.repo} at {hub.revision}",
        "benchmarks.ifeval.hub",
        "download the file elsewhere and name it in benchmarks.ifeval.path or with --prompts",
    )


def read_items(path: Path) -> list[IFEvalItem]:
    """The prompts of a file in the shape of ``google/IFEval``, in its order.

    Raises:
        PipelineError: If the file cannot be read, is empty, or an item lacks ``key``, ``prompt``,
            ``instruction_id_list`` or ``kwargs``, has one of the wrong shape, or repeats a key or a prompt.
    """
    items: list[IFEvalItem] = []
    lines: dict[tuple[str, str], int] = {}
    for line, row in read_rows(path, _WHAT):
        item = _item(path, line, row)
        for column, value in (("key", item.key), ("prompt", item.prompt)):
            first = lines.setdefault((column, value), line)
            if first != line:
                raise line_fault(
                    _WHAT, path, line, f"{value}, as in line {first}", "each prompt once", column
                )
        items.append(item)
    if not items:
        raise line_fault(_WHAT, path, None, "no rows", "at least one prompt", hint="Name another file")
    return items


def _item(path: Path, line: int, row: dict[str, Any]) -> IFEvalItem:
    def fault(column: str, expected: str) -> PipelineError:
        found = repr(row[column]) if column in row else f"the fields {', '.join(row) or 'none'}"
        return line_fault(_WHAT, path, line, found, expected, column)

    key, prompt = row.get("key"), row.get("prompt")
    instructions, arguments = row.get("instruction_id_list"), row.get("kwargs")
    if isinstance(key, bool) or not isinstance(key, int | str) or key == "":
        raise fault("key", "the prompt's id, a whole number or a text")
    if not isinstance(prompt, str) or not prompt.strip():
        raise fault("prompt", "a text that is not blank")
    if not instructions or not _list_of(instructions, str):
        raise fault("instruction_id_list", "a list of instruction ids")
    if arguments is None or not _list_of(arguments, dict) or len(arguments) != len(instructions):
        raise fault("kwargs", f"a list of {len(instructions)} objects, one per instruction")
    # The hub's file gives every checker every argument, null where it is none of its own.
    given = ({name: value for name, value in each.items() if value is not None} for each in arguments)
    return IFEvalItem(str(key), prompt, tuple(instructions), tuple(given))


def _list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(part, kind) for part in value)
