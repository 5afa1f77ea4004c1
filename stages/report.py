"""Stage report: one HTML page a person looks at, in reports/report.html."""

from pathlib import Path

from pipeline.params import Params
from pipeline.report.build import build_report
from stages._stage import REPORTS, run


def main(params: Params) -> None:
    """Draw the report from what the other stages wrote."""
    build_report(Path(), params.report, REPORTS / "report.html")


if __name__ == "__main__":
    run(main)
