"""What watches a run and shows it: history, progress line, plots, trackers. A monitor of your own extends `Monitor`."""

from typing import TYPE_CHECKING, Any

from moopt.monitors.history import History
from moopt.monitors.progress import ProgressLine
from moopt.render.plots import plot_front
from moopt.run.monitor import Monitor, Snapshot

if TYPE_CHECKING:
    from moopt.monitors.tracking import MLflow, TensorBoard, WandB

__all__ = ["History", "MLflow", "Monitor", "ProgressLine", "Snapshot", "TensorBoard", "WandB", "plot_front"]


def __getattr__(name: str) -> Any:
    if name not in ("MLflow", "TensorBoard", "WandB"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moopt.monitors import tracking

    return getattr(tracking, name)
