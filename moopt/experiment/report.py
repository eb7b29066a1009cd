"""The report of a study: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from moopt.experiment import figures, tables
from moopt.experiment.diagram import critical_difference
from moopt.experiment.views import (
    Comparison,
    Ranking,
    StudyView,
    algorithms,
    final_values,
    higher_is_better,
    indicator_title,
    indicators,
    problems,
)
from moopt.storage.files import write_atomic

if TYPE_CHECKING:
    import pandas

COLOURS, SYMBOLS, DASHES = 8, 8, 3  # as many as report.css and plots.js know
WIDE, NARROW = 760, 352  # of the critical-difference diagram, for a desktop and for a phone
FAILURES = 200  # rows of failures that are shown
SCRIPTS = ("core.js", "plots.js", "parallel.js", "problem.js", "report.js")


def write_report(
    study: StudyView, path: str | Path, comparison: Comparison | None = None, *, commands: Sequence[str] | None = None
) -> Path:
    """Writes a study's report as one HTML file, and gives its path.

    `comparison`: what statistics say; what it lacks is left out. `commands`: how to run the study again. The same
    study gives the same bytes. Raises OSError.
    """
    path = Path(path)
    write_atomic(path, render(study, comparison, commands=commands).encode())
    return path


def render(
    study: StudyView, comparison: Comparison | None = None, *, commands: Sequence[str] | None = None,
    live: str | None = None,
) -> str:  # fmt: skip
    """The report as HTML. `live`: the version of a page that asks its server for a newer one."""
    import jinja2

    comparison = comparison or Comparison()
    names = indicators(study)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "number": tables.number, "title": indicator_title, "caption": lambda text: text[:1].upper() + text[1:], "brief": lambda value: f"{value:.5g}",
        "minus": lambda text: text.replace("-", "−"),
    }  # fmt: skip
    theme = _safe(asset("theme.js"))
    script = _safe('(() => {\n"use strict";\n' + "".join(asset(name) for name in SCRIPTS) + "})();\n")
    page = environment.get_template("report.html.j2").render(
        name=study.name, version=version("moopt"), live=live, style=_safe(asset("report.css")), theme=theme, script=script,
        policy=_policy(live is not None, theme, script), plotly=_packed_plotly(), packed=_packed(study, names),
        facts=_facts(study), comparison=comparison, styles=_styles(algorithms(study)), problems=problems(study),
        rankings=[_ranking(ranking) for ranking in comparison.rankings], tables=_tables(study, comparison),
        indicators=names, seconds=_seconds(study), failures=_failures(study), missing=_missing(study),
        frames=_frames(study), environment={k: v for k, v in study.environment.items() if k != "format"},
        spec=spec_toml(study.spec), points=figures.points_per_front(study), words=tables.MARKS,
        commands=(f"moopt bench spec.toml --out {study.folder.name}", f"moopt report {study.folder.name}")
        if commands is None else commands,
    )  # fmt: skip
    return page


# what is embedded


@cache
def asset(name: str) -> str:
    """The text of a file of the page."""
    return (resources.files("moopt.experiment") / "assets" / name).read_text(encoding="utf-8")


def _safe(text: str) -> Any:
    """Our own script or style, as it stands in the page."""
    from markupsafe import Markup

    if re.search(r"</(script|style)|<!--", text, re.I):
        raise ValueError("expected a script or style that does not end its element")
    return Markup(text)


def pack(content: Any) -> str:
    """JSON, deflated, in base64: the page unpacks it when it is needed."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _deflated(text.encode())


def _deflated(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


@cache
def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).encode()


@cache
def _packed_plotly() -> str:
    return _deflated(_plotly())  # 4.8 MB become 2.0 MB


def _policy(live: bool, *scripts: str) -> str:
    """A content security policy: only our own scripts run, and nothing is asked of any network."""
    digests = (hashlib.sha256(content).digest() for content in (*map(str.encode, scripts), _plotly()))
    known = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    source = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src {known}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"connect-src {source}; base-uri 'none'; form-action 'none'"
    )


def _packed(study: StudyView, names: Sequence[str]) -> dict[str, Any]:
    """The page's data: what all figures need, then one part for each problem."""
    final, points = final_values(study), figures.points_per_front(study)
    trace = dict(tuple(study.trace.groupby(["problem", "algorithm", "indicator"], sort=False)))
    parts = [
        pack(figures.problem_data(study, problem, names, final, trace, points)) for problem in problems(study)
    ]
    return {"study": figures.study_data(study, names), "problems": parts}


# what the template shows


def _styles(names: Sequence[str]) -> list[dict[str, Any]]:
    """Label, colour, symbol and dash of each algorithm; colour and symbol together are its own up to 64."""
    return [
        {"name": name, "colour": i % COLOURS, "symbol": (i + i // COLOURS) % SYMBOLS, "dash": i // COLOURS % DASHES}
        for i, name in enumerate(names)
    ]


def _facts(study: StudyView) -> dict[str, Any]:
    runs = study.runs
    counts = runs["status"].value_counts().to_dict()
    budget = study.spec.get("budget")
    seconds = float(np.nansum(runs["seconds"].to_numpy(float))) if len(runs) else 0.0
    return {
        "problems": len(problems(study)), "algorithms": len(algorithms(study)), "seeds": int(runs["seed"].nunique()),
        "runs": len(runs), "done": len(runs) - int(counts.get("missing", 0)), "failed": int(counts.get("failed", 0)),
        "infeasible": int(counts.get("infeasible", 0)), "missing": int(counts.get("missing", 0)),
        "budget": _budget_words(budget), "time": duration(seconds), "date": str(study.environment.get("date", "")),
    }  # fmt: skip


def _budget_words(budget: Any) -> str:
    if isinstance(budget, Mapping):
        parts = [f"{n:,} {str(unit).replace('_', ' ')}" if isinstance(n, int | float) else f"{unit}: {n}"
                 for unit, n in budget.items()]  # fmt: skip
        return " or ".join(parts)
    return f"{budget:,} evaluations" if isinstance(budget, int) else str(budget or "")


def duration(seconds: float) -> str:
    """Seconds in words that are read at a glance."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.3g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _ranking(ranking: Ranking) -> dict[str, Any]:
    from markupsafe import Markup

    diagrams = {
        kind: Markup(critical_difference(ranking.ranks, ranking.critical_difference, ranking.cliques, width))
        for kind, width in (("wide", WIDE), ("narrow", NARROW))
    }
    data = {
        "scores": _records(ranking.scores, ("low", "middle", "high")),
        "profiles": _records(ranking.profiles, ("tau", "share", "low", "high")),
    }
    return {
        "indicator": ranking.indicator, "note": ranking.note, "score": ranking.score, "diagrams": diagrams, "data": data,
        "ranks": sorted(ranking.ranks.items(), key=lambda pair: pair[1]), "scores": _score_rows(ranking.scores),
    }  # fmt: skip


def _records(frame: pandas.DataFrame | None, names: Sequence[str]) -> dict[str, Any]:
    """Columns of a frame by algorithm."""
    if frame is None:
        return {}
    return {
        str(label): {name: figures.numbers(rows[name]) for name in names}
        for label, rows in frame.groupby("algorithm", sort=False)
    }


def _score_rows(frame: pandas.DataFrame | None) -> dict[str, str]:
    if frame is None:
        return {}
    rows = zip(*(frame[name] for name in ("algorithm", "low", "middle", "high")), strict=True)
    return {str(a): f"{tables.number(m, 3)} [{tables.number(lo, 3)}, {tables.number(hi, 3)}]" for a, lo, m, hi in rows}


def _tables(study: StudyView, comparison: Comparison) -> list[dict[str, Any]]:
    final = final_values(study)
    made = []
    for indicator in dict.fromkeys(str(name) for name in study.results["indicator"]):
        table = tables.indicator_table(study, indicator, comparison, final)
        texts = pack({"latex": tables.latex_table(table), "csv": tables.csv_table(table)})
        made.append({"table": table, "texts": texts, "larger": higher_is_better(indicator)})
    return made


def _seconds(study: StudyView) -> list[dict[str, Any]]:
    """Run times and outcomes by algorithm."""
    rows = []
    for name in algorithms(study):
        runs = study.runs[study.runs["algorithm"] == name]
        ended = runs[runs["status"].isin(["finished", "infeasible"])]
        seconds = ended["seconds"].to_numpy(float)
        seconds = seconds[np.isfinite(seconds)]
        low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75)) if len(seconds) else (math.nan,) * 3
        rows.append({
            "algorithm": name, "ended": len(ended), "runs": len(runs), "failed": int((runs["status"] == "failed").sum()),
            "infeasible": int((runs["status"] == "infeasible").sum()), "failures": int(runs["failures"].sum()),
            "median": float(middle), "low": float(low), "high": float(high), "total": float(seconds.sum()),
            "words": duration(float(seconds.sum())),
        })  # fmt: skip
    return rows


def first_line(message: str) -> str:
    """What went wrong, in one line: the last one of a traceback, the first one of anything else."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return "no message"
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def _failures(study: StudyView) -> dict[str, Any]:
    """Failed runs, those of one cell with the same message together."""
    failed = study.runs[study.runs["status"] == "failed"]
    groups: dict[tuple[str, str, str], list[int]] = {}
    names = ("problem", "algorithm", "message", "seed")
    for problem, algorithm, message, seed in zip(*(failed[name] for name in names), strict=True):
        groups.setdefault((str(problem), str(algorithm), str(message)), []).append(int(seed))
    rows = [
        {"problem": p, "algorithm": a, "seeds": ranges(seeds), "line": first_line(message), "message": message.strip()}
        for (p, a, message), seeds in groups.items()
    ]
    return {"rows": rows[:FAILURES], "more": max(0, len(rows) - FAILURES), "runs": len(failed)}


def _missing(study: StudyView) -> list[dict[str, str]]:
    missing = study.runs[study.runs["status"] == "missing"]
    return [
        {"problem": str(p), "algorithm": str(a), "seeds": ranges(rows["seed"])}
        for (p, a), rows in missing.groupby(["problem", "algorithm"], sort=False)
    ]


def ranges(seeds: Any) -> str:
    """Whole numbers in short: 0–3, 7."""
    stretches: list[list[int]] = []
    for seed in sorted(int(seed) for seed in seeds):
        if stretches and seed == stretches[-1][-1] + 1:
            stretches[-1].append(seed)
        else:
            stretches.append([seed])
    return ", ".join(f"{s[0]}–{s[-1]}" if len(s) > 1 else f"{s[0]}" for s in stretches)


def _frames(study: StudyView) -> list[dict[str, Any]]:
    found = []
    for problem, frame in study.frames.items():
        m = len(frame.objective_names)
        reference = frame.reference
        references = [float(reference)] * m if isinstance(reference, int | float) else [float(r) for r in reference]
        rows = zip(frame.objective_names, frame.directions, frame.ideal, frame.nadir, references, strict=True)
        found.append({
            "problem": problem, "origin": frame.origin, "front": len(frame.front), "variables": len(frame.variable_names),
            "rows": [(name, sense, float(ideal), float(nadir), r) for name, sense, ideal, nadir, r in rows],
        })  # fmt: skip
    return found


def spec_toml(spec: Mapping[str, Any]) -> str:
    """A spec as TOML that runs the study again; without what its folder adds."""
    inside = ("frame", "cells", "format")

    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            pairs = ((str(k), kept(v)) for k, v in value.items() if k not in inside)
            return {k: v for k, v in pairs if v is not None and v != {}}
        return [kept(v) for v in value if v is not None] if isinstance(value, list | tuple) else value

    def written(value: Any) -> str:
        if isinstance(value, Mapping):
            return "{ " + ", ".join(f"{key(k)} = {written(v)}" for k, v in value.items()) + " }"
        if isinstance(value, list):
            parts = [written(v) for v in value]
            if any(isinstance(v, Mapping) for v in value):
                return "[\n" + "".join(f"    {part},\n" for part in parts) + "]"
            return "[" + ", ".join(parts) + "]"
        if isinstance(value, float) and not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")

    def key(name: str) -> str:
        return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else written(name)

    return "".join(f"{key(k)} = {written(v)}\n" for k, v in kept(spec).items())
