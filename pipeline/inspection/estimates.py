"""Time and memory of each stage on this machine, each with what the estimate rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.inspection.earlier import EarlierRun
from pipeline.inspection.machine import ModelSize
from pipeline.inspection.workload import Workload
from pipeline.params import WITH_REFERENCE, Params

STAGES = (
    "pull",
    "pull_model",
    "binarize",
    "filter",
    "decontaminate",
    "dedupe",
    "curate",
    "split",
    "tokenize",
    "reference",
    "train",
    "evaluate",
    "benchmark",
    "report",
)
"""All of them, in the order of the flow."""

_SELDOM_GROWS = ("pull_model", "benchmark", "report")
"""Their cost hardly depends on the data: that of an earlier run stands as it is."""

STARTUP = {"tokenize": 8.0, "reference": 10.0, "train": 10.0, "evaluate": 10.0}
"""Seconds a stage needs to start Python and load its libraries, where torch is among them; else 2."""

FARTHEST = 10.0
"""An earlier run tells of at most so many times what it had to do."""

_ROW_BYTES = 400
"""Ids, hashes and ledger entries that are kept of a row or pair while the rest goes by in blocks."""


@dataclass(frozen=True)
class Estimate:
    """What a stage may cost.

    Attributes:
        stage: The stage.
        seconds: Wall time; None: nothing to tell it from.
        memory_bytes: Most memory of its largest process; likewise.
        basis: What it was worked out from, in words.
    """

    stage: str
    seconds: float | None
    memory_bytes: int | None
    basis: str


@dataclass(frozen=True)
class Probe:
    """What was measured just now.

    Attributes:
        seconds: By data stage the time it took over the sample, or of pull over the whole source.
        units: By data stage how many of its units that was.
        memory_bytes: Most memory of this process while it did that; None: the system does not tell.
        tokenize_memory_bytes: The same once it had tokenised the sample.
        model: The base model's size; None: it is not here.
        flops: Its matmuls' floating-point operations a second; None: not measured.
        device: What they were measured on.
    """

    seconds: Mapping[str, float]
    units: Mapping[str, float]
    memory_bytes: int | None
    tokenize_memory_bytes: int | None
    model: ModelSize | None
    flops: float | None
    device: str


def estimate_stages(
    params: Params, work: Workload, probe: Probe, earlier: Mapping[str, EarlierRun]
) -> list[Estimate]:
    """An estimate for each of :data:`STAGES`, from an earlier run where that was of a like size.

    Args:
        params: All of them.
        work: How much each stage will have to do.
        probe: What was measured on the sample.
        earlier: Earlier runs here, by stage.
    """
    return [_scaled(stage, work, earlier) or _probed(stage, params, work, probe) for stage in STAGES]


def _scaled(stage: str, work: Workload, earlier: Mapping[str, EarlierRun]) -> Estimate | None:
    """The stage's last run, scaled; None where there is none, or it was far smaller."""
    found, units = earlier.get(stage), work.units.get(stage)
    if found is not None and stage in _SELDOM_GROWS:
        memory = found.run.peak_memory_bytes
        return Estimate(stage, found.run.seconds, memory, f"its run of {found.run.finished[:10]}")
    if found is None or not found.units or not units or units > FARTHEST * found.units:
        return None
    seconds, grown = found.run.seconds, units / found.units
    startup = min(seconds, _startup(stage))
    basis = f"its run of {found.run.finished[:10]} over {found.units:,.0f} {found.unit}"
    memory = found.run.peak_memory_bytes
    return Estimate(stage, startup + (seconds - startup) * grown, memory, basis)


def _probed(stage: str, params: Params, work: Workload, probe: Probe) -> Estimate:
    if stage == "train":
        return _training(params, work, probe)
    if stage == "evaluate":
        return _evaluation(params, work, probe)
    if stage == "reference":
        return _reference(params, work, probe)
    if stage in _SELDOM_GROWS:
        return _first_time(stage, params)
    timed = "split" if stage == "curate" and "split" in probe.seconds else stage
    timed = "decontaminate" if stage in ("curate", "split") and timed not in probe.seconds else timed
    units, measured = work.units.get(stage), probe.units.get(timed)
    if units is None or not measured:
        return Estimate(stage, None, None, "not known: it did not run on the sample")
    seconds = _startup(stage) + probe.seconds[timed] * units / measured
    memory = probe.tokenize_memory_bytes if stage == "tokenize" else probe.memory_bytes
    rest = None if memory is None else memory + int(_ROW_BYTES * max(0.0, units - measured))
    like = "" if timed == stage else f", as {timed}"
    whole = "the whole source" if stage == "pull" else f"{measured:,.0f} of the sample"
    return Estimate(stage, seconds, rest, f"measured on {whole}{like}")


def _training(params: Params, work: Workload, probe: Probe) -> Estimate:
    model, train = probe.model, params.train
    if model is None or probe.flops is None or not work.train_tokens:
        return Estimate("train", None, None, _UNKNOWN)
    per_weight = (4 if train.lora.enabled else 6) + (2 if train.gradient_checkpointing else 0)
    seconds = per_weight * model.matmul_weights * work.train_tokens / probe.flops / train.processes
    basis = (
        f"{per_weight} x {model.matmul_weights / 1e6:,.0f}M weights x {work.train_tokens:,.0f} tokens / "
        f"{probe.flops / 1e9:,.0f} GFLOP/s of a bare matmul ({probe.device}); seldom faster"
    )
    return Estimate("train", STARTUP["train"] + seconds, _training_memory(params, work, model), basis)


def _training_memory(params: Params, work: Workload, model: ModelSize) -> int:
    """Weights, gradients and AdamW's two moments, and the activations of the largest forward pass.

    34 bytes a token, layer and unit of width in 16 bits, 2 with checkpointing: Korthikanti et al., arXiv
    2205.05198, section 4, without the attention scores, which are never whole in memory here.
    """
    train = params.train
    if train.lora.enabled:
        each = 0.6 if train.lora.quantize else (2 if train.dtype == "bf16" else 4)
        states = each * model.weights * 1.05
    else:
        # bf16: the weights, float32 masters, gradients and two moments. Else all four in float32.
        states = (18 if train.dtype == "bf16" else 16) * model.weights
    wide = 2 if train.dtype == "float32" else 1
    per_unit = wide * (2 if train.gradient_checkpointing else 34)
    tokens = max(train.micro_batch_tokens, work.longest)
    return int(states + per_unit * tokens * model.layers * model.hidden)


def _reference(params: Params, work: Workload, probe: Probe) -> Estimate:
    model = probe.model
    if params.train.objective not in WITH_REFERENCE:
        return Estimate("reference", _startup(""), None, "nothing to do but for dpo")
    if model is None or probe.flops is None or not work.train_tokens:
        return Estimate("reference", None, None, _UNKNOWN)
    tokens = work.train_tokens / params.train.epochs
    seconds = STARTUP["reference"] + 2 * model.matmul_weights * tokens / probe.flops
    basis = f"2 x weights x {tokens:,.0f} tokens by the same matmul; at least that"
    return Estimate("reference", seconds, 4 * model.weights, basis)


def _first_time(stage: str, params: Params) -> Estimate:
    """What never ran here, and has nothing to be measured on."""
    asked = params.benchmarks
    is_idle = not (asked.ifeval.enabled or asked.alpacaeval.enabled or asked.mtbench.enabled)
    if stage == "benchmark" and is_idle:
        return Estimate(stage, _startup(""), None, "no benchmark is switched on")
    why = {"pull_model": "the network", "benchmark": "the answers and the judge", "report": "what is shown"}
    return Estimate(stage, None, None, f"not known before its first run: it depends on {why[stage]}")


def _evaluation(params: Params, work: Workload, probe: Probe) -> Estimate:
    model, asked = probe.model, params.evaluate
    if model is None or probe.flops is None or not work.test_pairs:
        return Estimate("evaluate", None, None, _UNKNOWN)
    models = 2 + len(asked.models)
    answered = min(asked.max_prompts, work.test_pairs) + asked.samples * min(
        asked.sample_prompts, work.test_pairs
    )
    tokens = work.test_pairs * work.sequence_tokens + answered * asked.max_new_tokens
    seconds = 2 * models * model.matmul_weights * tokens / probe.flops
    # Two models at a time are never in memory: one, in float32 while it scores, and the pass's activations.
    memory = 4 * model.weights + 4 * asked.batch_pairs * work.longest * (model.hidden * 8)
    basis = f"2 x weights x {tokens:,.0f} tokens x {models} models by the same matmul; at least that"
    return Estimate("evaluate", STARTUP["evaluate"] + seconds, int(memory), basis)


_UNKNOWN = "not known: the base model is not here yet (`dvc repro pull_model`), or no pair is left"


def _startup(stage: str) -> float:
    return STARTUP.get(stage, 2.0)
