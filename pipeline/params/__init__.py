"""Typed ``params.yaml``: every key with its unit, range and meaning; all faults at once.

The defaults here are the defaults of the pipeline; ``params.yaml`` at the top of the project states each of
them again, so that DVC sees what a stage depends on. Each section of the file has a module of its name here;
other code imports from this package.
"""

from pipeline.params.benchmarks import (
    AlpacaEvalParams,
    BenchmarkHubParams,
    BenchmarksParams,
    IFEvalParams,
    JudgeParams,
    MTBenchParams,
)
from pipeline.params.binarize import AspectWeights, BinarizeParams
from pipeline.params.curate import ArgillaParams, CurateParams, QueueParams, QueueWeights
from pipeline.params.decontaminate import BenchmarkParams, DecontaminateParams
from pipeline.params.dedupe import DedupeParams
from pipeline.params.evaluate import (
    RESERVED_MODELS,
    CompareVariant,
    EvaluateParams,
    IntervalParams,
    distinct_variants,
)
from pipeline.params.filter import FilterParams, Side
from pipeline.params.loading import (
    load_params,
    params_faults,
    parse_params,
    parse_yaml,
    project_path,
    read_yaml,
    refused,
)
from pipeline.params.model import ModelHubParams, ModelParams, WheelParams
from pipeline.params.report import ReportParams
from pipeline.params.root import Params
from pipeline.params.source import (
    PRIVATE_KINDS,
    ColumnsParams,
    HubParams,
    LabelParams,
    SampleParams,
    SourceParams,
)
from pipeline.params.split import SplitParams
from pipeline.params.suspects import SuspectsParams
from pipeline.params.tokenize import TokenizeParams
from pipeline.params.train import WITH_REFERENCE, LoraParams, TrainParams

__all__ = [
    "PRIVATE_KINDS",
    "RESERVED_MODELS",
    "WITH_REFERENCE",
    "AlpacaEvalParams",
    "ArgillaParams",
    "AspectWeights",
    "BenchmarkHubParams",
    "BenchmarkParams",
    "BenchmarksParams",
    "BinarizeParams",
    "ColumnsParams",
    "CompareVariant",
    "CurateParams",
    "DecontaminateParams",
    "DedupeParams",
    "EvaluateParams",
    "FilterParams",
    "HubParams",
    "IFEvalParams",
    "IntervalParams",
    "JudgeParams",
    "LabelParams",
    "LoraParams",
    "MTBenchParams",
    "ModelHubParams",
    "ModelParams",
    "Params",
    "QueueParams",
    "QueueWeights",
    "ReportParams",
    "SampleParams",
    "Side",
    "SourceParams",
    "SplitParams",
    "SuspectsParams",
    "TokenizeParams",
    "TrainParams",
    "WheelParams",
    "distinct_variants",
    "load_params",
    "params_faults",
    "parse_params",
    "parse_yaml",
    "project_path",
    "read_yaml",
    "refused",
]
