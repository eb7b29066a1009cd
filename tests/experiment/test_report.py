"""The text of a report: escaping, what it may load, studies of every shape. A browser opens it in test_report_page."""

import base64
import hashlib
import itertools
import json
import math
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import moopt
import synthetic_study as synthetic
from moopt.experiment.report import figures
from moopt.experiment.report.page import asset, render, write_report
from moopt.experiment.report.single import RunStudy, report_of_run

NASTY = synthetic.NASTY


class Page(HTMLParser):
    """What a browser makes of the text: elements with their attributes, scripts, visible text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.texts, self._open = [], [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = None
        if tag in ("script", "style"):
            self._open = [dict(attributes), ""]
            if tag == "script":
                self.scripts.append(self._open)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._open = None

    def handle_data(self, data):
        if self._open is None:
            self.texts.append(data)
        else:
            self._open[1] += data

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def data(self, name):
        text = next(content for attributes, content in self.scripts if attributes.get("id") == name)
        return json.loads(text if text.startswith(("{", "[")) else zlib.decompress(base64.b64decode(text)))


@pytest.fixture(scope="module")
def study():
    return synthetic.study()


@pytest.fixture(scope="module")
def comparison(study):
    return synthetic.comparison(study)


@pytest.fixture(scope="module")
def page(study, comparison):
    return Page(render(study, comparison))


# the page


def test_names_are_text_and_never_elements(page, study):
    known = set(re.findall(r"<([a-z][a-z0-9]*)", asset("report.html.j2"))) | {"tspan", "text", "title"}
    assert {tag for tag, _ in page.elements} <= known
    assert not {"b", "i"} & {tag for tag, _ in page.elements}
    for text in (study.name, f"Labels are shown as they are: {NASTY}.", "cost <b>€</b>", "<i>zero</i> division"):
        assert text in page.text
    assert page.data("data")["problems"][3] == f"crash {NASTY}"
    assert page.data("styles")[3]["name"] == "<b>mine</b>"
    assert NASTY in page.data("problem-1")["variables"][2]["categories"]
    assert not [name for _, given in page.elements for name in given if name.startswith("on")]


def test_only_our_scripts_run_and_nothing_is_loaded(page):
    policy = next(given["content"] for tag, given in page.elements if given.get("http-equiv"))
    assert "default-src 'none'" in policy and "connect-src 'none'" in policy
    running = [text for given, text in page.scripts if given.get("type") is None]
    plotly = zlib.decompress(base64.b64decode(next(t for g, t in page.scripts if g.get("id") == "plotly")))
    digests = [base64.b64encode(hashlib.sha256(t).digest()).decode() for t in (*map(str.encode, running), plotly)]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests and len(running) == 2
    for _, given in page.elements:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert given.get(name, "#").startswith(("#", "data:")), given
    assert not re.search(r"@import|url\(|https?:", asset("report.css"))


def test_headings_are_in_order_and_figures_have_words(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    for tag, given in page.elements:
        if given.get("role") in ("img", "region", "group"):
            assert given.get("aria-label"), (tag, given)
        if tag in ("select", "input"):
            assert given.get("id") or given.get("aria-label")
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids))
    for _, given in page.elements:
        if "aria-labelledby" in given:
            assert given["aria-labelledby"] in ids


def test_the_same_study_gives_the_same_bytes(study, comparison, tmp_path):
    first = write_report(study, tmp_path / "a.html", comparison).read_bytes()
    again = synthetic.study()
    assert write_report(again, tmp_path / "b.html", synthetic.comparison(again)).read_bytes() == first
    assert len(first) < 3e6


def test_what_is_said_of_runs(page, study):
    assert "264" in page.text and "ZeroDivisionError" in page.text and "up to 20,000 evaluations a run" in page.text
    assert "65 of 66" not in page.text.split("Failures")[1]
    lost = synthetic.study(missing=4, failed=False)
    text = Page(render(lost)).text
    assert "168 of 264" in text and "96 runs not made yet" in text and "7–10" in text


@pytest.mark.parametrize(
    "options",
    [
        {"algorithms": ("only",)}, {"seeds": 1}, {"algorithms": ("only",), "problems": (("p", 2, 3),), "seeds": 1},
        {"missing": 11}, {"indicators": ("igd",)}, {"points": 1}, {"problems": (("p", 2, 3),)},
        {"problems": (("p", 4, 40),)}, {"algorithms": tuple(f"a{i}" for i in range(20)), "seeds": 2, "points": 20},
    ],
    ids=str,
)  # fmt: skip
def test_studies_of_every_shape(options):
    made = synthetic.study(**{"failed": False, **options})
    some = options.get("missing") != 11 and len(options.get("algorithms", "ab")) > 1
    page = Page(render(made, synthetic.comparison(made) if some else None))
    assert page.data("data")["algorithms"] == list(options.get("algorithms", synthetic.ALGORITHMS))
    assert ("nothing to compare" in page.text) == (len(options.get("algorithms", "ab")) == 1)


def test_everything_failed_and_values_that_are_none():
    made = synthetic.study(seeds=3)
    runs = made.runs.assign(status="failed", message="boom")
    empty = replace(made, runs=runs, results=made.results[:0], trace=made.trace[:0], frames={}, kept={})
    page = Page(render(empty))
    assert "72 runs failed" in page.text and "No frame is known yet" in page.text and "boom" in page.text
    results = made.results.assign(value=np.resize([math.nan, math.inf, 0.5], len(made.results)))
    trace = made.trace.assign(value=math.nan)
    page = Page(render(replace(made, results=results, trace=trace)))
    assert "nan" not in page.text.lower() and "inf" not in page.text.lower().replace("infeasible", "")
    assert page.data("problem-0")["convergence"]["hypervolume"][0]["middle"] == [None] * 10


def test_forty_problems_have_a_search_and_share_the_page():
    many = tuple((f"p{i}", 2 + i % 3, 30) for i in range(40))
    made = synthetic.study(problems=many, seeds=2, points=60, indicators=("hypervolume",))
    text = render(made)
    assert 'id="search"' in text and 'id="search"' not in render(synthetic.study(seeds=1, points=5))
    assert figures.points_per_front(made) < 300
    assert f"At most {figures.points_per_front(made)} points" in text


# a single search


@pytest.mark.parametrize("runs", [1, 3])
def test_report_of_a_run(tmp_path, runs):
    moopt.minimize("zdt1", "random", 600, runs=runs, seed=4, out=tmp_path / "run", progress=False)
    result = moopt.Result.load(tmp_path / "run")
    page = Page(report_of_run(result, tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert "moopt resume run" in page.text and "randomsearch on zdt1, " in page.text
    data = page.data("problem-0")
    assert [front["seed"] for front in data["fronts"]] == [figures.median_seed(
        {run.seed: run.hypervolume for run in result.runs}, True
    )]  # fmt: skip
    assert data["final"]["hypervolume"] == [[figures.rounded(run.hypervolume) for run in result.runs]]
    line = data["convergence"]["hypervolume"][0]
    median = np.median([run.hypervolume for run in result.runs])
    assert line["x"][-1] == 1 and line["middle"][-1] == pytest.approx(median, rel=1e-5)
    names = [variable["name"] for variable in data["variables"]]
    assert names == result.problem.space.names and len(data["reference"][0]) > 100


def test_a_run_of_a_function_with_choices_and_failures(tmp_path):
    def beam(r, n, kind):
        if r > 1.5:
            raise ValueError("too <b>thick</b>")
        return {"mass": n * r**2, "stiffness": n * r**4, "stress": 100 / (n * r**2)}

    problem = moopt.FunctionProblem(
        beam, {"r": moopt.Real(0.1, 2), "n": moopt.Integer(1, 9), "kind": moopt.Choice(["<i>", "b"])},
        {"mass": "min", "stiffness": "max"}, constraints={"stress": ("<=", 30)},
    )  # fmt: skip
    result = moopt.minimize(problem, "nsga2", 300, executor="inline", progress=False)
    page = Page(report_of_run(result, tmp_path / "report.html").read_text(encoding="utf-8"))
    data = page.data("problem-0")
    assert data["objectives"] == [["mass", "min"], ["stiffness", "max"]] and data["constraints"] == ["stress"]
    assert data["variables"][2]["categories"] and min(data["fronts"][0]["objectives"][1]) > 0
    assert RunStudy(result).runs["failures"][0] == result.failures > 0
    assert "the range of the front" in page.text and "i" not in {tag for tag, _ in page.elements}
