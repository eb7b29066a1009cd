"""Draws `docs/architecture.svg`: `python docs/picture.py` after a change of the floors.

`tests/house/test_docs.py` compares the names with `FLOORS` of `tests/house/test_house.py`.
"""

from __future__ import annotations

from pathlib import Path

GROUPS = {  # from the top: a colour, and floors of names with what they do
    "doors": ("#d7e3fc", [
        [("__main__", "python -m moopt")],
        [("cli", "solve, resume, list, bench, report, render"), ("testing", "holds classes to contracts")],
        [("moopt", "the public names")],
        [("api", "minimize, resume")],
    ]),
    "studies": ("#d7e3fc", [
        [("experiment", "compares algorithms: specs, cells, statistics, reports")],
        [("bridges", "other libraries and programs as contenders")],
    ]),
    "shows": ("#fdf0c4", [
        [("run.run", "the facade: Run")],
        [("monitors", "watch: progress line, trackers")],
        [("render", "trajectories, films")],
    ]),
    "the run": ("#fde2c4", [
        [("run", "drives a search: what was asked, where it is, result")],
    ]),
    "blocks": ("#d8f0d3", [
        [("physics", "rigid bodies, and robots as environments")],
        [("learning", "environments, policies, rollouts"), ("render.plots", "fronts"), ("surrogate", "models")],
        [("catalogue", "names"), ("executors", "evaluate"), ("operators", "create"), ("storage", "keeps")],
    ]),
    "contracts": ("#e6dcf5", [
        [("core", "space, problem, points, algorithm, budget, random")],
    ]),
    "sets": ("#d8f0d3", [
        [("indicators", "score")],
        [("operators.weights", "preferences")],
        [("operators.directions", "reference directions"), ("selection", "compares")],
    ]),
    "numbers": ("#e3e6ea", [
        [("kernels", "one folder an operation: reference, cpu, cuda")],
    ]),
    "ground": ("#e3e6ea", [
        [("core.reference", "reference point"), ("core.tree", "trees of tensors")],
        [("core.checks", "refusals, in one sentence")],
    ]),
}  # fmt: skip
CATALOGUES = [("problems/", "families of problems"), ("algorithms/", "families of algorithms")]
TITLE = (
    "The floors of moopt, from the doors down to the ground; imports go down only. Problems and algorithms stand "
    "beside them: they import blocks and what is below, and the catalogue finds them by name."
)
STYLE = """text { font-family: -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.floor { font-size: 15px; font-weight: 600 }
.name { font-size: 14px; font-weight: 600; text-anchor: middle }
.what { font-size: 12px; text-anchor: middle }
.line { fill: none; stroke: #8b949e; stroke-width: 2 }"""
TOP, LEFT, WIDTH, LABEL = 16, 56, 678, 100
ROW, GAP, PAD, SPACE = 38, 5, 6, 8


def box(x: float, y: float, width: float, name: str, what: str) -> list[str]:
    """A name and what it does."""
    middle = x + width / 2
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW}" rx="5" fill="#ffffff" stroke="#8c959f"/>',
        f'<text x="{middle:g}" y="{y + 16:g}" class="name">{name}</text>',
        f'<text x="{middle:g}" y="{y + 31:g}" class="what">{what}</text>',
    ]


def group(y: float, label: str, colour: str, floors: list[list[tuple[str, str]]]) -> tuple[list[str], float]:
    """Some floors under one label, and their height."""
    height = 2 * PAD + len(floors) * (ROW + GAP) - GAP
    drawn = [
        f'<rect x="{LEFT}" y="{y:g}" width="{WIDTH}" height="{height}" rx="8" fill="{colour}" stroke="#57606a"/>',
        f'<text x="{LEFT + 12}" y="{y + height / 2 + 5:g}" class="floor">{label}</text>',
    ]
    for k, floor in enumerate(floors):
        width = (WIDTH - LABEL - 10 * len(floor)) / len(floor)
        for i, (name, what) in enumerate(floor):
            drawn += box(LEFT + LABEL + i * (width + 10), y + PAD + k * (ROW + GAP), width, name, what)
    return drawn, height


def picture() -> str:
    """The whole picture."""
    drawn: list[str] = []
    y, middle = TOP, dict[str, float]()
    for label, (colour, floors) in GROUPS.items():
        part, height = group(y, label, colour, floors)
        drawn += part
        middle[label] = y + height / 2
        y += height + SPACE
    bottom, right = y - SPACE, LEFT + WIDTH
    half = (TOP + bottom) / 2
    drawn += [
        f'<path d="M30 {TOP} V{bottom - 10}" class="line"/>',
        f'<path d="M22 {bottom - 14} L30 {bottom} L38 {bottom - 14} Z" fill="#8b949e"/>',
        f'<rect x="16" y="{half - 70:g}" width="28" height="140" rx="6" fill="#ffffff" stroke="#8c959f"/>',
        f'<text transform="translate(35,{half:g}) rotate(-90)" class="what">imports go down</text>',
    ]
    below = list(GROUPS)[list(GROUPS).index("blocks") :]  # what catalogues import
    side = middle["the run"] - 117
    drawn += [
        f'<rect x="784" y="{side:g}" width="160" height="130" rx="8" fill="#ffdfe5" stroke="#57606a"/>',
        f'<text x="864" y="{side + 22:g}" class="floor" text-anchor="middle">found by name</text>',
        f'<path d="M864 {side + 130:g} V{middle[below[-1]]:g}" class="line"/>',
    ]
    for k, (name, what) in enumerate(CATALOGUES):
        drawn += box(794, side + 34 + k * (ROW + 8), 140, name, what)
    for label in below:
        drawn.append(f'<path d="M864 {middle[label]:g} H{right + 12}" class="line"/>')
        drawn.append(f'<path d="M{right} {middle[label]:g} l12 -7 v14 Z" fill="#8b949e"/>')
    size = f'viewBox="0 0 960 {bottom + 16}" width="960" height="{bottom + 16}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">'
    title, style = f'<title id="title">{TITLE}</title>', f"<style>\n{STYLE}\n</style>"
    return "\n".join([head, title, style, *drawn, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("architecture.svg").write_text(picture(), encoding="utf-8")
