"""The report and the tables of a study, from what its folder holds."""

from __future__ import annotations

from pathlib import Path

from moopt.experiment.study import Study, read


def publish(study: Study | str | Path) -> Path:
    """Writes `report.html` and `tables/` of a study or of a single run into its folder; gives the report's path.

    Raises FileNotFoundError for a folder that holds neither, OSError where nothing can be written.
    """
    from moopt.experiment import comparison
    from moopt.experiment.report import write_report
    from moopt.experiment.tables import write_tables

    if not isinstance(study, Study):
        folder = Path(study)
        if (folder / "result.json").exists() and not (folder / "spec.json").exists():
            from moopt.experiment.single import publish_run

            return publish_run(folder)
        study = read(folder)
    compared = comparison.comparison(study)
    write_tables(study, study.folder, compared)
    comparison.write_tables(study, study.folder / "tables")
    return write_report(study, study.folder / "report.html", compared)
