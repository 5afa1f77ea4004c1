"""``python -m pipeline init``: a ``params.yaml`` for somebody's own data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.authoring.findings import Findings
    from pipeline.authoring.plan import Plan
    from pipeline.authoring.wishes import Wishes

PARAMS = Path("params.yaml")
_PATH = Annotated[
    list[str] | None,
    typer.Option(help="File, glob, folder or URL of your rows; several are given one by one."),
]
_COLUMNS = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLE=COLUMN", help="What a field is called, e.g. prompt=question."),
]
_SETTINGS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=VALUE]...",
        help="Further role=column, and dotted.key=value for any key of params.yaml.",
    ),
]


def init(
    settings: _SETTINGS = None,
    kind: Annotated[
        str | None, typer.Option(help="What the rows are; found by looking at --path where not given.")
    ] = None,
    path: _PATH = None,
    hub_repo: Annotated[str | None, typer.Option(help="owner/name of a dataset on the hub.")] = None,
    revision: Annotated[str | None, typer.Option(help="Its commit.")] = None,
    split: Annotated[str | None, typer.Option(help="Its split, e.g. train.")] = None,
    columns: _COLUMNS = None,
    model: Annotated[
        str | None, typer.Option(help="Base model: a directory, owner/name@revision, or wheel.")
    ] = None,
    max_length: Annotated[
        str | None, typer.Option(metavar="INTEGER", help="Tokens a prompt and one response may have.")
    ] = None,
    lambda_: Annotated[
        str | None, typer.Option("--lambda", metavar="FLOAT", help="Weight of the odds-ratio term.")
    ] = None,
    output: Annotated[Path, typer.Option(help="The file to write.")] = PARAMS,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there; it is kept as .bak.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", "--non-interactive", help="Ask nothing; defaults for what is not given."),
    ] = False,
) -> None:
    """Write a params.yaml for your own data, with every key explained; asks for what is not given."""
    from pipeline.authoring.plan import make_plan
    from pipeline.authoring.wishes import Wishes
    from pipeline.authoring.writing import check_free, params_text, write_params

    roles = [setting for setting in settings or [] if "." not in setting.partition("=")[0]]
    wishes = Wishes(
        kind=kind,
        paths=tuple(path or ()),
        hub_repo=hub_repo,
        revision=revision,
        split=split,
        model=model,
        max_length=max_length,
        lambda_=lambda_,
        columns=(*(columns or ()), *roles),
        settings=tuple(setting for setting in settings or [] if setting not in roles),
    )
    with _answers_or_flags():
        if not yes and not force and output.is_file():
            force = typer.confirm(f"{output} is there already. Replace it, and keep it as {output.name}.bak?")
        check_free(output, force)
        plan = make_plan(wishes, output) if yes else _interviewed(wishes, output)
    text = params_text(plan.params)
    if yes:
        _print(_understood(plan.findings))
    _print([*_changes(plan), *_set_back(output, plan)])
    kept = write_params(text, output)
    _print(_outcome(output, kept))


# --- questions ------------------------------------------------------------------------------------------


class _answers_or_flags:
    """Turns the end of the input, where an answer was awaited, into an error that names the way out."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Typer's word for Ctrl-C too, of which it hides the cause.
        if isinstance(error, typer.Abort) and isinstance(error.__context__, EOFError):
            raise PipelineError(
                "There is nobody to answer",
                found="the end of the input",
                expected="answers, or flags for all that is to be set",
                hint="Say --yes to take defaults for what is not given; `--help` lists the flags",
            ) from error


def _interviewed(wishes: Wishes, output: Path) -> Plan:
    """The plan for wishes that were asked for, and for columns that were confirmed."""
    from pipeline.authoring.plan import make_plan

    wishes = _asked(wishes)
    plan = make_plan(wishes, output)
    while plan.findings is not None:
        _print(_understood(plan.findings))
        if typer.confirm("Is that right?", default=True):
            break
        answer = typer.prompt("What is it? e.g. kind=pairs prompt=question chosen=good").split()
        kinds = [word.removeprefix("kind=") for word in answer if word.startswith("kind=")]
        columns = tuple(word for word in answer if not word.startswith("kind="))
        corrected = replace(
            wishes, kind=kinds[-1] if kinds else wishes.kind, columns=(*wishes.columns, *columns)
        )
        try:
            plan = make_plan(corrected, output)
        except PipelineError as error:
            print(error)
        else:
            wishes = corrected
    return plan


def _asked(wishes: Wishes) -> Wishes:
    """Wishes with an answer for each that was not given as a flag."""
    from pipeline.authoring.wishes import DEFAULT_MODEL, place_of
    from pipeline.params import PRIVATE_KINDS, Params
    from pipeline.sources.hub import HOMES

    defaults = Params()
    if wishes.kind is None and not wishes.paths and wishes.hub_repo is None:
        question = "Your rows: a path, a URL, or owner/name on the hub (nothing: the generated sample)"
        place = place_of(typer.prompt(question, default="", show_default=False))
        wishes = replace(
            wishes,
            kind=place.kind,
            paths=place.paths,
            hub_repo=place.hub_repo,
            revision=wishes.revision or place.revision,
        )
    if wishes.hub_repo is not None and wishes.hub_repo not in {home.repo for home in HOMES.values()}:
        if wishes.revision is None:
            wishes = replace(wishes, revision=typer.prompt("Commit of the dataset"))
        if wishes.kind is None:
            wishes = _until_sound(wishes, "kind", f"Its rows: {', '.join(PRIVATE_KINDS)}", PRIVATE_KINDS[0])
    for name, question, default in (
        ("model", "Base model: a directory, owner/name@revision on the hub, or wheel", DEFAULT_MODEL),
        ("max_length", "Tokens a prompt and one response may have together", defaults.tokenize.max_length),
        ("lambda_", "Weight of ORPO's odds-ratio term (lambda)", defaults.train.lambda_),
    ):
        if getattr(wishes, name) is None:
            wishes = _until_sound(wishes, name, question, str(default))
    return wishes


def _until_sound(wishes: Wishes, name: str, question: str, default: str) -> Wishes:
    """Ask for one wish until there is nothing wrong with it."""
    from pipeline.authoring.plan import wish_faults
    from pipeline.authoring.wishes import Wishes

    while True:
        answer = typer.prompt(question, default=default)
        faults = wish_faults(replace(Wishes(), **{name: answer}))
        if not faults:
            return replace(wishes, **{name: answer})
        _print(faults)


# --- what is printed ------------------------------------------------------------------------------------


def _print(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        print(line)


def _understood(findings: Findings | None) -> Iterator[str]:
    """The kind, and for each role its column and why."""
    if findings is None:
        return
    files = "1 file" if findings.files == 1 else f"{findings.files:,} files"
    why = findings.why.get("kind")
    yield f"{files}, {findings.rows:,} rows looked at: {findings.kind}{f' ({why})' if why else ''}"
    for role, column in findings.columns.items():
        name = column if isinstance(column, str) else ", ".join(column)
        yield f"  {role}: {name}{f' ({findings.why[role]})' if role in findings.why else ''}"


def _changes(plan: Plan) -> Iterator[str]:
    """Every key that is not at its default, with the reason of those that were not asked for."""
    from pipeline.authoring.params_text import flow
    from pipeline.authoring.plan import changed_keys

    changed = changed_keys(plan.params)
    reasons = {one.key: one.why for one in plan.suggestions}
    yield "All keys at their defaults." if not changed else "Not at their defaults:"
    for key, value in changed.items():
        yield f"  {key}: {flow(value)}{f' ({reasons[key]})' if key in reasons else ''}"
    yield from plan.remarks


def _set_back(output: Path, plan: Plan) -> Iterator[str]:
    """What the file that is replaced said and the new one does not."""
    from pipeline.authoring.params_text import flow
    from pipeline.authoring.plan import set_back
    from pipeline.params import load_params

    try:
        old = load_params(output) if output.is_file() else None
    except PipelineError:
        return
    for key, value in set_back(old, plan.params).items() if old is not None else ():
        yield f"Back at its default: {key} (was {flow(value)})"


def _outcome(output: Path, kept: Path | None) -> Iterator[str]:
    yield f"Wrote {output}" + (f"; what stood there is in {kept}" if kept is not None else "")
    if output.resolve() != PARAMS.resolve():
        yield f"The pipeline reads {PARAMS} in the project's top folder: move it there."
    yield "Next:"
    yield "  python -m pipeline check   what is understood of your rows, and what to change"
    yield "  dvc repro                  data, model and report"
