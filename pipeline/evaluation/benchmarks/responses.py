"""Responses of any model, in a JSON Lines file, joined to the prompts of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.rows import line_fault, read_rows

_WHAT = "The responses"


@dataclass(frozen=True)
class Response:
    """One response and the line it stands in."""

    text: str
    line: int


def read_responses(path: Path, prompts: Mapping[str, str], partial: bool = False) -> dict[str, Response]:
    """The response to each prompt, by the prompt's key, in the order of the prompts.

    A line names its prompt by ``prompt``, the whole text as the official evaluation has it, or by ``key``;
    one that has both must mean the same prompt. An empty response is a response.

    Args:
        path: JSON Lines with ``response`` and ``prompt`` or ``key``; other fields are not looked at.
        prompts: The benchmark's prompts by key.
        partial: Whether prompts may be without a response; they are then left out.

    Raises:
        PipelineError: If a line is no such object, answers a prompt that is not the benchmark's, or one that
            a line before it answers; if a prompt has no response and ``partial`` is not set, or none has.
    """
    keys = {prompt: key for key, prompt in prompts.items()}
    found: dict[str, Response] = {}
    for line, row in read_rows(path, _WHAT):
        key = _key(path, line, row, prompts, keys)
        text = row.get("response")
        if not isinstance(text, str):
            shown = repr(text) if "response" in row else f"the fields {', '.join(row) or 'none'}"
            raise line_fault(_WHAT, path, line, shown, "the model's text", "response")
        if key in found:
            raise line_fault(
                _WHAT,
                path,
                line,
                f"a second response to prompt {key}, after line {found[key].line}",
                "one response to each prompt",
                hint="Take one of the two out",
            )
        found[key] = Response(text, line)
    _check_missing(path, prompts, found, partial)
    return {key: found[key] for key in prompts if key in found}


def _key(
    path: Path, line: int, row: Mapping[str, Any], prompts: Mapping[str, str], keys: Mapping[str, str]
) -> str:
    """The key of the prompt that a line answers."""

    def foreign(column: str) -> PipelineError:
        hint = "Take that line out, or name the prompts that were asked with --prompts"
        return line_fault(
            _WHAT, path, line, repr(row[column]), f"one of the {len(prompts)} prompts", column, hint
        )

    by_text: str | None = None
    if "prompt" in row:
        prompt = row["prompt"]
        by_text = keys.get(prompt) if isinstance(prompt, str) else None
        if by_text is None:
            raise foreign("prompt")
    if "key" not in row:
        if by_text is None:
            shown = f"the fields {', '.join(row) or 'none'}"
            raise line_fault(_WHAT, path, line, shown, "response, and prompt or key")
        return by_text
    by_key = str(row["key"])
    if by_key not in prompts:
        raise foreign("key")
    if by_text not in {None, by_key}:
        expected = f"{by_text}, whose prompt that line has"
        raise line_fault(_WHAT, path, line, by_key, expected, "key", "Correct or leave out one of the two")
    return by_key


def _check_missing(
    path: Path, prompts: Mapping[str, str], found: Mapping[str, Response], partial: bool
) -> None:
    missing = [key for key in prompts if key not in found]
    if not missing or (partial and found):
        return
    first = ", ".join(missing[:3])
    raise PipelineError(
        f"{len(missing)} of {len(prompts)} prompts have no response",
        file=path,
        found=f"no response to the prompts {first}{', ...' if len(missing) > 3 else ''}",
        expected="a response to every prompt; an empty one counts as failing",
        hint="Add them" if not found else "Add them, or score only those there are with --partial",
    )
