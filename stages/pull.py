"""Stage pull: raw rows of the source to completions, in data/pull."""

from pipeline.params import Params
from pipeline.sources.pull import pull
from stages._stage import DATA, METRICS, run


def main(params: Params) -> None:
    """Read the source named by ``source`` in params."""
    pull(params.source, DATA / "pull", METRICS / "pull.json")


if __name__ == "__main__":
    run(main)
