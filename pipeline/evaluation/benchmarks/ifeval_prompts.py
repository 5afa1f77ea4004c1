"""IFEval's prompts, each with the instructions it gives and what their checkers ask about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.rows import line_fault, read_rows
from pipeline.files import content_id
from pipeline.params import BenchmarkHubParams, IFEvalParams, project_path

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
    return BESIDE if BESIDE.is_file() else _from_hub(params.hub)


def _from_hub(hub: BenchmarkHubParams) -> Path:
    try:
        return Path(hf_hub_download(hub.repo, hub.file, repo_type="dataset", revision=hub.revision))
    except Exception as error:  # The transports beneath (HTTP, xet) raise kinds that share no other base.
        raise PipelineError(
            f"The benchmark {hub.repo} at {hub.revision} could not be downloaded",
            key="benchmarks.ifeval.hub",
            found=f"{type(error).__name__}: {error}",
            expected=f"{hub.file} from the hub or its local cache",
            hint="Check the network; or download the file elsewhere and name it in benchmarks.ifeval.path "
            "or with --prompts",
        ) from error


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


def draw(items: Sequence[IFEvalItem], limit: int | None, seed: int) -> list[IFEvalItem]:
    """At most ``limit`` of the items, in their order.

    Which ones depends on their keys and the seed alone, and a larger limit draws the same and more.
    """
    if limit is None or limit >= len(items):
        return list(items)
    ranked = sorted(items, key=lambda item: content_id(str(seed), item.key))
    drawn = {item.key for item in ranked[:limit]}
    return [item for item in items if item.key in drawn]
