"""``python -m pipeline suspects``: the training pairs whose label the model disbelieves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer
from rich.table import Table as ScreenTable

from pipeline.curation.texts_hash import texts_hashes
from pipeline.records import read_record
from pipeline.schema import SPLIT_PAIRS, SUSPECTS
from pipeline.tables import read_table, write_table

if TYPE_CHECKING:
    from pipeline.evaluation.suspects.run import Job

SUSPECTS_FILE = Path("data/suspects/suspects.parquet")
PARTS_FOLDER = Path(".cache/suspects")
"""Where finished parts of a run lie until it ends; git and DVC ignore it."""

_SHOWN = (
    ("suspicion", "suspicion"),
    ("cross_fit_margin", "cross-fit"),
    ("dynamics_mean", "mean"),
    ("dynamics_std", "std"),
    ("probe_margin", "probe"),
    ("stacked_margin", "stacked"),
    ("base_margin", "base"),
    ("score_margin", "scores"),
)


def suspects(
    show: Annotated[int, typer.Option(min=0, help="How many of the worst to print.")] = 10,
) -> None:
    """Score every training pair by cross-fitting and training dynamics, and say which labels look wrong.

    Needs what `dvc repro tokenize` makes. A run that was killed goes on with the next part.
    """
    from pipeline.params import load_params
    from pipeline.summary import plain_console

    found = score_project(Path(), load_params(), Path(PARTS_FOLDER))
    plain_console().print(suspects_table(found.head(show)))
    print(f"\n{found.height} training pairs in {SUSPECTS_FILE}, the most suspect first")


def score_project(root: Path, params: Any, parts_folder: Path) -> pl.DataFrame:
    """Find the suspects among a project's training pairs and write ``data/suspects/suspects.parquet``.

    Args:
        root: The project's top folder, with data/split, data/tokenize and models/base.
        params: All of params.
        parts_folder: Keeps finished parts until the run ends.

    Returns:
        Rows of :data:`~pipeline.schema.SUSPECTS`, the most suspect first.

    Raises:
        PipelineError: If an artifact is missing or they do not fit together; as training does.
    """
    from pipeline.evaluation.suspects.parts import Parts
    from pipeline.evaluation.suspects.run import PARTS, find_suspects
    from pipeline.training.fingerprint import run_fingerprint

    job, pairs = open_job(root, params)
    base = read_record(root / "models/base/lineage.json", "pull_model")
    run = run_fingerprint(job.train, job.shards.manifest, base)
    # What is combined in the end changes no part.
    lineage = {"run": run, "suspects": params.suspects.model_dump(exclude={"signals"}), "parts": PARTS}
    parts = Parts(parts_folder, lineage)
    found = find_suspects(job, pairs, parts)
    lineage = {"run": run, "suspects": params.suspects.model_dump()}
    write_table(found, root / SUSPECTS_FILE, SUSPECTS, lineage)
    parts.clear()
    return found


def open_job(root: Path, params: Any) -> tuple[Job, pl.DataFrame]:
    """What a run of suspects works on in a project, and its training pairs.

    Args:
        root: The project's top folder, with data/split, data/tokenize and models/base.
        params: All of params.

    Returns:
        The job, and pair_id, cluster_id, chosen, rejected, margin and texts_sha256 of each pair.

    Raises:
        PipelineError: If an artifact is missing or they do not fit together.
    """
    from pipeline.evaluation.suspects.run import Job
    from pipeline.evaluation.suspects.training import run_params
    from pipeline.tokens.manifest import check_fingerprints
    from pipeline.tokens.shards import ShardSet
    from pipeline.tokens.tokenizer import load_tokenizer, template_fingerprint, tokenizer_fingerprint
    from pipeline.training.prepare import prepare_model
    from pipeline.training.reference import reference_model
    from pipeline.training.step_model import StepModel

    shards, base = ShardSet(root / "data/tokenize", "train"), root / "models/base"
    trusted = params.model.trust_remote_code
    tokenizer = load_tokenizer(base, trusted)
    prints = tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
    check_fingerprints(shards.manifest, base, *prints)
    columns = ["pair_id", "cluster_id", "prompt", "chosen", "rejected", "margin"]
    pairs = read_table(root / "data/split/train.parquet", SPLIT_PAIRS, columns)
    pairs = pairs.with_columns(texts_hashes(pairs)).drop("prompt")
    train, pad_id = run_params(params.train, params.suspects), int(tokenizer.pad_token_id)
    job = Job(
        shards=shards,
        model=lambda: StepModel(prepare_model(base, train, trusted), pad_id, train),
        frozen=partial(reference_model, base, pad_id, train, trusted),
        params=params.suspects,
        train=train,
    )
    return job, pairs


def suspects_table(rows: pl.DataFrame) -> ScreenTable:
    """The rows as a table for the terminal: every signal beside the suspicion."""
    table = ScreenTable(title="Most suspect labels: the lower a margin, the less it believes the label")
    table.add_column("pair_id")
    for _, heading in _SHOWN:
        table.add_column(heading, justify="right")
    for row in rows.iter_rows(named=True):
        values = ["-" if row[name] is None else f"{row[name]:.2f}" for name, _ in _SHOWN]
        table.add_row(row["pair_id"], *values)
    return table
