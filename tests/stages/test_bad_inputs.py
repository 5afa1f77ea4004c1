"""What every stage says of damaged inputs: one paragraph, status 1, and the artifacts as they were.

A small project is run once, and copied for each case. Inputs from outside (source files, decisions) have
catalogues of their own beside the code that reads them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline.errors import TRACEBACK
from pipeline.files import read_json, sha256_file, write_json
from pipeline.params import Params, load_params
from stages import _stage

Main = Callable[[Params], None]
Damage = Callable[[Path], None]

NAMES = (
    *("pull", "pull_model", "binarize", "filter", "decontaminate", "dedupe", "curate", "split"),
    *("tokenize", "reference", "train", "evaluate", "benchmark", "report"),
)
STAGES: dict[str, Main] = {name: import_module(f"stages.{name}").main for name in NAMES}
BENCHMARK = Path(__file__).parents[2] / "pipeline/sources/sample_benchmark.jsonl"


def set_params(**changes: dict[str, Any]) -> None:
    sections: dict[str, Any] = {
        "source": {"kind": "sample", "sample": {"rows": 40}},
        "decontaminate": {"benchmarks": [{"name": "sample_benchmark", "path": "items.jsonl"}]},
        "model": {"source": "path", "path": "given"},
        "train": {"epochs": 1, "dtype": "float32", "checkpoint_every": 0},
        "evaluate": {"max_new_tokens": 2, "max_prompts": 2, "samples": 0, "intervals": {"resamples": 100}},
    }
    for name, values in changes.items():
        sections[name] = {**sections.get(name, {}), **values}
    Path("params.yaml").write_text(yaml.safe_dump(sections))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A project of which every stage has run."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copytree(model_folder, "given")
        shutil.copy(BENCHMARK, "items.jsonl")
        Path("curation").mkdir()
        Path("curation/decisions.jsonl").touch()
        set_params()
        for main in STAGES.values():
            main(load_params())
    return folder


@pytest.fixture
def project(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(whole, folder, copy_function=os.link)
    monkeypatch.chdir(folder)
    monkeypatch.delenv(TRACEBACK, raising=False)
    return folder


def change(path: Path, damage: Damage) -> None:
    """Damage a file of its own: the copy's files are those of the whole project."""
    for neighbour in path.parent.iterdir():
        if neighbour.is_file():
            content = neighbour.read_bytes()
            neighbour.unlink()
            neighbour.write_bytes(content)
    damage(path)


def hashes() -> dict[str, str]:
    tops = [Path(top) for top in ("data", "metrics", "models", "reports")]
    files = [path for top in tops for path in top.rglob("*") if path.is_file()]
    return {path.as_posix(): sha256_file(path) for path in sorted(files)}


def said(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a stage as its script does; the one paragraph that it leaves, the artifacts being as they were."""
    before = hashes()
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        _stage.run(STAGES[name])
    assert caught.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert "Traceback" not in "".join(lines)
    assert hashes() == before
    return lines[-1]


# --- tables ---------------------------------------------------------------------------------------------

TABLES = {
    "binarize": "data/pull/completions.parquet",
    "filter": "data/binarize/pairs.parquet",
    "decontaminate": "data/filter/pairs.parquet",
    "dedupe": "data/decontaminate/pairs.parquet",
    "curate": "data/dedupe/pairs.parquet",
    "split": "data/curate/pairs.parquet",
    "tokenize": "data/split/train.parquet",
    "evaluate": "data/split/test.parquet",
    "report": "data/split/train.parquet",
}


def rewritten(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Damage:
    """The table changed, its metadata kept."""

    def damage(path: Path) -> None:
        note = pq.read_schema(path).metadata[b"pipeline"]
        table = change(pl.read_parquet(path)).to_arrow()
        pq.write_table(table.replace_schema_metadata({b"pipeline": note}), path)

    return damage


def noted(change: Callable[[bytes], bytes]) -> Damage:
    """The table as it is, its metadata changed."""

    def damage(path: Path) -> None:
        table = pq.read_table(path)
        note = change(table.schema.metadata[b"pipeline"])
        pq.write_table(table.replace_schema_metadata({b"pipeline": note}), path)

    return damage


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip_page(path: Path) -> None:
    """Change bytes in the middle of the data, where the footer does not look."""
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)


def _null(frame: pl.DataFrame) -> pl.DataFrame:
    """The second row without its row_id, which every table of the flow has."""
    place = pl.int_range(pl.len()) == 1
    return frame.with_columns(pl.when(~place).then(pl.col("row_id")).alias("row_id"))


def written(content: bytes) -> Damage:
    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


TABLE_DAMAGES: dict[str, tuple[Damage, str]] = {
    "missing": (Path.unlink, r"is missing \(file {}\)\. Run `dvc repro"),
    "folder": (make_folder, r"cannot be read \(file {}\).*dvc"),
    "empty": (written(b""), r"cannot be read \(file {}\).*dvc"),
    "garbage": (written(b"PAR1 and no Parquet"), r"cannot be read \(file {}\).*dvc"),
    "cut": (halve, r"cannot be read \(file {}\).*dvc"),
    "pages": (flip_page, r"cannot be read \(file {}\).*dvc"),
    "version": (
        noted(lambda note: note.replace(b'"schema_version":"2"', b'"schema_version":"1"')),
        r"another version \(file {}, column schema_version\)\. Found: 1\. Expected: 2\..*dvc repro",
    ),
    "other table": (
        noted(lambda note: note.replace(b'"table":"', b'"table":"other ')),
        r"is another table.*\(file {}\)\. Found: other .*dvc checkout",
    ),
    "note": (noted(lambda note: note[:10]), r"note in a table's file cannot be read \(file {}\).*dvc"),
    "column less": (rewritten(lambda f: f.drop("row_id")), r"lacks a column \(file {}, column row_id\)"),
    "column more": (
        rewritten(lambda f: f.with_columns(pl.lit(1).alias("extra"))),
        r"columns it should not \(file {}, column extra\)",
    ),
    "type": (
        rewritten(lambda f: f.with_columns(pl.int_range(pl.len()).alias("row_id"))),
        r"wrong type \(file {}, column row_id\)\. Found: Int64\. Expected: String",
    ),
    "null": (rewritten(_null), r"null where none may be \(file {}, row 2, column row_id\)"),
    "twice": (
        rewritten(lambda f: pl.concat([f[:1], f])),
        r"names one row twice \(file {}, row 1, column pair_id\)",
    ),
}
"""What is done to a table, and what is said of it; every stage reads its tables by the same code."""

EVERYWHERE = ("missing", "cut", "version")


@pytest.mark.parametrize(
    ("stage", "damage"),
    [("filter", damage) for damage in TABLE_DAMAGES]
    + [(stage, damage) for stage in TABLES if stage != "filter" for damage in EVERYWHERE],
)
def test_a_damaged_table(project: Path, capsys: pytest.CaptureFixture[str], stage: str, damage: str) -> None:
    path = Path(TABLES[stage])
    apply, expected = TABLE_DAMAGES[damage]
    change(path, apply)
    assert re.search(expected.replace("{}", re.escape(str(path))), found := said(stage, capsys)), found


# --- other inputs ---------------------------------------------------------------------------------------

MANIFEST = Path("data/tokenize/manifest.json")
SHARD = Path("data/tokenize/train/shard-00000.arrow")


def edited(key: str, value: Any) -> Damage:
    """A JSON file with one key's value changed."""

    def damage(path: Path) -> None:
        write_json(path, read_json(path) | {key: value})

    return damage


def weights(value: float) -> Damage:
    def damage(path: Path) -> None:
        tensors = load_file(path)
        save_file({name: torch.full_like(tensor, value) for name, tensor in tensors.items()}, path)

    return damage


def pickled(path: Path) -> None:
    """Weights as a pickle alone, which leaves a file where it is loaded."""
    path.unlink()
    path.with_name("pytorch_model.bin").write_bytes(b'cbuiltins\nexec\n(S\'open("ran", "w").close()\'\ntR.')


def coded(path: Path) -> None:
    """A model of a class that comes with it, whose code leaves a file where it runs."""
    path.with_name("odd.py").write_text("open('ran', 'w').close()\n")
    auto = {"AutoConfig": "odd.Odd", "AutoModelForCausalLM": "odd.Odd", "AutoTokenizer": ["odd.Odd", None]}
    write_json(path, {"model_type": "odd", "auto_map": auto})
    tokenizer = path.with_name("tokenizer_config.json")
    write_json(tokenizer, {"tokenizer_class": "Odd", "auto_map": auto})


WEIGHTS = "model.safetensors"
FILES: list[tuple[str, str, Path, Damage, str]] = [
    ("shard missing", "train", SHARD, Path.unlink, r"shard.*\(file data/tokenize/train/shard-00000\.arrow"),
    ("shard cut", "train", SHARD, halve, r"not the one its manifest names \(file .*shard-00000\.arrow.*dvc"),
    (
        "manifest missing",
        "train",
        MANIFEST,
        Path.unlink,
        r"no shard set \(file data/tokenize/manifest\.json\)",
    ),
    ("manifest cut", "train", MANIFEST, halve, r"manifest cannot be read \(file data/tokenize/manifest"),
    ("manifest a list", "train", MANIFEST, written(b"[]"), r"another version \(file .*manifest\.json"),
    (
        "other tokenizer",
        "train",
        MANIFEST,
        edited("tokenizer_sha256", "0"),
        r"another tokenizer.*models/base",
    ),
    ("evaluate: other", "evaluate", MANIFEST, edited("template_sha256", "0"), r"another tokenizer.*tokenize"),
    (
        "lineage missing",
        "train",
        Path("models/base/lineage.json"),
        Path.unlink,
        r"pull_model writes is missing",
    ),
    (
        "lineage cut",
        "train",
        Path("models/base/lineage.json"),
        halve,
        r"pull_model wrote cannot.*lineage\.json",
    ),
    (
        "reference: lineage",
        "reference",
        Path("models/base/lineage.json"),
        written(b"\xff"),
        r"cannot be read",
    ),
    ("base cut", "train", Path("models/base") / WEIGHTS, halve, r"model cannot be loaded \(file models/base"),
    ("trained cut", "evaluate", Path("models/trained") / WEIGHTS, halve, r"cannot be loaded.*models/trained"),
    (
        "no config",
        "tokenize",
        Path("models/base/config.json"),
        Path.unlink,
        r"no model directory.*config\.json",
    ),
    (
        "config garbage",
        "train",
        Path("models/base/config.json"),
        written(b"{"),
        r"cannot be loaded.*models/base",
    ),
    (
        "tokenizer",
        "tokenize",
        Path("models/base/tokenizer.json"),
        written(b"{}"),
        r"tokenizer cannot be loaded",
    ),
    (
        "nan base",
        "train",
        Path("models/base") / WEIGHTS,
        weights(float("nan")),
        r"not all numbers \(file models/base, column",
    ),
    (
        "given: cut",
        "pull_model",
        Path("given") / WEIGHTS,
        halve,
        r"weights is damaged \(file given/model\.saf",
    ),
    (
        "given: pickle",
        "pull_model",
        Path("given") / WEIGHTS,
        pickled,
        r"no safetensors.*Found: pytorch_model",
    ),
    ("given: code", "pull_model", Path("given/config.json"), coded, r"cannot be loaded.*trust_remote_code"),
    (
        "given: no config",
        "pull_model",
        Path("given/config.json"),
        Path.unlink,
        r"no model directory.*model\.path",
    ),
    (
        "given: template",
        "pull_model",
        Path("given/chat_template.jinja"),
        written(b"a\n{% for m in %}"),
        r"template cannot be read \(file \S+chat_template\.jinja, row 2, column chat_template\)",
    ),
    ("benchmark list", "decontaminate", Path("items.jsonl"), written(b'{"a": 1}\n'), r"list is not.*row 1"),
    ("benchmark line", "decontaminate", Path("items.jsonl"), written(b"{\n"), r"items\.jsonl, row 1"),
    (
        "benchmark none",
        "decontaminate",
        Path("items.jsonl"),
        Path.unlink,
        r"list cannot be read \(file items",
    ),
    ("decision", "curate", Path("curation/decisions.jsonl"), written(b"{}\nno\n"), r"decisions\.jsonl, row"),
    ("decision utf", "curate", Path("curation/decisions.jsonl"), written(b"\xff\xfe\n"), r"decisions\.jsonl"),
    (
        "decisions none",
        "curate",
        Path("curation/decisions.jsonl"),
        Path.unlink,
        r"cannot be read \(file curation",
    ),
    (
        "params",
        "split",
        Path("params.yaml"),
        written(b"split: {flip_train: 7}\n"),
        r"split\.flip_train: found 7, expected",
    ),
    ("params yaml", "split", Path("params.yaml"), written(b"a: [\n"), r"not valid YAML \(file params\.yaml"),
    (
        "params utf",
        "split",
        Path("params.yaml"),
        written(b"\xff"),
        r"Params cannot be read \(file params\.yaml",
    ),
    (
        "metrics",
        "report",
        Path("metrics/filter.json"),
        written(b"[1]"),
        r"cannot be read \(file metrics/filter",
    ),
    (
        "scores",
        "report",
        Path("metrics/evaluate.json"),
        written(b"{}"),
        r"lacks a value \(file metrics/evaluate",
    ),
]


@pytest.mark.parametrize(
    ("stage", "path", "damage", "expected"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_a_damaged_file(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    path: Path,
    damage: Damage,
    expected: str,
) -> None:
    change(path, damage)
    assert re.search(expected, found := said(stage, capsys)), found
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("stage", "column", "value", "expected"),
    [
        ("evaluate", "split", "held-out", r"test\.parquet, row 1\).*split is known"),
        ("binarize", "overall_score", float("nan"), r"completions\.parquet, row 1\).*scores are finite"),
        ("filter", "margin", float("inf"), r"pairs\.parquet, row 1\).*scores are finite"),
        ("split", "conflict", "maybe", r"pairs\.parquet, row 1\).*conflict is known"),
    ],
)
def test_a_value_that_no_stage_writes(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    column: str,
    value: str | float,
    expected: str,
) -> None:
    change(Path(TABLES[stage]), rewritten(lambda frame: frame.with_columns(pl.lit(value).alias(column))))
    assert re.search(expected, found := said(stage, capsys)), found
