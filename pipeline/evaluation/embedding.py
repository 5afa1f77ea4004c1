"""How alike texts are by a sentence-embedding model in a local directory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.errors import PipelineError
from pipeline.evaluation.diversity import NgramSimilarity, Similarity
from pipeline.files import read_json, sha256_file
from pipeline.progress import track
from pipeline.training.model import pick_device

KEY = "evaluate.embedding_model"
BATCH_TEXTS = 32


def load_similarity(folder: str | None) -> Similarity:
    """The similarity that ``evaluate.embedding_model`` asks for: by embeddings, or by n-grams for None.

    Raises:
        PipelineError: As :class:`EmbeddingSimilarity`.
    """
    return NgramSimilarity() if folder is None else EmbeddingSimilarity(Path(folder))


class EmbeddingSimilarity:
    """Cosine of sentence embeddings: the mean of the last hidden states over a text's tokens.

    Texts are cut to the length that the directory states (sentence_bert_config.json, the tokenizer, or the
    model's positions: the least), which is part of :attr:`method`.

    Args:
        folder: An encoder with tokenizer in the layout of sentence-transformers or transformers, weights in
            safetensors.

    Raises:
        PipelineError: If the directory is missing, cannot be loaded, its tokenizer cannot pad, or it states
            another pooling than the mean.
    """

    def __init__(self, folder: Path) -> None:
        self._model, self._tokenizer = _load(folder)
        _check_pooling(folder)
        self._max_tokens = _max_tokens(folder, self._model, self._tokenizer)
        limit = "" if self._max_tokens is None else f", at most {self._max_tokens} tokens"
        self._method = f"embeddings of {folder.resolve().name} ({_digest(folder)}){limit}"

    @property
    def method(self) -> str:
        """The model's folder, the beginning of its weights' SHA-256, and its length limit."""
        return self._method

    def mean_cosines(self, groups: Sequence[Sequence[str]]) -> list[float]:
        """The mean cosine similarity over the unordered pairs of each group of two texts or more."""
        embedded = self.embed([text for group in groups for text in group])
        found, start = [], 0
        for group in groups:
            count = len(group)
            vectors = embedded[start : start + count]
            total = vectors.sum(axis=0)
            # The square of the sum, without each vector's own, is the sum over all ordered pairs.
            found.append(float((total @ total - np.square(vectors).sum()) / (count * (count - 1))))
            start += count
        return found

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Unit vectors (float64, texts x dimensions) of texts; zeros for a text without a token."""
        order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), index))
        batches = [order[start : start + BATCH_TEXTS] for start in range(0, len(order), BATCH_TEXTS)]
        width = int(self._model.config.hidden_size)
        found: npt.NDArray[np.float64] = np.zeros((len(texts), width))
        for rows in track(batches, "embed answers", total=len(batches), unit="batches"):
            inputs = self._tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=self._max_tokens is not None,
                max_length=self._max_tokens,
                return_tensors="pt",
            ).to(self._model.device)
            if not inputs["attention_mask"].any():
                continue
            states = self._model(**inputs).last_hidden_state.double()
            mask = inputs["attention_mask"].unsqueeze(-1).double()
            means = (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)
            found[rows] = torch.nn.functional.normalize(means, dim=-1).cpu().numpy()
        return found


def _load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if not (folder / "config.json").is_file():
        raise PipelineError(
            "There is no embedding model directory",
            file=folder,
            key=KEY,
            found="no config.json",
            expected="config.json, *.safetensors and tokenizer files",
            hint="Name a directory, or null for similarity by n-grams",
        )
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: PreTrainedModel = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise PipelineError(
            "The embedding model cannot be loaded",
            file=folder,
            key=KEY,
            found=str(error),
            expected="a text encoder that transformers knows, in safetensors",
        ) from error
    if tokenizer.pad_token_id is None:
        raise PipelineError(
            "The embedding model's tokenizer cannot pad",
            file=folder,
            key=KEY,
            found="no pad token",
            expected="a sentence-embedding model",
        )
    return model.to(pick_device()).eval(), tokenizer  # type: ignore[arg-type]


def _check_pooling(folder: Path) -> None:
    """Refuse a model that sentence-transformers would pool otherwise: its vectors would mean little."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return
    config = read_json(path)
    modes = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    if config.get("pooling_mode", "mean") != "mean" or modes not in ([], ["pooling_mode_mean_tokens"]):
        raise PipelineError(
            "The embedding model pools otherwise than by the mean",
            file=path,
            key=KEY,
            found=", ".join([*modes, str(config.get("pooling_mode", ""))]).strip(", "),
            expected="the mean over tokens",
            hint="Name another model, such as all-MiniLM-L6-v2",
        )


def _max_tokens(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The least limit that is stated; None for none."""
    path = folder / "sentence_bert_config.json"
    stated: dict[str, Any] = read_json(path) if path.is_file() else {}
    limits = (
        stated.get("max_seq_length"),
        # A tokenizer without a limit says a number beyond any text.
        tokenizer.model_max_length if tokenizer.model_max_length < 1 << 31 else None,
        getattr(model.config, "max_position_embeddings", None),
    )
    return min((int(limit) for limit in limits if limit), default=None)


def _digest(folder: Path) -> str:
    """The first 12 hex digits of a SHA-256 of the weights' SHA-256s."""
    hashes = [sha256_file(path) for path in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256(",".join(hashes).encode()).hexdigest()[:12]
