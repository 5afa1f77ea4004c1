"""``python -m pipeline``: commands for a person at a terminal."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import (
    check_commands,
    curate_commands,
    damage_commands,
    init_commands,
    score_commands,
    suspect_commands,
)
from pipeline.errors import PipelineError, foreseen_faults

if TYPE_CHECKING:
    from pipeline.params import Params

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(score_commands.app, name="score")
app.add_typer(curate_commands.app, name="curate")
app.command()(check_commands.check)
app.command()(suspect_commands.suspects)
app.command()(init_commands.init)
app.command()(damage_commands.damaged)


@app.callback()
def commands() -> None:
    """Look at what a run of the pipeline made, or at a published one. Run from the project's top folder."""


@app.command()
def summary() -> None:
    """What each stage kept, and what training changed."""
    from pipeline.summary import print_summary

    print_summary(Path())


@app.command()
def trace(
    id: Annotated[
        str, typer.Argument(help="A row_id, pair_id, prompt_id or cluster_id, or its first 6 digits or more.")
    ],
    full: Annotated[bool, typer.Option("--full", help="Print all of every text.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead, with all texts.")] = False,
) -> None:
    """The life of a row or a pair: where it came from, what each stage did with it, and why."""
    from pipeline import trace as tracing
    from pipeline.params import load_params
    from pipeline.summary import plain_console
    from pipeline.trace_stages import Asides
    from pipeline.trace_text import print_trace

    params = load_params()
    asides = Asides(benchmark_prompt=lambda match_id: _benchmark_prompt(params, match_id))
    found = tracing.trace(Path(), id, asides)
    if as_json:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        print_trace(found, plain_console(), full)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A folder of token shards.")] = Path("data/tokenize"),
    model: Annotated[
        Path, typer.Option(help="The model whose tokenizer should have made them; skipped if there is none.")
    ] = Path("models/base"),
) -> None:
    """Read token shards again: hashes, counts, masks, lengths, EOS, and whose tokenizer made them."""
    from pipeline.params import load_params
    from pipeline.tokens.tokenizer import load_tokenizer
    from pipeline.tokens.verify import verify_shards

    tokenizer = None
    if model.is_dir():
        trusted = Path("params.yaml").is_file() and load_params().model.trust_remote_code
        tokenizer = load_tokenizer(model, trusted)
    verified = verify_shards(folder, tokenizer, model)
    for split, counts in verified.splits.items():
        told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
        print(f"{split}: {told}")
    compared = f"made by the tokenizer of {model}" if verified.fingerprints else "tokenizer not compared"
    print(f"{folder} is sound; {compared}")


@app.command()
def recipe(
    name: Annotated[str | None, typer.Argument(help="A file of recipes/, without .yaml.")] = None,
    settings: Annotated[
        list[str] | None, typer.Argument(help="dotted.key=value, before the recipe's own value of that key.")
    ] = None,
) -> None:
    """The options with which `dvc exp run` trains as published; without a name, the recipes there are."""
    from pipeline.recipes import experiment_options, recipe_titles

    if name is None:
        for known, title in recipe_titles().items():
            print(f"{known}: {title}")
    else:
        print(shlex.join(experiment_options(name, settings or [])))


@app.command()
def push(
    repo_prefix: Annotated[
        str | None, typer.Option(help="owner/name: to owner/name-model and owner/name-pairs.")
    ] = None,
    model_repo: Annotated[str | None, typer.Option(help="owner/name of the model's repository.")] = None,
    dataset_repo: Annotated[str | None, typer.Option(help="owner/name of the dataset's repository.")] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Only say what would be uploaded, and show the cards; sends nothing.")
    ] = True,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody read it; private otherwise.")
    ] = False,
) -> None:
    """Upload the trained model and the pairs with their cards to the Hugging Face hub; dry-run by default."""
    from huggingface_hub import HfApi

    from pipeline import push as pushing

    plans = {"model": pushing.plan_model, "dataset": pushing.plan_dataset}
    repos = pushing.repo_ids(repo_prefix, model_repo, dataset_repo)
    for plan in [plans[kind](Path(), repo) for kind, repo in repos.items()]:
        print("\n".join(pushing.plan_lines(plan, public, with_card=dry_run)))
        if not dry_run:
            print(f"uploaded: {pushing.push(plan, HfApi(), public)}")
    if dry_run:
        print("Nothing was sent. To upload, say --no-dry-run.")


@app.command()
def compare(
    variants: Annotated[
        Path | None, typer.Option(help="A file of variants; without it those of evaluate.compare.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Argument(help="dotted.key=value for all variants that are trained.")
    ] = None,
) -> None:
    """Train or load variants one after another, and lay them side by side."""
    from pipeline.evaluation.side_by_side import write_comparison
    from pipeline.evaluation.side_by_side_figure import write_curves
    from pipeline.evaluation.side_by_side_table import comparison_table
    from pipeline.evaluation.statistics import Resampling
    from pipeline.evaluation.variant_runs import run_variants
    from pipeline.evaluation.variants import comparison_of, read_comparison
    from pipeline.params import load_params
    from pipeline.summary import plain_console

    params = load_params()
    comparison = comparison_of(params) if variants is None else read_comparison(variants)
    results = run_variants(Path(), comparison, settings or [])
    resampling = Resampling(params.evaluate.intervals.resamples, params.evaluate.intervals.seed)
    summary = write_comparison(Path("data/compare"), results, resampling)
    plain_console().print(comparison_table(summary))
    has_figure = write_curves(Path("reports/compare.svg"), results)
    print(f"\nIn data/compare{' and reports/compare.svg' if has_figure else ''}")


def _benchmark_prompt(params: Params, match_id: str) -> str | None:
    """The text of ``<benchmark>/<item id>``; None where params name no such benchmark or its list is gone."""
    from pipeline.pairs.benchmark_lists import read_benchmarks

    lists = [listed for listed in params.decontaminate.benchmarks if match_id.startswith(f"{listed.name}/")]
    try:
        items = read_benchmarks(lists).items
    except PipelineError:
        return None
    for benchmark, item_id, text in items.select("benchmark", "item_id", "text").iter_rows():
        if f"{benchmark}/{item_id}" == match_id:
            return str(text)
    return None


def main() -> None:
    """Run the command line; a fault a person can mend is printed in one paragraph.

    Raises:
        SystemExit: As :func:`~pipeline.errors.foreseen_faults`, and at the end of every command.
    """
    with foreseen_faults():
        app(prog_name="python -m pipeline")


if __name__ == "__main__":
    main()
