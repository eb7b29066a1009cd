"""Pictures of fronts, in the user's sign and names.

Colours: M. Okabe, K. Ito (2008), "Color Universal Design", told apart by every kind of colour vision.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
TRUE_FRONT, PALE, INK, FAINT = "#C4C4C4", "#A9CCE3", "#333333", "#777777"
INFEASIBLE = "#D55E00"
FRONT_POINTS = {2: 1000, 3: 1500}
LINES = 400  # more parallel lines than this hide each other
DPI = 200
STYLE: dict[Any, Any] = {
    "font.size": 10.0, "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": FAINT, "ytick.color": FAINT, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "legend.edgecolor": "none", "legend.framealpha": 0.85,
    "text.parse_math": False,  # names may contain dollars
}  # fmt: skip


class Found(Protocol):
    """What a picture shows of a `Result`."""

    @property
    def problem(self) -> Problem:
        """What was searched."""

    @property
    def algorithm(self) -> str:
        """How it was searched."""

    @property
    def front(self) -> Points:
        """The best points, [n, ...]."""

    @property
    def status(self) -> Status:
        """How the search ended."""

    @property
    def seed(self) -> int:
        """Of its random numbers."""

    @property
    def hypervolume(self) -> float:
        """Of the front, by `convention`."""

    @property
    def convention(self) -> str:
        """What the hypervolume means, in words."""

    @property
    def runs(self) -> Sequence[Found]:
        """One for each run."""


def plot_front(result: Found, path: str | Path | None = None) -> Figure:
    """A picture of the front; saved as PNG where a `path` is given.

    Two and three objectives: scatter; four and more: parallel coordinates with the better end of every axis below;
    one: a strip. Objectives bear the user's names and sign. The problem's own Pareto front, where known, lies
    beneath in grey. A front that violates constraints says so. Several runs have a colour each, or, if they are
    more than there are colours, their merged front stands out. Touches no global state of matplotlib. Raises
    OSError where the file cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    m = result.problem.n_obj
    with matplotlib.rc_context(STYLE):
        size = {1: (6.4, 2.4), 2: (6.4, 4.8), 3: (6.4, 5.6)}.get(m, (max(6.4, 1.3 * m + 2.0), 4.8))
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(projection="3d" if m == 3 else None)
        _title(axes, result)
        if not len(result.front):
            _empty(axes)
        elif m == 1:
            _strip(axes, result)
        elif m == 2:
            _flat(axes, result)
        elif m == 3:
            _solid(axes, result)
        else:
            _parallel(axes, result)
        if path is not None:
            figure.savefig(path, dpi=DPI, format="png", metadata={"Software": "moopt"})
    return figure


def _title(axes: Axes, result: Found) -> None:
    n = len(result.front)
    parts = [f"{n:,} point" + ("s" if n != 1 else "")]
    if len(result.runs) > 1:
        parts.append(f"{len(result.runs)} runs")
    colour = FAINT
    if result.status is Status.INFEASIBLE or (n and not bool(result.front.feasible.any())):
        parts.append("nothing feasible: least violating points")
        colour = INFEASIBLE
    elif n and not result.convention.startswith("none"):
        about = "≈ " if "approximate" in result.convention else ""
        scaled = " (scaled)" if result.convention.startswith("scaled") else ""
        parts.append(f"hypervolume {about}{result.hypervolume:.4g}{scaled}")
    layers = _layers(result)
    if result.problem.n_obj > 3 and any(len(points) > LINES // len(layers) for points, *_ in layers):
        parts.append(f"at most {LINES} lines drawn")
    name = f"{result.problem.name} · {result.algorithm}"
    axes.set_title(name, loc="left", fontsize=13, weight="bold", pad=28)
    axes.annotate(
        "  ·  ".join(parts), (0, 1), (0, 12), "axes fraction", "offset points", color=colour, annotation_clip=False
    )


def _label(result: Found, i: int) -> str:
    """Name and sense of an objective."""
    sense = "min ↓" if result.problem.signs[i] > 0 else "max ↑"
    return f"{(result.problem.objective_titles or result.problem.objective_labels)[i]}  ({sense})"


def _true_front(result: Found, n: int) -> Tensor | None:
    """The problem's own front in the user's sign, [k, m]."""
    front = result.problem.pareto_front(n)
    return None if front is None or not len(front) else front * front.new_tensor(result.problem.signs)


def _layers(result: Found) -> list[tuple[Tensor, str, str, str]]:
    """What to draw, bottom first: objectives [k, m] in the user's sign, colour, marker, text of the legend."""
    feasible = bool(result.front.feasible.any())
    marker = "o" if feasible else "x"
    runs = result.runs
    if len(runs) == 1:
        return [(result.front.objectives, COLOURS[0] if feasible else INFEASIBLE, marker, "found")]
    if len(runs) <= len(COLOURS):
        return [
            (run.front.objectives, colour, marker, f"seed {run.seed}")
            for run, colour in zip(runs, COLOURS, strict=False)
        ]
    everything = torch.cat([run.front.objectives for run in runs])
    return [(everything, PALE, marker, "all runs"), (result.front.objectives, COLOURS[0], marker, "merged front")]


def _legend(axes: Axes, layers: Sequence[Any], true: Tensor | None = None, **where: Any) -> None:
    if len(layers) > 1 or true is not None:
        for handle in axes.legend(fontsize=9, handletextpad=0.4, **where).legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)


def _empty(axes: Axes) -> None:
    axes.set_axis_off()
    text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 13, "color": FAINT, "transform": axes.transAxes}
    (axes.text2D if hasattr(axes, "text2D") else axes.text)(0.5, 0.5, "the front is empty", **text)


def _strip(axes: Axes, result: Found) -> None:
    for values, colour, marker, text in (layers := _layers(result)):
        axes.scatter(values[:, 0].numpy(), [0.0] * len(values), s=60, c=colour, marker=marker, label=text, zorder=3)
    axes.axhline(0.0, color=TRUE_FRONT, linewidth=1, zorder=1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(_label(result, 0))
    _legend(axes, layers)


def _flat(axes: Axes, result: Found) -> None:
    true, layers = _true_front(result, FRONT_POINTS[2]), _layers(result)
    if true is not None:
        axes.scatter(true[:, 0], true[:, 1], s=5, c=TRUE_FRONT, linewidths=0, label="Pareto front", zorder=1)
    for points, colour, marker, text in layers:
        edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.4} if marker == "o" else {"linewidths": 1.2}
        place = points[:, 0].numpy(), points[:, 1].numpy()
        axes.scatter(*place, s=_size(points), c=colour, marker=marker, label=text, zorder=3, **edge)
    axes.grid(color="#EEEEEE", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(_label(result, 0))
    axes.set_ylabel(_label(result, 1))
    _legend(axes, layers, true, markerscale=1.3)


def _solid(axes: Any, result: Found) -> None:
    true, layers = _true_front(result, FRONT_POINTS[3]), _layers(result)
    if true is not None:
        beneath: dict[str, Any] = {"alpha": 0.9, "linewidths": 0, "depthshade": False, "label": "Pareto front"}
        axes.scatter(*true.T.numpy(), s=4, c=TRUE_FRONT, **beneath)
    for points, colour, marker, text in layers:
        edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.3} if marker == "o" else {"linewidths": 1.2}
        # one front is coloured by its third objective, which a picture of three shows least well
        shade: dict[str, Any] = {"c": colour}
        if len(layers) == 1 and colour == COLOURS[0]:
            shade = {"c": points[:, 2].numpy(), "cmap": "viridis"}
        axes.scatter(*points.T.numpy(), s=_size(points), marker=marker, label=text, **shade, **edge)
    for i, axis in enumerate((axes.xaxis, axes.yaxis, axes.zaxis)):
        axis.set_label_text(_label(result, i))
        axis.pane.set_facecolor("white")
        axis.pane.set_edgecolor("#DDDDDD")
        axis._axinfo["grid"].update(color="#EEEEEE", linewidth=0.8)
    axes.view_init(elev=28, azim=38)
    _legend(axes, layers, true, loc="upper right", markerscale=1.5)


def _size(points: Tensor) -> float:
    """Area of a marker: smaller where there are many."""
    return max(6.0, min(30.0, 4000.0 / max(1, len(points))))


def _parallel(axes: Axes, result: Found) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    problem, layers = result.problem, _layers(result)
    signs = result.front.f.new_tensor(problem.signs)
    true = _true_front(result, LINES)
    parts = [points for points, *_ in layers] + ([] if true is None else [true])
    f = torch.cat([part.to(signs) for part in parts]) * signs  # minimised: the better end below
    low, width = f.amin(0), f.amax(0) - f.amin(0)
    width = torch.where(width > 0, width, 1.0)
    places = torch.arange(problem.n_obj).to(f)

    def lines(points: Tensor) -> list[Any]:
        height = (points.to(signs) * signs - low) / width
        return list(torch.stack((places.expand_as(height), height), -1).numpy())

    if true is not None:
        heights = (true.to(signs) * signs - low) / width
        axes.fill_between(
            places.numpy(), heights.amin(0).numpy(), heights.amax(0).numpy(),
            color="#EDEDED", linewidth=0, label="range of the Pareto front", zorder=0,
        )  # fmt: skip
    for points, colour, _, text in layers:
        drawn = lines(_some(points, LINES // len(layers)))
        colours: Any = colour
        if len(layers) == 1 and colour == COLOURS[0]:
            # along the first objective: from orange (its better end) to blue, which all can tell apart
            shades = LinearSegmentedColormap.from_list("front", ("#E69F00", "#8C8C8C", "#0072B2"))
            colours, text = shades([line[0, 1] for line in drawn]), ""
        alpha = max(0.15, min(0.8, 30 / len(drawn)))
        axes.add_collection(LineCollection(drawn, colors=colours, alpha=alpha, linewidths=1.0, label=text, zorder=2))
    for i in range(problem.n_obj):
        axes.vlines(i, 0, 1, color=FAINT, linewidth=0.8, zorder=3)
        for height, at in ((-0.02, low[i]), (1.02, low[i] + width[i])):
            axes.text(
                i, height, _number(float(at * signs[i])), ha="center", va="top" if height < 0 else "bottom",
                fontsize=8.5, color=FAINT,
            )  # fmt: skip
    axes.set_xlim(-0.3, problem.n_obj - 0.7)
    axes.set_ylim(-0.08, 1.06)
    senses = ["min" if sign > 0 else "max" for sign in problem.signs]
    titles = problem.objective_titles or problem.objective_labels
    labels = [f"{name}\n({sense})" for name, sense in zip(titles, senses, strict=True)]
    axes.set_xticks(range(problem.n_obj), labels)
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    axes.set_yticks([])
    axes.set_ylabel("better  ←        →  worse")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    _legend(axes, layers, true, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)


def _number(value: float) -> str:
    """Three digits, without an exponent where that reads well."""
    short = float(f"{value:.3g}")
    return f"{short:,.0f}" if 1000 <= abs(short) < 1e7 else f"{short:.3g}"


def _some(points: Tensor, most: int) -> Tensor:
    """At most so many of the points, evenly taken along the first objective."""
    if len(points) <= most:
        return points
    return points[torch.argsort(points[:, 0])][torch.linspace(0, len(points) - 1, most).round().long()]
