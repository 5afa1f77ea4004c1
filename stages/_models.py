"""The models that stages evaluate and benchmark measure."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.model_scores import BASE, TRAINED
from pipeline.params import project_path
from stages._stage import MODELS


def measured_models(further: Mapping[str, str]) -> dict[str, Path]:
    """Name to directory: the base model, the trained one, then ``evaluate.models``."""
    own = {name: MODELS / name for name in (BASE, TRAINED)}
    return own | {name: project_path(folder) for name, folder in further.items()}
