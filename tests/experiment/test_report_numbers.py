"""Numbers of a report against known answers, counting and second ways: quantiles, fronts, tables, diagram, colours."""

import io
import itertools
import json
import math
import re
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic_study as synthetic
from moopt.experiment.report import facts, figures, tables
from moopt.experiment.report.diagram import critical_difference
from moopt.experiment.report.page import asset
from moopt.experiment.report.protocols import Comparison, final_values, quantiles

# figures


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.floats(0, 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_quantiles_of_finite_values_are_numpys(values, share, larger):
    assert quantiles(np.array(values), (share,), larger)[0] == pytest.approx(np.quantile(values, share), abs=1e-12)


def test_missing_values_count_as_worst():
    values = np.array([1.0, math.nan, 3.0, 2.0, math.inf])
    assert quantiles(values, (0.25, 0.5, 0.75), False).tolist()[:2] == [2.0, 3.0]
    assert math.isnan(quantiles(values, (0.75,), False)[0])
    assert quantiles(values, (0.5, 1.0), True).tolist() == [1.0, 3.0]  # higher is better: they are the lowest
    assert math.isnan(quantiles(values, (0.25,), True)[0])
    final = final_values(synthetic.study(seeds=5))["beam", "<b>mine</b>", "hypervolume"]
    assert sorted(final) == [0, 1, 2, 3, 4] and math.isnan(final[3])


@pytest.mark.parametrize(("values", "larger", "seed"), [
    ({0: 1.0, 1: 5.0, 2: 3.0}, True, 2), ({0: 1.0, 1: 5.0, 2: 3.0, 3: 4.0}, True, 2),
    ({0: 1.0, 1: 5.0, 2: 3.0, 3: 4.0}, False, 3), ({0: math.nan, 1: 5.0, 2: math.nan}, True, 1),
    ({0: math.nan}, True, None), ({}, True, None),
])  # fmt: skip
def test_the_median_run(values, larger, seed):
    assert figures.median_seed(values, larger) == seed


@given(st.integers(1, 60), st.integers(1, 4), st.integers(4, 20), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_thinning_keeps_the_best_of_each_objective(n, m, most, seed):
    f = np.random.default_rng(seed).random((n, m))
    places = figures.thinned(f, most)
    assert len(places) == min(n, most) and (np.diff(places) > 0).all()
    assert set(f.argmin(0)) <= set(places.tolist())


def test_thinning_spreads_points():
    x = np.linspace(0, 1, 1001) ** 4
    gaps = np.diff(x[figures.thinned(np.stack((x, 1 - x), 1), 17)])
    assert gaps.max() < 2.1 / 16 and gaps.min() > 0.4 / 16


def test_a_thinned_staircase_keeps_its_ends_and_its_shape():
    x = np.sort(np.random.default_rng(0).random(5000)) ** 6
    corners = np.stack((x, np.exp(-9 * x)), 1)
    places = figures.thinned_stairs(corners, 100)
    assert 90 <= len(places) <= 100 and places[0] == 0 and places[-1] == 4999
    steps = np.abs(np.diff(figures._scaled(corners)[places], axis=0)).sum(1)
    assert steps.max() < 2 * 2 / 99
    assert figures.thinned_stairs(corners[:7], 100).tolist() == list(range(7))


@pytest.mark.parametrize("seed", range(4))
def test_attainment_surfaces_against_counting(seed):
    rng = np.random.default_rng(seed)
    known = synthetic.frame(rng, "p", 2, 2)
    fronts = [synthetic.front(rng, known, 0.8, 9) for _ in range(8)]
    found = figures._attainment(fronts, 0)
    at = rng.random((2000, 2)) * 1.6
    attained = sum((front.f[None] <= at[:, None]).all(-1).any(-1).astype(int) for front in fronts)
    for level, least in (("best", 2), ("middle", 4), ("worst", 6)):
        corners = np.array(found[level], dtype=float).T
        inside = (corners[None] <= at[:, None]).all(-1).any(-1)
        assert (inside == (attained >= least)).all()


def test_convergence_holds_the_last_value():
    rows = pd.DataFrame({
        "seed": [0, 0, 1, 1, 2], "fraction": [0.5, 1.0, 0.25, 1.0, 0.75], "value": [2.0, 4.0, 1.0, 3.0, math.nan],
    })  # fmt: skip
    line = figures._convergence(rows, True)
    assert line["x"] == [0.25, 0.5, 0.75, 1]
    assert line["middle"] == [None, 1, 1, 3]  # of (-, 1, -), (2, 1, -), (2, 1, nan), (4, 3, nan)
    assert line["high"] == [None, 1.5, 1.5, 3.5]
    assert figures._convergence(None, True) == {}


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_survive_in_six_digits(value):
    short = figures.rounded(value)
    if math.isfinite(value):
        assert json.loads(json.dumps(short)) == pytest.approx(value, rel=5.1e-6, abs=1e-300)
    else:
        assert short is None


@pytest.mark.parametrize(("value", "text"), [
    (0.87, "0.8700"), (12.345678, "12.35"), (1234567.0, "1.235e6"), (-0.00012346, "-0.0001235"), (1.5e-7, "1.500e-7"),
    (0.0, "0"), (math.nan, "–"), (123456.0, "123456"),
])  # fmt: skip
def test_numbers_for_people(value, text):
    assert tables.number(value) == text


# tables


@pytest.fixture
def table():
    runs = pd.DataFrame(
        [(p, a, s, "finished", 1.0, 0, "") for p in ("p_1", "p2") for a in ("A&B", "base") for s in range(5)],
        columns=["problem", "algorithm", "seed", "status", "seconds", "failures", "message"],
    )
    values = {("p_1", "A&B"): [1, 2, 3, 4, 5], ("p_1", "base"): [2, 2, 2, 2, 2], ("p2", "A&B"): [1e-7] * 5}
    rows = [(p, a, s, "igd", float(v)) for (p, a), column in values.items() for s, v in enumerate(column)]
    results = pd.DataFrame(rows, columns=["problem", "algorithm", "seed", "indicator", "value"])
    made = replace(synthetic.study(seeds=1, points=2), runs=runs, results=results)
    marks = pd.DataFrame({
        "problem": ["p_1"], "algorithm": ["A&B"], "indicator": ["igd"], "mark": ["−"], "p": [0.0123], "a12": [0.2],
    })  # fmt: skip
    return tables.indicator_table(made, "igd", Comparison(baseline="base", marks=marks))


def test_medians_ranges_the_best_and_marks(table):
    cell = table.cells["p_1", "A&B"]
    assert (cell.median, cell.low, cell.high, cell.runs, cell.best, cell.mark) == (3.0, 2.0, 4.0, 5, False, "-")
    assert table.cells["p_1", "base"].best and table.cells["p2", "A&B"].best
    assert math.isnan(table.cells["p2", "base"].median) and not table.cells["p2", "base"].best
    assert table.counts("A&B") == (0, 0, 1)


def test_latex(table):
    assert tables.latex_table(table) == (
        "% igd: median and interquartile range, smaller is better; \\usepackage{booktabs}\n"
        "% +, =, -: better than, equal to, worse than base\n"
        "\\begin{tabular}{l*{2}{r}}\n\\toprule\nProblem & A\\&B & base \\\\\n\\midrule\n"
        "p\\_1 & 3.000 {\\scriptsize 2.0} $-$ & \\textbf{2.000} {\\scriptsize 0} \\\\\n"
        "p2 & \\textbf{1.000e-7} {\\scriptsize 0} & -- \\\\\n"
        "\\midrule\n$+$/$=$/$-$ & 0/0/1 &  \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


def test_latex_of_names_that_are_code():
    assert tables._latex("a\\b_{c}$%#&~^<x>\nnew") == (
        "a\\textbackslash{}b\\_\\{c\\}\\$\\%\\#\\&\\textasciitilde{}\\textasciicircum{}\\textless{}x\\textgreater{} new"
    )


def test_csv_and_files(table, tmp_path):
    study = synthetic.study(seeds=3, points=3)
    frame = pd.read_csv(io.StringIO(tables.csv_table(table)))
    row = frame[(frame["problem"] == "p_1") & (frame["algorithm"] == "A&B")].iloc[0]
    assert row[["median", "q25", "q75", "p", "against_baseline"]].tolist() == [3.0, 2.0, 4.0, 0.0123, "worse"]
    written = tables.write_tables(study, tmp_path, synthetic.comparison(study))
    assert [path.name for path in written] == ["hypervolume.tex", "hypervolume.csv", "igd_plus.tex", "igd_plus.csv"]
    assert set(pd.read_csv(written[1])["problem"]) == set(study.runs["problem"])


# the critical-difference diagram


def test_critical_difference_diagram():
    ranks = {"c": 3.5, "a": 1.0, "b<i>": 2.0, "d": 3.9}
    text = critical_difference(ranks, 1.25, [["b<i>", "c"], ["c", "d"], ["a"]], 760)
    x = sorted(float(value) for value in re.findall(r'<circle class="cd-dot" cx="([\d.]+)"', text))
    unit = (x[1] - x[0]) / 1.0
    assert np.diff(x) == pytest.approx(unit * np.array([1.0, 1.5, 0.4]), abs=0.3)
    start, end = map(float, re.search(r'class="cd-ruler" d="M([\d.]+) 9v8M[\d.]+ 13H([\d.]+)', text).groups())
    assert start == pytest.approx(x[0], abs=0.1) and (end - start) / unit == pytest.approx(1.25, abs=0.01)
    bars = [tuple(map(float, bar)) for bar in re.findall(r'class="cd-bar" d="M([\d.]+) [\d.]+H([\d.]+)', text)]
    assert np.array(bars) + [4, -4] == pytest.approx(np.array([[x[1], x[2]], [x[2], x[3]]]), abs=0.2)
    heights = re.findall(r'class="cd-bar" d="M[\d.]+ ([\d.]+)H', text)
    assert len(set(heights)) == 2  # bars that meet lie on different levels
    assert "<i>" not in text and "b&lt;i&gt; 2.00" in text
    assert critical_difference({"a": 1.0}, 1.0, [], 760) == ""
    assert "CD" not in critical_difference(ranks, None, [], 352)


@pytest.mark.parametrize("width", [760, 352])
@pytest.mark.parametrize("n", [2, 7, 20])
def test_the_diagram_stays_in_its_box(width, n):
    ranks = {f"algorithm number {i}": 1.0 + i for i in range(n)}
    text = critical_difference(ranks, 1.0 + n, [list(ranks)], width)
    numbers = [float(v) for v in re.findall(r'(?:x="|H|M)(-?[\d.]+)', text)]
    assert min(numbers) >= 0 and max(numbers) <= width
    assert text.count('class="cd-name"') == n


# colours


def palette(theme):
    chosen = r'\[data-theme="dark"\]' if theme == "dark" else ""
    block = re.search(rf":root{chosen} \{{(.*?)\}}", asset("report.css"), re.S)
    return dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", block.group(1)))


def linear(colour):
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one, two):
    """W3C, Web Content Accessibility Guidelines 2.2, relative luminance."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, two))
    return (high + 0.05) / (low + 0.05)


def oklab(light):
    """B. Ottosson (2020), "A perceptual color space for image processing"."""
    first = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    second = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
              [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    return np.array(second) @ np.cbrt(np.array(first) @ np.clip(light, 0, 1))


# G. M. Machado et al. (2009), "A physiologically-based model for simulation of color vision deficiency", severity 1
DEFICIENCIES = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_told_apart_by_everyone(theme):
    colours = palette(theme)
    for name in ("ink", "soft", "accent", "good", "bad"):
        for ground in ("page", "raised", "best"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    assert len([name for name in colours if re.fullmatch(r"c\d", name)]) == facts.COLOURS
    for i in range(facts.COLOURS):
        assert contrast(colours[f"c{i}"], colours["page"]) >= 3, i
    for kind, matrix in DEFICIENCIES.items():
        seen = [oklab(np.array(matrix) @ linear(colours[f"c{i}"])) for i in range(facts.COLOURS)]
        for (i, a), (j, b) in itertools.combinations(enumerate(seen), 2):
            assert np.linalg.norm(a - b) > 0.05, (kind, i, j)


def test_sixty_four_algorithms_look_different():
    styles = facts.styles([str(i) for i in range(64)])
    assert len({(style["colour"], style["symbol"]) for style in styles}) == 64


# words


def test_first_line_and_ranges():
    assert facts.first_line(synthetic.ERROR) == "ZeroDivisionError: <i>zero</i> division"
    assert facts.first_line("\n timed out after 5 s\nmore") == "timed out after 5 s"
    assert facts.first_line("") == "no message"
    assert facts.ranges([5, 1, 2, 3, 9]) == "1–3, 5, 9"


@pytest.mark.parametrize(("seconds", "text"), [
    (0.01234, "0.0123 s"), (61.2, "61 s"), (600, "10 min"), (9000, "2.5 h"), (math.nan, "–"),
])  # fmt: skip
def test_durations(seconds, text):
    assert facts.duration(seconds) == text


def test_the_spec_as_toml():
    odd = {"odd key": 'a"b\\c\n</script>', "share": 0.1, "flag": True, "big": math.inf, "none": None}
    read = tomllib.loads(facts.spec_toml({**synthetic.study(points=1).spec, **odd}))
    assert read["problems"][1] == {"label": "beam", "name": "beam", "options": {"n_obj": 2}}
    assert read["algorithms"][0] == {"label": "nsga2", "name": "nsga2"} and read["seeds"] == list(range(11))
    assert {key: read[key] for key in odd if key != "none"} == {k: v for k, v in odd.items() if k != "none"}
    assert read["budget"] == {"evaluations": 20_000} and not {"cells", "timeout", "none"} & set(read)
