"""Stage train: ORPO on the training shards, to models/trained, with its curves in metrics/train.

A stage that was killed goes on from its latest checkpoint in models/checkpoints when it is run again; one
that ends well leaves none.
"""

from contextlib import ExitStack
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pipeline.files import atomic_folder, read_json, write_json
from pipeline.params import Params, TrainParams
from pipeline.tokens.manifest import check_fingerprints
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenizer import load_tokenizer, template_fingerprint, tokenizer_fingerprint
from pipeline.training.card import model_card, training_lineage
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.fingerprint import run_fingerprint, run_name
from pipeline.training.logs import LiveLog, LogGroup, StepLog, closing_log
from pipeline.training.loop import train
from pipeline.training.model import add_adapters, load_model, merge_adapters, save_model
from pipeline.training.ranks import Ranks
from pipeline.training.rng import seed_everything
from pipeline.training.step_model import StepModel
from pipeline.training.trackers import open_trackers
from stages._stage import DATA, METRICS, MODELS, run

CHECKPOINTS = MODELS / "checkpoints"


def main(params: Params) -> None:
    """Train the base model on the pairs of split train."""
    seed_everything(params.train.seed)
    ranks = Ranks.current()
    shards = ShardSet(DATA / "tokenize", "train")
    validation = ShardSet(DATA / "tokenize", "validation")
    base = read_json(MODELS / "base" / "lineage.json")
    tokenizer = load_tokenizer(MODELS / "base", params.model.trust_remote_code)
    fingerprints = tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
    check_fingerprints(shards.manifest, MODELS / "base", *fingerprints)
    model = _prepared_model(params)
    fingerprint = run_fingerprint(params.train, shards.manifest, base)
    checkpoints = Checkpoints(
        CHECKPOINTS, fingerprint, params.train.checkpoint_every, params.train.keep_checkpoints
    )
    module = StepModel(model, int(tokenizer.pad_token_id), params.train)
    with ExitStack() as stack:
        log = _open_log(stack, params.train, run_name(fingerprint)) if ranks.is_main else StepLog()
        result = train(module, shards, validation, params.train, log, ranks, checkpoints)
        if params.train.lora.enabled:
            merge_adapters(model)
        if ranks.is_main:
            lineage = training_lineage(params.train, base, shards.manifest, result.steps, result.weights_step)
            _save(model, tokenizer, lineage)
    if ranks.is_main:
        checkpoints.clear()


def _prepared_model(params: Params) -> PreTrainedModel:
    """The base model in the dtype it trains in, with adapters where they are asked for."""
    model = load_model(MODELS / "base", params.model.trust_remote_code)
    if params.train.dtype == "bf16":
        model.to(torch.bfloat16)  # type: ignore[arg-type]
    if params.train.lora.enabled:
        add_adapters(model, params.train.lora)
    return model


def _open_log(stack: ExitStack, params: TrainParams, name: str) -> StepLog:
    """DVCLive and the trackers, closed with the stack; the curves take their place if all went well."""
    live = stack.enter_context(atomic_folder(METRICS / "train"))
    trackers = open_trackers(params.trackers, name, params.model_dump(by_alias=True))
    return stack.enter_context(closing_log(LogGroup([LiveLog(live), *trackers])))


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, lineage: dict[str, Any]) -> None:
    """Write models/trained."""
    with atomic_folder(MODELS / "trained") as folder:
        save_model(model, tokenizer, folder, model_card(lineage))
        write_json(folder / "lineage.json", lineage)


if __name__ == "__main__":
    run(main)
