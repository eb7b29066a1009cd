"""Compares algorithms: from a spec to a study on disk, its statistics and its report."""

from moopt.experiment.frame import Frame
from moopt.experiment.report.comparison import sentences
from moopt.experiment.report.write import publish, serve
from moopt.experiment.running import bench
from moopt.experiment.spec import Entry, Spec
from moopt.experiment.study import Front, Study, read
from moopt.indicators.table import INDICATORS

HIGHER_IS_BETTER = {name: indicator.higher_is_better for name, indicator in INDICATORS.items()}
"""Of each indicator that a study can be told by."""

__all__ = [
    "HIGHER_IS_BETTER", "Entry", "Frame", "Front", "Spec", "Study", "bench", "publish", "read", "sentences", "serve",
]  # fmt: skip
