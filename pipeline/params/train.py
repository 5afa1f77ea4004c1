"""``train``: the objective, the optimizer and the run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import Fraction, PositiveInt, Section


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
