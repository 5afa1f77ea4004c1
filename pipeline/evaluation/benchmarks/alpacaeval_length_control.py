"""AlpacaEval 2's length-controlled win rate (arXiv 2404.04475), fitted by the package.

It is fitted together with judgements of two models that game the judge by length, and with the difficulty of
each instruction. The package downloads both from the hub, as ``df_gamed.csv``. What a fit needs of that file
can be recovered from AlpacaEval's other publications, and lies beside this module: see ``data/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.alpacaeval_files import HUB, REVISION
from pipeline.evaluation.benchmarks.alpacaeval_package import EVALUATORS, REFERENCES, alpaca_eval
from pipeline.hub_download import bounded_requests

CALIBRATION_FILE = "df_gamed.csv"
RECOVERED = Path(__file__).parent / "data/alpacaeval2_length_control.csv"
"""What ``benchmarks/alpacaeval_length_control.py`` recovers of :data:`CALIBRATION_FILE`, in its shape."""

INSTRUCTIONS = 805
"""AlpacaEval's instructions: each has a difficulty, looked up by its place."""

LEAST_JUDGED = 10
"""Judgements below which no length-controlled win rate is fitted."""

HUB_WAIT = 3.0
"""Seconds to wait for the hub's answer: the recovered data serve as well."""

LengthControl = Literal["published", "recovered", "not_defined"]


@dataclass(frozen=True)
class LengthControlled:
    """A length-controlled win rate.

    Attributes:
        winrate: The win rate were the answers as long as the reference's, percent; None where not defined.
        standard_error: Of that, percentage points.
        how: ``published``: fitted with the package's own data, or the file named; ``recovered``: with
            :data:`RECOVERED`; ``not_defined``: the judgements are not AlpacaEval 2's, or too few.
    """

    winrate: float | None
    standard_error: float | None
    how: LengthControl


def length_controlled(annotations: Sequence[Mapping[str, Any]], calibration: Path | None) -> LengthControlled:
    """The length-controlled win rate of one model's annotations.

    Args:
        annotations: One or more, as
            :func:`~pipeline.evaluation.benchmarks.alpacaeval_files.read_annotations` gives them.
        calibration: A file of :data:`CALIBRATION_FILE`'s shape; None: the hub's, or else :data:`RECOVERED`.

    Raises:
        PipelineError: If the package is not installed, or cannot fit with the file.
    """
    places = [row.get("index", place) for place, row in enumerate(annotations)]
    if not _is_defined(annotations, places):
        return LengthControlled(None, None, "not_defined")
    import pandas as pd

    columns = ("output_1", "output_2", "generator_1", "generator_2", "preference")
    frame = pd.DataFrame([{name: row[name] for name in columns} for row in annotations], index=places)
    frame["preference"] = frame["preference"].astype(float)
    published = calibration or published_file()
    file = published or RECOVERED
    with alpaca_eval("metrics.glm_winrate") as glm, _instead_of_the_hub(glm, file):
        try:
            found = glm.get_length_controlled_winrate(
                frame, save_weights_dir=None, is_add_glm_preference_inplace=False
            )
        except (KeyError, ValueError) as error:
            raise PipelineError(
                "The length-controlled win rate cannot be fitted",
                file=file,
                found=f"{type(error).__name__}: {error}",
                expected=f"{CALIBRATION_FILE} of {HUB}, and its instructions in their order",
                hint="Leave length_control out, or name the package's own file",
            ) from error
    return LengthControlled(
        float(found["length_controlled_winrate"]),
        float(found["lc_standard_error"]),
        "recovered" if published is None else "published",
    )


def _is_defined(annotations: Sequence[Mapping[str, Any]], places: Sequence[Any]) -> bool:
    """Whether the calibration data say anything of these judgements.

    They are judgements of one judge, against one reference, of AlpacaEval's own instructions. The package's
    five-fold fit needs some judgements, and a length that never varies controls nothing.
    """
    first = annotations[0]
    lengths = {len(row["output_1"]) - len(row["output_2"]) for row in annotations}
    return (
        first["generator_1"] == REFERENCES[2]
        and first.get("annotator") in {None, EVALUATORS[2]}
        and all(place in range(INSTRUCTIONS) for place in places)
        and len(lengths) > 1
        and sum(row["preference"] is not None for row in annotations) >= LEAST_JUDGED
    )


def published_file() -> Path | None:
    """The package's own file, from the hub's local cache or else the hub; None if neither has it in time.

    huggingface_hub tries an unreachable hub again for half a minute: one short question goes before.
    """
    try:
        return Path(
            hf_hub_download(
                HUB, CALIBRATION_FILE, repo_type="dataset", revision=REVISION, local_files_only=True
            )
        )
    except Exception:  # Whatever is wrong with the cache, the hub may answer.
        pass
    try:
        url = hf_hub_url(HUB, CALIBRATION_FILE, repo_type="dataset", revision=REVISION)
        with bounded_requests():
            get_hf_file_metadata(url, timeout=HUB_WAIT)
            return Path(
                hf_hub_download(
                    HUB, CALIBRATION_FILE, repo_type="dataset", revision=REVISION, etag_timeout=HUB_WAIT
                )
            )
    except Exception:  # The transports beneath share no base; without the file there is the recovered one.
        return None


@contextmanager
def _instead_of_the_hub(glm: Any, file: Path) -> Iterator[None]:
    """Let the package's download give this file."""
    download = glm.hf_hub_download
    glm.hf_hub_download = lambda **_: str(file)
    try:
        yield
    finally:
        glm.hf_hub_download = download
