from pathlib import Path
from typing import Any

import yaml

from pipeline.params import Params, load_params

FILE = Path(__file__).parents[2] / "params.yaml"


def keys(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys of the leaves, in order."""
    found = []
    for name, value in values.items():
        nested = isinstance(value, dict)
        found += keys(value, f"{prefix}{name}.") if nested else [f"{prefix}{name}"]
    return found


def test_file_states_the_defaults() -> None:
    assert load_params(FILE) == Params()


def test_file_has_every_key_in_the_order_of_the_code() -> None:
    """A key that is not in the file is one DVC does not watch."""
    stated = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert keys(stated) == keys(Params().model_dump(by_alias=True))
