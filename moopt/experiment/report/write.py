"""The report and the tables of a study, from what its folder holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from moopt.core import checks
from moopt.experiment.study import Study, read


def publish(folder: Study | str | Path) -> Path:
    """Writes `report.html` and `tables/` of a study, or of a single run, into its folder; gives the report's path.

    Raises FileNotFoundError for a folder that holds neither, OSError where nothing can be written.
    """
    from moopt.experiment.report.comparison import comparison, write_tests
    from moopt.experiment.report.page import write_report
    from moopt.experiment.report.single import report_of_run
    from moopt.experiment.report.tables import write_tables
    from moopt.run.result import Result

    if isinstance(folder, Study):
        study = folder
    elif (Path(folder) / "result.json").exists():
        return report_of_run(Result.load(folder), Path(folder) / "report.html")
    else:
        study = read(folder)
    compared = comparison(study)
    write_tables(study, study.folder, compared)
    write_tests(study, study.folder / "tables")
    return write_report(study, study.folder / "report.html", compared)


def serve(folder: str | Path, port: int = 0, announce: Callable[[str], None] | None = None) -> None:
    """Serves the report of a study on 127.0.0.1 while it goes on, until Ctrl-C; `announce` is told the address.

    Raises FileNotFoundError for a folder without a study, ValueError for no port, OSError for one that is taken.
    """
    from moopt.experiment.report import live
    from moopt.experiment.report.comparison import comparison
    from moopt.experiment.report.page import render

    def build(place: Path, version: str) -> str:
        study = read(place)
        return render(study, comparison(study), live=version)

    read(folder)
    port = checks.whole("port", port, 0, 65535)
    live.serve(folder, port, build=build, announce=announce)
