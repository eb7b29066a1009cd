"""The critical-difference diagram of average ranks, as SVG.

J. Demsar (2006), "Statistical comparisons of classifiers over multiple data sets", section 3.2.4: an axis of average
ranks, best on the left, and bars that join algorithms which the test does not tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

CHARACTER = 8.0  # widest usual mean width of a letter at 13 px, so that names do not run out of the picture
ROW, AXIS, GAP = 22, 58, 9


def critical_difference(
    ranks: Mapping[str, float], difference: float | None, cliques: Sequence[Sequence[str]], width: int
) -> str:
    """SVG of the given width; empty for fewer than two algorithms.

    `ranks`: algorithm -> average rank; `difference`: the ruler above the axis, left out where None; `cliques`: which
    algorithms a bar joins. Colours are the page's variables, classes `cd-...` style it.
    """
    if len(ranks) < 2:
        return ""
    ordered = sorted(ranks, key=lambda name: ranks[name])
    k, half = len(ordered), (len(ordered) + 1) // 2
    margin = min(0.32 * width, 16 + CHARACTER * max(len(name) + 5 for name in ordered))
    letters = max(4, int((margin - 16) / CHARACTER) - 5)

    def place(rank: float) -> float:
        return margin + (rank - 1) / (k - 1) * (width - 2 * margin)

    bars = [sorted(ranks[name] for name in group if name in ranks) for group in cliques]
    bars = sorted(bar for bar in bars if len(bar) > 1)
    levels = _levels([(bar[0], bar[-1]) for bar in bars], (k - 1) / 60)
    top = AXIS + 10 + GAP * (max(levels, default=-1) + 1)
    height = top + ROW * half + 6
    words = escape(_words(ranks, cliques))
    parts = [f'<svg class="cd" viewBox="0 0 {width} {height}" role="img" aria-label="{words}">']
    parts.append(f'<path class="cd-axis" d="M{place(1):.1f} {AXIS}H{place(k):.1f}"/>')
    step = 1 if k <= 12 else 2
    for i in range(1, k + 1, step):
        parts.append(f'<path class="cd-axis" d="M{place(i):.1f} {AXIS}v-6"/>')
        parts.append(f'<text class="cd-tick" x="{place(i):.1f}" y="{AXIS - 11}" text-anchor="middle">{i}</text>')
    if difference is not None and difference > 0:
        end = min(place(1 + difference), width - 2)
        ruler = "" if 1 + difference <= k else " (beyond the axis)"
        parts.append(f'<path class="cd-ruler" d="M{place(1):.1f} 9v8M{place(1):.1f} 13H{end:.1f}M{end:.1f} 9v8"/>')
        at, anchor = (end + 8, "start") if end < 0.6 * width else (end, "end")
        if anchor == "start":
            parts.append(f'<text class="cd-tick" x="{at:.1f}" y="17">CD = {difference:.3g}{ruler}</text>')
        else:
            parts.append(
                f'<text class="cd-tick" x="{at:.1f}" y="29" text-anchor="end">CD = {difference:.3g}{ruler}</text>'
            )
    for i, name in enumerate(ordered):
        left = i < half
        y = top + ROW * (i if left else k - 1 - i) + 12
        end, x = (margin - 10, place(ranks[name])) if left else (width - margin + 10, place(ranks[name]))
        at, anchor = (end - 5, "end") if left else (end + 5, "start")
        short = name if len(name) <= letters else name[: letters - 1] + "…"
        rank = f'<tspan class="cd-rank">{ranks[name]:.2f}</tspan>'
        text = f"{escape(short)} {rank}" if left else f"{rank} {escape(short)}"
        parts.append(f'<path class="cd-line" d="M{x:.1f} {AXIS}V{y}H{end:.1f}"/>')
        parts.append(f'<circle class="cd-dot" cx="{x:.1f}" cy="{AXIS}" r="3.2"/>')
        parts.append(
            f'<text class="cd-name" x="{at:.1f}" y="{y + 4.5}" text-anchor="{anchor}">{text}'
            f"<title>{escape(name)}</title></text>"
        )
    for bar, level in zip(bars, levels, strict=True):
        y = AXIS + 12 + GAP * level
        parts.append(f'<path class="cd-bar" d="M{place(bar[0]) - 4:.1f} {y}H{place(bar[-1]) + 4:.1f}"/>')
    return "".join(parts) + "</svg>"


def _levels(spans: Sequence[tuple[float, float]], gap: float) -> list[int]:
    """For each span, from left to right, the first level where it touches no other."""
    ends: list[float] = []
    levels = []
    for low, high in spans:
        level = next((i for i, end in enumerate(ends) if end + gap < low), len(ends))
        ends[level : level + 1] = [high]
        levels.append(level)
    return levels


def _words(ranks: Mapping[str, float], cliques: Sequence[Sequence[str]]) -> str:
    """The picture for those who do not see it."""
    listed = ", ".join(f"{name} {ranks[name]:.2f}" for name in sorted(ranks, key=lambda name: ranks[name]))
    joined = "; ".join(" and ".join(group) for group in cliques if len(group) > 1)
    return f"Average ranks, best first: {listed}." + (f" Not told apart: {joined}." if joined else "")
