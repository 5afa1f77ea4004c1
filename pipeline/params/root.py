"""All sections together."""

from __future__ import annotations

from pipeline.params.benchmarks import BenchmarksParams
from pipeline.params.binarize import BinarizeParams
from pipeline.params.curate import CurateParams
from pipeline.params.decontaminate import DecontaminateParams
from pipeline.params.dedupe import DedupeParams
from pipeline.params.evaluate import EvaluateParams
from pipeline.params.filter import FilterParams
from pipeline.params.model import ModelParams
from pipeline.params.report import ReportParams
from pipeline.params.section import Section
from pipeline.params.source import SourceParams
from pipeline.params.split import SplitParams
from pipeline.params.suspects import SuspectsParams
from pipeline.params.tokenize import TokenizeParams
from pipeline.params.train import TrainParams


class Params(Section):
    """All of ``params.yaml``."""

    source: SourceParams = SourceParams()
    binarize: BinarizeParams = BinarizeParams()
    filter: FilterParams = FilterParams()
    decontaminate: DecontaminateParams = DecontaminateParams()
    dedupe: DedupeParams = DedupeParams()
    curate: CurateParams = CurateParams()
    suspects: SuspectsParams = SuspectsParams()
    split: SplitParams = SplitParams()
    model: ModelParams = ModelParams()
    tokenize: TokenizeParams = TokenizeParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    benchmarks: BenchmarksParams = BenchmarksParams()
    report: ReportParams = ReportParams()
