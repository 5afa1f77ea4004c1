"""``python -m pipeline score``: scores of published benchmarks from files, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Score files of a published benchmark, without a model.")


@app.command()
def ifeval(
    responses: Annotated[
        Path, typer.Option(help="JSON Lines with response, and prompt or key, one line per prompt.")
    ],
    json: Annotated[Path, typer.Option("--json", help="The file to write the scores to.")],
    prompts: Annotated[
        Path | None, typer.Option(help="IFEval's prompts; without it, as benchmarks.ifeval in params says.")
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Score the prompts that have a response, and leave out the rest."),
    ] = False,
    table: Annotated[
        Path | None, typer.Option(help="A Parquet file to write the verdict on each prompt to.")
    ] = None,
) -> None:
    """IFEval's four numbers for the responses of any model; an empty response counts as failing."""
    from pipeline.evaluation.benchmarks.ifeval import score_responses
    from pipeline.evaluation.benchmarks.ifeval_prompts import prompts_file
    from pipeline.evaluation.benchmarks.words import score_lines
    from pipeline.files import write_json
    from pipeline.params import Params, load_params
    from pipeline.schema import IFEVAL_VERDICTS
    from pipeline.tables import write_table

    if prompts is None:
        params = load_params() if Path("params.yaml").is_file() else Params()
        prompts = prompts_file(params.benchmarks.ifeval)
    verdicts, score = score_responses(prompts, responses, partial)
    if table is not None:
        write_table(verdicts, table, IFEVAL_VERDICTS)
    write_json(json, score.to_json())
    print("\n".join(score_lines(score)))
    if partial:
        print(f"{score.counts['prompts_without_response']} prompts without a response were left out")


@app.command()
def alpacaeval(
    annotations: Annotated[
        Path, typer.Option(help="AlpacaEval's annotations of one model: a JSON array, or its .json.gz.")
    ],
    json: Annotated[Path, typer.Option("--json", help="The file to write the scores to.")],
    length_control: Annotated[
        Path | None,
        typer.Option(help="The package's df_gamed.csv; without it: the hub's, or what is recovered of it."),
    ] = None,
) -> None:
    """Win rate and length-controlled win rate of judged answers, by the alpaca-eval package."""
    from dataclasses import asdict

    from pipeline.evaluation.benchmarks.alpacaeval_files import read_annotations
    from pipeline.evaluation.benchmarks.alpacaeval_scores import describe, score_annotations
    from pipeline.files import write_json

    found = score_annotations(read_annotations(annotations), length_control)
    write_json(json, asdict(found))
    print(describe(found))
