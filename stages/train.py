"""Stage train: ORPO, or what it is compared with, to models/trained, with its curves in metrics/train.

A stage that was killed goes on from its latest checkpoint in models/checkpoints when it is run again; one
that ends well leaves none.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pipeline.files import atomic_folder, write_json
from pipeline.params import WITH_REFERENCE, Params, TrainParams
from pipeline.records import read_record
from pipeline.tokens.manifest import check_fingerprints
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenizer import load_tokenizer, template_fingerprint, tokenizer_fingerprint
from pipeline.training.card import model_card, training_lineage
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.fingerprint import run_fingerprint, run_name
from pipeline.training.gather import whole_model
from pipeline.training.launch import hand_to_torchrun, process_group
from pipeline.training.logs import LiveLog, LogGroup, StepLog, closing_log
from pipeline.training.loop import train
from pipeline.training.model import merge_adapters, save_model
from pipeline.training.parallel import parallelize
from pipeline.training.prepare import prepare_model
from pipeline.training.ranks import is_main
from pipeline.training.reference_file import read_references
from pipeline.training.rng import seed_everything
from pipeline.training.step_model import StepModel
from pipeline.training.trackers import open_trackers
from stages._stage import DATA, METRICS, MODELS, run

CHECKPOINTS = MODELS / "checkpoints"


def main(params: Params) -> None:
    """Train the base model on the pairs of split train, over as many ranks as params ask for."""
    hand_to_torchrun(params.train, "stages.train")
    with process_group(params.train):
        _train(params)


def _train(params: Params) -> None:
    """What each rank does; the main one reports and writes."""
    seed_everything(params.train.seed)
    shards = ShardSet(DATA / "tokenize", "train")
    validation = ShardSet(DATA / "tokenize", "validation")
    base = read_record(MODELS / "base" / "lineage.json", "pull_model")
    tokenizer = load_tokenizer(MODELS / "base", params.model.trust_remote_code)
    fingerprints = tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
    check_fingerprints(shards.manifest, MODELS / "base", *fingerprints)
    load = partial(prepare_model, MODELS / "base", params.train, params.model.trust_remote_code)
    references = None
    if params.train.objective in WITH_REFERENCE:
        references = read_references(DATA / "reference", base, shards.manifest)
    step_model = StepModel(load(), int(tokenizer.pad_token_id), params.train, references)
    module = parallelize(step_model, params.train)
    fingerprint = run_fingerprint(
        params.train, shards.manifest, base, references.fingerprint if references else None
    )
    checkpoints = Checkpoints(
        CHECKPOINTS, fingerprint, params.train.checkpoint_every, params.train.keep_checkpoints
    )
    with ExitStack() as stack:
        log = _open_log(stack, params.train, run_name(fingerprint)) if is_main() else StepLog()
        result = train(module, shards, validation, params.train, log, checkpoints)
        model = whole_model(module, load)
        if model is not None:
            if params.train.lora.enabled:
                merge_adapters(model)
            lineage = training_lineage(params.train, base, shards.manifest, result.steps, result.weights_step)
            _save(model, tokenizer, lineage)
    if is_main():
        checkpoints.clear()


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
    run(main, weights=lambda _: True)
