"""The report of a study: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moopt.experiment.report import facts, figures, tables
from moopt.experiment.report.protocols import (
    Comparison,
    Key,
    StudyView,
    algorithms,
    final_values,
    indicator_title,
    indicators,
    problems,
)
from moopt.storage.files import write_atomic

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

    comparison, final, names = comparison or Comparison(), final_values(study), indicators(study)
    if commands is None:
        commands = (f"moopt bench spec.toml --out {study.folder.name}", f"moopt report {study.folder.name}")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {
        "number": tables.number, "title": indicator_title, "brief": lambda value: f"{value:.5g}",
        "caption": lambda text: text[:1].upper() + text[1:], "minus": lambda text: text.replace("-", "−"),
    }  # fmt: skip
    theme = _safe(asset("theme.js"))
    script = _safe('(() => {\n"use strict";\n' + "".join(asset(name) for name in SCRIPTS) + "})();\n")
    return environment.get_template("report.html.j2").render(
        name=study.name, version=version("moopt"), live=live, indicators=names, problems=problems(study),
        style=_safe(asset("report.css")), theme=theme, script=script, policy=_policy(live is not None, theme, script),
        plotly=_packed_plotly(), packed=_packed(study, names, final), comparison=comparison, commands=commands,
        facts=facts.facts(study), styles=facts.styles(algorithms(study)), words=tables.MARKS,
        rankings=[facts.ranking(ranking) for ranking in comparison.rankings],
        tables=_tables(study, comparison, final), seconds=facts.seconds(study), failures=facts.failures(study),
        missing=facts.missing(study), frames=facts.frames(study), spec=facts.spec_toml(study.spec),
        environment={key: value for key, value in study.environment.items() if key != "format"},
        points=figures.points_per_front(study),
    )  # fmt: skip


@cache
def asset(name: str) -> str:
    """The text of a file of the page."""
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _safe(text: str) -> Any:
    """Our own script or style, as it stands in the page."""
    from markupsafe import Markup

    if re.search(r"</(script|style)|<!--", text, re.I):
        raise ValueError("expected a script or style that does not end its element")
    return Markup(text)


def _policy(live: bool, *scripts: str) -> str:
    """A content security policy: only our own scripts run, and nothing is asked of any network."""
    digests = (hashlib.sha256(content).digest() for content in (*map(str.encode, scripts), _plotly()))
    known = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    source = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src {known}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"connect-src {source}; base-uri 'none'; form-action 'none'"
    )


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


def _packed(study: StudyView, names: Sequence[str], final: Mapping[Key, Mapping[int, float]]) -> dict[str, Any]:
    """The page's data: what all figures need, then one part for each problem."""
    points = figures.points_per_front(study)
    trace = dict(tuple(study.trace.groupby(["problem", "algorithm", "indicator"], sort=False)))
    parts = [pack(figures.problem_data(study, name, names, final, trace, points)) for name in problems(study)]
    return {"study": figures.study_data(study, names), "problems": parts}


def _tables(
    study: StudyView, comparison: Comparison, final: Mapping[Key, Mapping[int, float]]
) -> list[dict[str, Any]]:
    """The table of each indicator, with its texts to copy."""
    made = []
    for indicator in dict.fromkeys(str(name) for name in study.results["indicator"]):
        table = tables.indicator_table(study, indicator, comparison, final)
        made.append(
            {"table": table, "texts": pack({"latex": tables.latex_table(table), "csv": tables.csv_table(table)})}
        )
    return made
