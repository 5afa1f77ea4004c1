"""From wishes and the data to all of params, each value that is no default with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.authoring.findings import Findings, is_private, look_at
from pipeline.authoring.suggestions import Suggestion, remarks, suggest
from pipeline.authoring.wishes import Wishes, overlay_of
from pipeline.errors import PipelineError
from pipeline.params import Params, SourceParams, params_faults, parse_params, refused
from pipeline.recipes import Overlay, leaves, merge, nested
from pipeline.sources.hub import HOMES


@dataclass(frozen=True)
class Plan:
    """What will be written.

    Attributes:
        params: All of it.
        findings: What the data is; None where it was not looked at.
        suggestions: Values that follow from it and were not asked for otherwise.
        remarks: What a person should know, a sentence each.
    """

    params: Params
    findings: Findings | None
    suggestions: tuple[Suggestion, ...]
    remarks: tuple[str, ...]


def make_plan(wishes: Wishes, output: Path) -> Plan:
    """All of params: the defaults, over them what the data suggests, over that what is wished.

    Rows at a path are looked at, unless the kind is one whose fields are known.

    Args:
        wishes: What is asked for.
        output: The file they are meant for, for errors.

    Raises:
        PipelineError: If a wish cannot be read, a key is unknown or its value out of range: all such faults
            in one error. If the data cannot be had, read or understood.
    """
    faults: list[str] = []
    wanted = merge(overlay_of(wishes, faults), {})
    source = wanted.setdefault("source", {})
    kind = source.get("kind")
    if kind is None and not source.get("path"):
        kind = _kind_of_hub(source.get("hub", {}).get("repo"), faults)
        source |= {} if kind is None else {"kind": kind}
    if kind == "sample" and source.get("path"):
        faults.append("source.path: the sample is generated and reads no file: give another kind")
    faults += params_faults(wanted)
    looks = bool(source.get("path")) and (kind is None or is_private(kind))
    findings = None
    if looks and not any(fault.startswith("source") for fault in faults):
        findings = _looked_at(source, kind is not None, faults)
    if faults:
        raise refused(faults, output)
    return _plan(wanted, findings, output)


def wish_faults(wishes: Wishes) -> list[str]:
    """What is wrong with wishes, whatever the data is, each ``key: what``; empty if nothing is."""
    faults: list[str] = []
    overlay = overlay_of(wishes, faults)
    return [*faults, *params_faults(overlay)]


def changed_keys(params: Params) -> dict[str, Any]:
    """The dotted keys whose value is not the default, with that value, in the order of the file."""
    defaults = dict(leaves(Params().model_dump(by_alias=True)))
    stated = leaves(params.model_dump(by_alias=True))
    return {key: value for key, value in stated if key not in defaults or defaults[key] != value}


def set_back(old: Params, new: Params) -> dict[str, Any]:
    """What the old params had changed and the new ones have at its default, by dotted key; the old values.

    The section ``source`` is not among them: its keys belong to the data that is named there.
    """
    kept = changed_keys(new)
    changed = changed_keys(old).items()
    return {key: value for key, value in changed if key not in kept and not key.startswith("source.")}


def _looked_at(source: dict[str, Any], kind_is_known: bool, faults: list[str]) -> Findings | None:
    """What the data is; with other faults already there, its own becomes one of them.

    Raises:
        PipelineError: If the data is at fault and nothing else is.
    """
    params = SourceParams.model_validate({"kind": "pairs", **source}, by_alias=True, by_name=False)
    try:
        return look_at(params, kind_is_known)
    except PipelineError as error:
        if not faults:
            raise
        faults.append(f"source.path: {error}")
        return None


def _plan(wanted: Overlay, findings: Findings | None, output: Path) -> Plan:
    asked = {key for key, _ in leaves(wanted)}
    suggestions: list[Suggestion] = []
    overlay: Overlay = {}
    if findings is not None:
        overlay = {"source": {"kind": findings.kind, "columns": dict(findings.columns)}}
        suggestions = [one for one in suggest(findings.facts) if one.key not in asked]
        for one in suggestions:
            overlay = merge(overlay, nested(one.key, one.value))
    params = parse_params(merge(overlay, wanted), output)
    notes: list[str] = []
    if findings is not None:
        notes += [*findings.notes, *remarks(findings.facts, params.tokenize.max_length)]
        if findings.unread:
            notes.append(
                f"{findings.unread:,} of the rows looked at cannot be read so; `python -m pipeline check` "
                "lists them, and source.on_bad_row: drop sends such rows to the ledger."
            )
    return Plan(params, findings, tuple(suggestions), tuple(notes))


def _kind_of_hub(repo: str | None, faults: list[str]) -> str | None:
    """The kind of a dataset on the hub, by its name; the sample where there is none."""
    if repo is None:
        return "sample"
    kinds = [kind for kind, home in HOMES.items() if home.repo == repo]
    if kinds:
        return kinds[0]
    faults.append(
        f"source.kind: not given for {repo} on the hub, expected: what its rows are: pairs, completions, "
        "ranking or rated_single"
    )
    return None
