"""Stage reference: log-probabilities of the pairs under the base model, for DPO, in data/reference.

An objective without a reference model leaves empty tables, and the model is not loaded.
"""

import polars as pl

from pipeline.files import atomic_folder
from pipeline.params import WITH_REFERENCE, Params
from pipeline.records import read_record
from pipeline.schema import REFERENCE_LOGPS
from pipeline.tokens.manifest import check_fingerprints
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenizer import load_tokenizer, template_fingerprint, tokenizer_fingerprint
from pipeline.training.reference_file import SPLITS, lineage_of, write_references
from stages._stage import DATA, MODELS, run


def main(params: Params) -> None:
    """Score the training and validation pairs with the base model, where ``train.objective`` needs it."""
    shards = {split: ShardSet(DATA / "tokenize", split) for split in SPLITS}
    base = read_record(MODELS / "base" / "lineage.json", "pull_model")
    tables, note = {split: REFERENCE_LOGPS.empty() for split in SPLITS}, {}
    if params.train.objective in WITH_REFERENCE:
        tables = _scored(params, shards)
    else:
        note = {"note": f"train.objective {params.train.objective} needs no reference model"}
    with atomic_folder(DATA / "reference") as folder:
        for split, table in tables.items():
            lineage = lineage_of(base, shards[split].manifest, split)
            write_references(folder, split, table, lineage | note)


def _scored(params: Params, shards: dict[str, ShardSet]) -> dict[str, pl.DataFrame]:
    """The tables of an objective that needs them."""
    # Loading torch takes longer than writing empty tables.
    from pipeline.training.reference import reference_logps, reference_model

    trusted = params.model.trust_remote_code
    tokenizer = load_tokenizer(MODELS / "base", trusted)
    for of_split in shards.values():
        fingerprints = tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
        check_fingerprints(of_split.manifest, MODELS / "base", *fingerprints)
    model = reference_model(MODELS / "base", int(tokenizer.pad_token_id), params.train, trusted)
    return {split: reference_logps(model, of_split) for split, of_split in shards.items()}


if __name__ == "__main__":
    run(main, weights=lambda params: params.train.objective in WITH_REFERENCE)
