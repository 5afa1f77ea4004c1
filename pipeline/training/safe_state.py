"""Nested state as JSON and safetensors, never pickle (law 6).

Optimizers, schedules and random generators give trees of dicts, lists, tuples, plain values and tensors. Such
a tree is parted into JSON, in which a tensor is a reference, and the tensors by name; both together give it
back exactly: tuples as tuples, integer keys as integers, floats to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

STATE = "state.json"


def part(tree: Any, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """A tree as something JSON can hold, and its tensors by name.

    Args:
        tree: Of dicts, lists, tuples, tensors, strings, numbers, booleans and None.
        name: What the names of its tensors begin with.

    Raises:
        TypeError: If it holds anything else.
    """
    tensors: dict[str, Tensor] = {}

    def plain(node: Any, place: str) -> Any:
        if isinstance(node, Tensor):
            tensors[place] = node.detach()
            return {"tensor": place}
        if isinstance(node, dict):
            return {"dict": [[key, plain(value, f"{place}/{key}")] for key, value in node.items()]}
        if isinstance(node, (list, tuple)):
            values = [plain(value, f"{place}/{index}") for index, value in enumerate(node)]
            return {"tuple": values} if isinstance(node, tuple) else values
        if node is None or isinstance(node, (str, int, float, bool)):
            return node
        raise TypeError(f"{place} is a {type(node).__name__}, which a checkpoint has no form for")

    return plain(tree, name), tensors


def join(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that :func:`part` parted.

    Raises:
        KeyError: If a tensor is missing.
    """
    if isinstance(plain, list):
        return [join(value, tensors) for value in plain]
    if not isinstance(plain, dict):
        return plain
    [(kind, content)] = plain.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(join(value, tensors) for value in content)
    return {key: join(value, tensors) for key, value in content}


def save_state(state: Mapping[str, Any], folder: Path) -> None:
    """Write each entry's tensors to ``<entry>.safetensors`` and everything else to ``state.json``.

    Raises:
        OSError: If it cannot be written.
        TypeError: As :func:`part`.
    """
    plain: dict[str, Any] = {}
    for entry, tree in state.items():
        plain[entry], tensors = part(tree, entry)
        if tensors:
            whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            save_file(whole, folder / f"{entry}.safetensors")
    (folder / STATE).write_text(json.dumps(plain, separators=(",", ":")) + "\n", encoding="utf-8")


def load_state(folder: Path) -> dict[str, Any]:
    """What :func:`save_state` wrote; the tensors are on the CPU and this process's own.

    Raises:
        OSError: If a file cannot be read.
        KeyError: If a tensor is missing.
    """
    plain = json.loads((folder / STATE).read_text(encoding="utf-8"))
    state = {}
    for entry, tree in plain.items():
        file = folder / f"{entry}.safetensors"
        tensors = load_file(file) if file.is_file() else {}
        # Copies: what was loaded is mapped from a file that will be pruned.
        state[entry] = join(tree, {name: tensor.clone() for name, tensor in tensors.items()})
    return state
