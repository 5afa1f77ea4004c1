"""Rules between keys of one section, said in words and, where it has words for them, in JSON Schema.

Pydantic's validators in the sections enforce these rules; what stands here is for whoever reads
``docs/params.md`` and for editors. A test asks that no validator is left out, and that pydantic and the
schema refuse the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pipeline.params.benchmarks import JudgeParams, MTBenchParams
from pipeline.params.binarize import AspectWeights
from pipeline.params.curate import QueueWeights
from pipeline.params.decontaminate import DecontaminateParams
from pipeline.params.evaluate import RESERVED_MODELS, CompareVariant, EvaluateParams
from pipeline.params.model import ModelParams
from pipeline.params.source import HubParams
from pipeline.params.split import SplitParams
from pipeline.params.train import LoraParams, TrainParams

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_ADDRESS = (
    r"^[Hh][Tt][Tt][Pp][Ss]?://(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]\s]+)(:[0-9]*)?(/[^?#]*)?$"  # no user, no query
)


@dataclass(frozen=True)
class CrossRule:
    """One rule that a validator of a section enforces.

    Attributes:
        section: The section it is about.
        validator: Name of the validator, a method of the section or a function on one of its fields.
        says: The rule as a sentence without its full stop.
        schema: What JSON Schema asks of the section beside its keys; None where it has no words for the rule.
    """

    section: type[BaseModel]
    validator: str
    says: str
    schema: Schema | None


def _when(given: Mapping[str, Schema], then: Mapping[str, Schema], required: bool = True) -> Schema:
    """If the keys ``given`` are there and so, those of ``then`` must be so; and be there, if ``required``."""
    asked: dict[str, Any] = {"properties": dict(then)}
    if required:
        asked["required"] = list(then)
    return {"if": {"properties": dict(given), "required": list(given)}, "then": asked}


def _not_all_zero(section: type[BaseModel]) -> Schema:
    """Some number of the section is above 0; one left out is 1."""
    names = list(section.model_fields)
    return {"not": {"properties": {name: {"const": 0} for name in names}, "required": names}}


CROSS_RULES = (
    CrossRule(
        HubParams,
        "_revision_with_repo",
        "A `repo` needs a `revision`",
        _when({"repo": _TEXT}, {"revision": _TEXT}),
    ),
    CrossRule(
        AspectWeights,
        "_some_count",
        "At least one aspect weighs more than 0",
        _not_all_zero(AspectWeights),
    ),
    CrossRule(DecontaminateParams, "_names_differ", "Each item of `benchmarks` has a name of its own", None),
    CrossRule(
        QueueWeights,
        "_some_choose",
        "At least one strategy weighs more than 0",
        _not_all_zero(QueueWeights),
    ),
    CrossRule(
        SplitParams, "_leaves_train", "Where `validation` and `test` are shares, they add up to under 1", None
    ),
    CrossRule(
        ModelParams,
        "_path_with_source",
        "`source: path` needs `path`",
        _when({"source": {"const": "path"}}, {"path": _TEXT}),
    ),
    CrossRule(
        TrainParams,
        "_something_to_train_on",
        "`objective: odds_only` needs a `lambda` above 0",
        _when({"objective": {"const": "odds_only"}}, {"lambda": {"exclusiveMinimum": 0}}, required=False),
    ),
    CrossRule(
        TrainParams,
        "_early_stopping_by_a_metric",
        "`early_stopping` needs `best_metric` and an `eval_every` above 0",
        _when({"early_stopping": {"type": "integer"}}, {"best_metric": _TEXT, "eval_every": {"minimum": 1}}),
    ),
    CrossRule(
        LoraParams,
        "_adapters_beside_quantised_weights",
        "`quantize` needs `enabled: true`",
        _when({"quantize": _TEXT}, {"enabled": {"const": True}}),
    ),
    CrossRule(
        EvaluateParams,
        "_names_are_free",
        f"A name in `models` is none of {', '.join(RESERVED_MODELS)}",
        {"properties": {"models": {"propertyNames": {"not": {"enum": list(RESERVED_MODELS)}}}}},
    ),
    CrossRule(EvaluateParams, "distinct_variants", "Each item of `compare` has a name of its own", None),
    CrossRule(
        CompareVariant,
        "_trained_or_loaded",
        "An item with a `model` takes no `set`, and none is named base",
        {
            **_when({"model": _TEXT}, {"set": {"maxProperties": 0}}, required=False),
            "properties": {"name": {"not": {"const": "base"}}},
        },
    ),
    CrossRule(
        JudgeParams,
        "_names_no_secret",
        "`base_url` is an http or https address without user, password and query; `key_variable` is the name "
        "of an environment variable (A-Z, 0-9, _), not the key",
        {
            "properties": {
                "base_url": {"pattern": _ADDRESS},
                "key_variable": {"pattern": "^[A-Z_][A-Z0-9_]{0,63}$"},
            }
        },
    ),
    CrossRule(
        MTBenchParams,
        "_has_questions",
        "`enabled: true` needs `questions` and `references`",
        _when({"enabled": {"const": True}}, {"questions": _TEXT, "references": _TEXT}),
    ),
)
"""Every such rule, in the order of ``params.yaml``."""


def cross_rules(section: type[BaseModel]) -> list[CrossRule]:
    """The rules of one section, in their order."""
    return [rule for rule in CROSS_RULES if rule.section is section]
