"""What a report says of a study besides its figures: facts, times, failures, frames, the spec."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from moopt.experiment.report import figures, tables
from moopt.experiment.report.diagram import critical_difference
from moopt.experiment.report.protocols import Ranking, StudyView, algorithms, problems

if TYPE_CHECKING:
    import pandas

COLOURS, SYMBOLS, DASHES = 8, 8, 3  # as many as report.css and plots.js know
WIDE, NARROW = 760, 352  # of the critical-difference diagram, for a desktop and for a phone
FAILURES = 200  # rows of failures that are shown


def styles(names: Sequence[str]) -> list[dict[str, Any]]:
    """Label, colour, symbol and dash of each algorithm; colour and symbol together are its own up to 64."""
    return [
        {"name": name, "colour": i % COLOURS, "symbol": (i + i // COLOURS) % SYMBOLS, "dash": i // COLOURS % DASHES}
        for i, name in enumerate(names)
    ]


def facts(study: StudyView) -> dict[str, Any]:
    """Counts for the head of the page."""
    runs = study.runs
    counts = runs["status"].value_counts().to_dict()
    budget = study.spec.get("budget")
    return {
        "problems": len(problems(study)), "algorithms": len(algorithms(study)), "seeds": int(runs["seed"].nunique()),
        "runs": len(runs), "done": len(runs) - int(counts.get("missing", 0)), "failed": int(counts.get("failed", 0)),
        "infeasible": int(counts.get("infeasible", 0)), "missing": int(counts.get("missing", 0)),
        "budget": _budget_words(budget),
        "time": duration(float(np.nansum(runs["seconds"].to_numpy(float)))),
        "date": str(study.environment.get("date", "")),
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


def ranking(given: Ranking) -> dict[str, Any]:
    """A ranking with its diagrams, and its numbers for the page."""
    from markupsafe import Markup

    diagrams = {
        kind: Markup(critical_difference(given.ranks, given.critical_difference, given.cliques, width))
        for kind, width in (("wide", WIDE), ("narrow", NARROW))
    }
    data = {
        "scores": _records(given.scores, ("low", "middle", "high")),
        "profiles": _records(given.profiles, ("tau", "share", "low", "high")),
    }
    return {
        "indicator": given.indicator, "note": given.note, "score": given.score, "diagrams": diagrams,
        "data": data, "ranks": sorted(given.ranks.items(), key=lambda pair: pair[1]),
        "scores": _score_rows(given.scores),
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


def seconds(study: StudyView) -> list[dict[str, Any]]:
    """Run times and outcomes by algorithm."""
    rows = []
    for name in algorithms(study):
        runs = study.runs[study.runs["algorithm"] == name]
        ended = runs[runs["status"].isin(["finished", "infeasible"])]
        times = ended["seconds"].to_numpy(float)
        times = times[np.isfinite(times)]
        low, middle, high = np.quantile(times, (0.25, 0.5, 0.75)) if len(times) else (math.nan,) * 3
        rows.append({
            "algorithm": name, "ended": len(ended), "runs": len(runs),
            "failed": int((runs["status"] == "failed").sum()),
            "infeasible": int((runs["status"] == "infeasible").sum()), "failures": int(runs["failures"].sum()),
            "median": float(middle), "low": float(low), "high": float(high), "total": float(times.sum()),
            "words": duration(float(times.sum())),
        })  # fmt: skip
    return rows


def first_line(message: str) -> str:
    """What went wrong, in one line: the last one of a traceback, the first one of anything else."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return "no message"
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def failures(study: StudyView) -> dict[str, Any]:
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


def missing(study: StudyView) -> list[dict[str, str]]:
    """Runs that have not been made, by cell."""
    left = study.runs[study.runs["status"] == "missing"]
    return [
        {"problem": str(p), "algorithm": str(a), "seeds": ranges(rows["seed"])}
        for (p, a), rows in left.groupby(["problem", "algorithm"], sort=False)
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


def frames(study: StudyView) -> list[dict[str, Any]]:
    """What indicators refer to, by problem, a row for each objective."""
    found = []
    for problem, frame in study.frames.items():
        m = len(frame.objective_names)
        reference = frame.reference
        references = [float(reference)] * m if isinstance(reference, int | float) else [float(r) for r in reference]
        rows = zip(frame.objective_names, frame.directions, frame.ideal, frame.nadir, references, strict=True)
        found.append({
            "problem": problem, "origin": frame.origin, "front": len(frame.front),
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
