"""What watches a run and shows it: history, progress line, plots. A monitor of your own extends `Monitor`."""

from moopt.monitor import Monitor, Snapshot
from moopt.monitors.history import History
from moopt.monitors.plots import plot_front
from moopt.monitors.progress import ProgressLine

__all__ = ["History", "Monitor", "ProgressLine", "Snapshot", "plot_front"]
