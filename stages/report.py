"""Stage report: a page for people, its numbers as JSON and both cards, and the points of DVC's Funnel."""

from pathlib import Path

from pipeline.params import Params
from pipeline.report.build import build_report
from pipeline.report.funnel import write_funnel_points
from stages._stage import METRICS, REPORTS, run


def main(params: Params) -> None:
    """Draw the report and the funnel from what the other stages wrote."""
    build_report(Path(), params.report, REPORTS)
    write_funnel_points(Path(), METRICS / "funnel.json")


if __name__ == "__main__":
    run(main)
