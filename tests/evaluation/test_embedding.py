"""Similarity by a sentence-embedding model: a tiny encoder with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.evaluation.diversity import NgramSimilarity
from pipeline.evaluation.embedding import EmbeddingSimilarity, load_similarity
from pipeline.files import sha256_file

WORDS = ["[PAD]", "[UNK]", "tea", "is", "hot", "cold"]
TEXTS = ["tea is hot", "tea", "cold cold tea is cold", "", "hot"]


def save_tokenizer(folder: Path, **special: str) -> None:
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **special).save_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    path = tmp_path / "encoder"
    BertModel(config).save_pretrained(path)
    save_tokenizer(path, pad_token="[PAD]")
    return path


def plain(folder: Path, text: str) -> np.ndarray:
    """One text by itself, without padding."""
    ids = [WORDS.index(word) for word in text.split()]
    if not ids:
        return np.zeros(16)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0].double().numpy()
    mean: np.ndarray = states.mean(0)
    return mean / float(np.linalg.norm(mean))


def test_embeddings_are_means_over_the_tokens(folder: Path) -> None:
    found = EmbeddingSimilarity(folder).embed(TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        assert row == pytest.approx(plain(folder, text), abs=1e-5)


def test_mean_cosines_are_those_of_all_pairs(folder: Path) -> None:
    one, two, three = (plain(folder, text) for text in TEXTS[:3])
    found = EmbeddingSimilarity(folder).mean_cosines([TEXTS[:3], TEXTS[:2]])
    assert found == pytest.approx([(one @ two + one @ three + two @ three) / 3, one @ two], abs=1e-5)
    assert EmbeddingSimilarity(folder).mean_cosines([["hot", "hot"]]) == [pytest.approx(1.0)]
    assert EmbeddingSimilarity(folder).mean_cosines([]) == []


def test_texts_without_a_token_are_like_no_other(folder: Path) -> None:
    found = EmbeddingSimilarity(folder).mean_cosines([["", ""], ["", "tea", "tea"]])
    assert found == [0.0, pytest.approx(1 / 3)]


def test_the_method_names_model_weights_and_limit(folder: Path) -> None:
    similarity = load_similarity(str(folder))
    assert similarity.method.startswith("embeddings of encoder (")
    assert similarity.method.endswith("), at most 12 tokens")
    again = sha256_file(folder / "model.safetensors")
    torch.manual_seed(1)
    BertModel(AutoModel.from_pretrained(folder).config).save_pretrained(folder)
    assert sha256_file(folder / "model.safetensors") != again
    assert load_similarity(str(folder)).method != similarity.method


def test_long_texts_are_cut_where_the_directory_says(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 2}))
    similarity = EmbeddingSimilarity(folder)
    assert similarity.method.endswith(", at most 2 tokens")
    assert similarity.embed(["hot tea is cold"])[0] == pytest.approx(plain(folder, "hot tea"), abs=1e-5)


def test_no_model_is_similarity_by_ngrams() -> None:
    assert isinstance(load_similarity(None), NgramSimilarity)


@pytest.mark.parametrize(
    "config", [{"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, {"pooling_mode": "mean"}]
)
def test_mean_pooling_is_taken(folder: Path, config: dict[str, object]) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert EmbeddingSimilarity(folder).embed(["tea"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "pooling_mode_cls_token"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
    ],
)
def test_another_pooling_is_refused(folder: Path, config: dict[str, object], found: str) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    with pytest.raises(PipelineError, match=rf"pools otherwise than by the mean.*{found}"):
        EmbeddingSimilarity(folder)


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no embedding model directory.*evaluate\.embedding_model"):
        load_similarity(str(tmp_path / "nothing"))


def test_a_directory_without_weights_is_an_error(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(PipelineError, match="The embedding model cannot be loaded"):
        EmbeddingSimilarity(folder)


def test_a_tokenizer_that_cannot_pad_is_refused(folder: Path) -> None:
    save_tokenizer(folder)
    with pytest.raises(PipelineError, match="cannot pad"):
        EmbeddingSimilarity(folder)
