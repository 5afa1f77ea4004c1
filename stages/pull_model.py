"""Stage pull_model: the base model as safetensors with its tokenizer, in models/base."""

from pipeline.params import Params
from pipeline.training.base_model import pull_model
from stages._stage import MODELS, run


def main(params: Params) -> None:
    """Bring the base model named by ``model`` in params."""
    pull_model(params.model, MODELS / "base")


if __name__ == "__main__":
    run(main)
