"""From YAML to validated params; all faults at once, each with its dotted key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import PipelineError, shorten
from pipeline.params.root import Params


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice: YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here a second time", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """The validated params of a YAML file; keys left out take their defaults.

    Raises:
        PipelineError: If the file is missing, is not YAML, or any key is unknown, of the wrong type or out of
            range; all such faults in one error, each with its dotted key.
    """
    return parse_params(read_yaml(path), file=path)


def read_yaml(path: Path) -> Any:
    """What a YAML file of params holds, not validated; an empty file gives an empty mapping.

    Raises:
        PipelineError: If the file is missing, is not YAML, or a key stands in it twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(
            "Params cannot be read", file=path, found=str(error), hint="Run from the project's top folder"
        ) from error
    return parse_yaml(text, file=path)


def parse_yaml(text: str, file: str | Path) -> Any:
    """As :func:`read_yaml`, of a text that ``file`` holds.

    Raises:
        PipelineError: If it is not YAML, or a key stands in it twice.
    """
    try:
        loaded = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PipelineError(
            "Params are not valid YAML",
            file=file,
            row=None if mark is None else mark.line + 1,
            found=getattr(error, "problem", None) or str(error),
            hint="Mend that line",
        ) from error
    return {} if loaded is None else loaded


def parse_params(values: Mapping[str, Any], file: str | Path = "params.yaml") -> Params:
    """Validated params from a nested mapping.

    Raises:
        PipelineError: As :func:`load_params`.
    """
    if not isinstance(values, Mapping):
        raise PipelineError(
            "Params are not a mapping",
            file=file,
            found=repr(values),
            expected="sections such as source, train",
        )
    try:
        # A key counts under the name it has in YAML only: DVC does not watch another.
        return Params.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        raise refused([_fault(dict(item), values) for item in error.errors()], file) from error


def params_faults(values: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a nested mapping of params, as ``key: what``; empty if nothing is."""
    try:
        Params.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        return [_fault(dict(item), values) for item in error.errors()]
    return []


def refused(faults: Sequence[str], file: str | Path) -> PipelineError:
    """One error for all faults of params, each ``key: what``."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return PipelineError(
        f"{count} in params: {'; '.join(faults)}",
        file=file,
        hint="Correct the keys named here; each is described in docs/params.md",
    )


def _fault(item: dict[str, Any], values: Mapping[str, Any]) -> str:
    """One fault as ``key: found x, expected y``."""
    location = [str(part) for part in item["loc"]]
    # Members of a union are reported with the member's type at the end of the location: no key of the file.
    key = ".".join(part for part in location if "[" not in part and part not in {"str", "int", "float"})
    if item["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return f"{key}: unknown key, expected one of {', '.join(known)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: found {shorten(repr(item['input']), 60)}, expected: {message[0].lower()}{message[1:]}"


def _known_keys(section: list[str]) -> list[str]:
    """The keys a section takes, as written in YAML."""
    model: type[BaseModel] = Params
    for name in section:
        annotation = model.model_fields[name].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def project_path(text: str) -> Path:
    """A path from params with POSIX separators, relative to the project's top folder unless absolute."""
    return Path(PurePosixPath(text))
