"""The report in a real browser: it opens, draws, sorts, links selections, turns dark, fits a phone, asks no network."""

import io
import re
from dataclasses import replace

import pandas
import pytest

import browser as driver
import synthetic_study as synthetic
from moopt.experiment.report.live import LiveReport
from moopt.experiment.report.page import render, write_report

NEEDED = "needs Chromium on the path (Debian's package chromium), or its path in the variable CHROMIUM"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(driver.find_chromium() is None, reason=NEEDED)]
# of the driver of software WebGL, and of the plotting library reading its own canvas
FOREIGN = re.compile(r"GPU stall|GL Driver Message|willReadFrequently|Automatic fallback to software WebGL")


@pytest.fixture(scope="module")
def study():
    return synthetic.study(seeds=7, points=100)


@pytest.fixture(scope="module")
def address(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(study, path, synthetic.comparison(study)).as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    made = driver.Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def page(chromium, address):
    """The report on a desktop in the light; nothing may complain or ask for anything while a test uses it."""
    chromium.size(1280, 900)
    chromium.scheme("light")
    chromium.open("about:blank")
    chromium.logged.clear(), chromium.errors.clear(), chromium.requested.clear()
    chromium.open(address)
    chromium.run("localStorage.clear()")
    yield chromium
    chromium.run("1")  # hears what is left
    assert chromium.errors == []
    assert [line for line in chromium.logged if not FOREIGN.search(line)] == []
    assert {url for url in chromium.requested if not url.startswith(("data:", "blob:"))} <= {address}


def show(page, selector):
    """Brings an element into the middle of the window, and gives its rectangle."""
    page.run(f"document.querySelector('{selector}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    code = f"(({{x, y, width, height}}) => [x, y, width, height])(document.querySelector('{selector}')"
    return page.run(f"{code}.getBoundingClientRect())")


def middle(page, selector):
    x, y, width, height = show(page, selector)
    return [x + width / 2, y + height / 2]


def choose(page, number):
    """Another problem, drawn."""
    page.run("document.querySelector('#problems').scrollIntoView({behavior: 'instant'})")
    page.wait("document.querySelector('#problem-title').textContent")
    page.run(
        f"(() => {{ const box = document.querySelector('#problem'); box.value = {number};"
        " box.dispatchEvent(new Event('change')); })()"
    )
    chosen = "document.querySelector('#problem').selectedOptions[0].textContent"
    page.wait(f"document.querySelector('#problem-title').textContent === {chosen}")
    page.wait("document.querySelector('#scatter').data && document.querySelector('#scatter').dataset.heard")


HIGHLIGHTED = "['objectives', 'variables'].map((id) => Number(document.getElementById(id).dataset.highlighted))"
IN_SCATTER = """document.querySelector('#scatter').data.filter((trace) => trace.customdata)
    .reduce((sum, trace) => sum + (trace.selectedpoints ?? trace.customdata).length, 0)"""
SELECTED = "document.querySelector('#selected').textContent"


def brush(page, panel, number, low, high):
    """Drags along an axis from one height to another, both in [0, 1]."""
    x, y, width, height = show(page, f"#{panel} g:nth-of-type({number}) .grip")
    at = [[x + width / 2, y + 8 + (height - 16) * (1 - part)] for part in (low, high)]
    page.drag(*at)


def test_it_opens_and_draws_what_is_seen(page):
    assert page.run("document.querySelector('h1').textContent") == "Four <i>algorithms</i>"
    for kind, least in (("scores", 4), ("profiles", 4), ("seconds", 4), ("convergence", 4), ("final", 4)):
        show(page, f"[data-plot={kind}]")
        page.wait(f"document.querySelectorAll('[data-plot={kind}] .trace').length >= {least}")
    assert page.run("document.querySelectorAll('[data-plot=final] .point').length") == 4 * 7
    assert page.run("document.querySelectorAll('[data-plot=scores] .errorbars .errorbar').length") == 2 * 4
    assert page.run("document.querySelectorAll('.waiting').length") == 0
    assert page.run("document.querySelectorAll('b, i').length") == 0  # names are text, in figures as well
    ticks = page.run("[...document.querySelectorAll('[data-plot=final] .ytick text')].map((e) => e.textContent)")
    assert ticks == list(synthetic.ALGORITHMS)


@pytest.mark.parametrize("number", range(6))
def test_every_problem_draws_its_front(page, study, number):
    choose(page, number)
    points = sum(page.run("document.querySelector('#scatter').data.map((t) => t.customdata?.length ?? 0)"))
    assert points > 20
    assert page.run(HIGHLIGHTED) == [points, points] and page.run(SELECTED) == f"{points} points, none selected"
    m, d = synthetic.PROBLEMS[number][1:]
    assert page.run("document.querySelectorAll('#objectives .rail').length") == m
    assert page.run("document.querySelectorAll('#variables .rail').length") == d
    if m == 3:
        assert page.run("document.querySelectorAll('#scatter canvas').length") > 0
    else:
        assert page.run("document.querySelectorAll('#scatter .points path').length") >= points
    kinds = page.run("document.querySelector('#scatter').data.map((t) => t.fill ?? t.type)")
    assert (kinds.count("toself") == 4) == (m == 2)  # the bands of attainment


def test_names_in_tips_of_figures_are_text(page):
    show(page, "[data-plot=scores]")
    page.wait("document.querySelector('[data-plot=scores] .point')")
    for name in ("moead %{x}", "<b>mine</b>"):
        order = page.run("[...document.querySelectorAll('[data-plot=scores]')[0].data].map((trace) => trace.text[0])")
        place = next(i for i, text in enumerate(order) if name.replace("<", "&lt;").replace(">", "&gt;") in text)
        point = "(({x, y, width, height}) => [x + width / 2, y + height / 2])(document.querySelectorAll("
        x, y = page.run(f"{point}'[data-plot=scores] .point')[{place}].getBoundingClientRect())")
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        page.wait("document.querySelector('[data-plot=scores] .hovertext')")
        page.wait(f"document.querySelector('[data-plot=scores] .hovertext').textContent.startsWith({name!r})")


def test_three_objectives_without_webgl(page, address):
    lacking = "HTMLCanvasElement.prototype.getContext = ((own) => function (kind, ...more) {"
    lacking += " return kind.includes('webgl') ? null : own.call(this, kind, ...more); })("
    lacking += "HTMLCanvasElement.prototype.getContext)"
    script = page.call("Page.addScriptToEvaluateOnNewDocument", source=lacking)
    page.open("about:blank")
    page.open(address)
    choose(page, 2)
    assert page.run("document.querySelector('#view')") is None
    assert page.run("document.querySelectorAll('#scatter .points path').length") > 20
    page.call("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_attainment_surfaces_turn_with_the_sense(page, study):
    choose(page, 1)  # minimised mass, maximised stiffness: the surface rises to the right
    page.run("window.half = document.querySelector('#scatter').data.find((t) => t.text?.includes?.('half'))")
    x, y = page.run("[[...half.x], [...half.y]]")
    assert x == sorted(x) and y == sorted(y) and x[0] < x[-1] and y[0] < y[-1]


def test_a_click_on_a_header_sorts(page):
    column = "[...document.querySelectorAll('#tables tbody')][0].rows"
    medians = f"[...{column}].map((row) => Number(row.cells[2].dataset.value))"
    names = f"[...{column}].map((row) => row.cells[0].textContent)"
    before, first = page.run(names), page.run(medians)
    head = "#tables thead th:nth-child(3)"
    page.click(middle(page, f"{head} button"))
    assert page.run(f"document.querySelector('{head}').ariaSort") == "ascending"
    assert page.run(medians) == sorted(first)
    page.run(f"document.querySelector('{head} button').focus()")
    page.key("Enter", text="\r")  # and by keyboard
    assert page.run(f"document.querySelector('{head}').ariaSort") == "descending"
    assert page.run(medians) == sorted(first, reverse=True)
    page.key(" ", "Space", text=" ")
    assert page.run(names) == before
    page.click(middle(page, "#tables thead th:nth-child(1) button"))
    assert page.run(names) == sorted(before)
    assert page.run("document.querySelectorAll('[aria-sort=ascending]').length") == 1


def test_tips_tell_p_and_effect(page):
    x, y = middle(page, "#tables td:has(.mark.worse)")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    tip = page.run("document.querySelector('.tip').textContent")
    assert re.search(r"worse than nsga2\np = [\d.e-]+, A12 = 0\.\d\d", tip) and "7 of 7 runs" in tip


@pytest.mark.parametrize("number", [0, 1, 4])
def test_brushing_objectives_and_variables_selects_the_same_points(page, number):
    choose(page, number)
    total = page.run(HIGHLIGHTED)[0]
    brush(page, "objectives", 1, 0.05, 0.4)
    page.wait(f"{SELECTED}.includes('selected') && !{SELECTED}.includes('none')")
    some = int(page.run(SELECTED).split()[0])
    assert 0 < some < total and page.run(SELECTED) == f"{some} of {total} points selected"
    assert page.run(HIGHLIGHTED) == [some, some] and page.run(IN_SCATTER) == some
    rows = page.run("document.querySelectorAll('#selection tbody tr').length")
    assert rows == min(some, 201)
    brush(page, "variables", 1, 0.0, 0.3)  # both ranges hold
    page.wait(f"parseInt({SELECTED}) !== {some}")
    fewer = int(page.run(SELECTED).split()[0])
    assert fewer < some and page.run(HIGHLIGHTED) == [fewer, fewer] and page.run(IN_SCATTER) == fewer
    page.click(middle(page, "#clear"))
    page.wait(f"{SELECTED}.includes('none')")
    assert page.run(HIGHLIGHTED) == [total, total] and page.run(IN_SCATTER) == total


def test_a_box_in_the_scatter_plot_selects_in_the_axes(page):
    choose(page, 0)
    x, y, width, height = show(page, "#scatter .nsewdrag")
    page.drag([x + 5, y + height * 0.45], [x + width * 0.6, y + height - 5])
    page.wait(f"!{SELECTED}.includes('none')")
    some = int(page.run(SELECTED).split()[0])
    assert some > 0 and page.run(HIGHLIGHTED) == [some, some] and page.run(IN_SCATTER) == some
    page.click(middle(page, "#clear"))
    page.wait(f"{SELECTED}.includes('none')")
    assert page.run("document.querySelectorAll('#scatter .selectionlayer path').length") == 0


def test_axes_by_keyboard(page):
    choose(page, 0)
    total = page.run(HIGHLIGHTED)[0]
    page.run("document.querySelector('#objectives g').focus()")
    for _ in range(8):
        page.key("ArrowDown")
    page.wait(f"!{SELECTED}.includes('none')")
    some = page.run(HIGHLIGHTED)[0]
    assert 0 < some < total
    label = page.run("document.activeElement.getAttribute('aria-label')")
    assert re.fullmatch(r"mass, [\d.]+ at the bottom, [\d.]+ at the top, selected [\d.]+ to [\d.]+", label)
    page.key("ArrowRight")
    assert page.run("document.activeElement.getAttribute('aria-label')").startswith("stiffness")
    page.key("ArrowLeft")
    page.key("Escape")
    page.wait(f"{SELECTED}.includes('none')")
    assert page.run(HIGHLIGHTED) == [total, total]


def test_logarithmic_axes_of_variables(page):
    choose(page, 1)
    note = "document.querySelectorAll('#variables g')[3].querySelectorAll('text')[1].textContent"
    assert page.run(note) == ""
    page.click(middle(page, "#log-variables"))
    assert page.run(note) == "log"
    brush(page, "variables", 4, 0.5, 1.0)  # the upper half of the powers of ten
    page.wait(f"!{SELECTED}.includes('none')")
    assert page.run(HIGHLIGHTED) == [int(page.run(SELECTED).split()[0])] * 2
    label = page.run("document.querySelectorAll('#variables g')[3].getAttribute('aria-label')")
    low, high, chosen, _ = (float(v) for v in re.findall(r"\d[\d.e-]*", label))
    assert chosen == pytest.approx((low * high) ** 0.5, rel=0.1) and low < 2e-5


def test_what_is_copied(page):
    page.run("Object.defineProperty(navigator, 'clipboard', {value: {writeText: (t) => { window.copied = t; }}})")
    page.click(middle(page, "[data-copy=latex]"))
    page.wait("window.copied?.includes('bottomrule')")
    assert "\\textless{}b\\textgreater{}mine" in page.run("window.copied")
    page.click(middle(page, "[data-copy=csv]"))
    page.wait("window.copied?.startsWith('problem,algorithm')")
    choose(page, 1)
    brush(page, "objectives", 2, 0.0, 0.5)
    page.wait(f"!{SELECTED}.includes('none')")
    page.click(middle(page, "#copy-selected"))
    page.wait("window.copied?.startsWith('algorithm,seed,mass')")
    table = pandas.read_csv(io.StringIO(page.run("window.copied")))
    names = "algorithm seed mass stiffness radius number material rate stress"
    assert list(table.columns) == names.split()
    assert len(table) == int(page.run(SELECTED).split()[0])
    assert set(table["material"]) <= {"steel", "wood", synthetic.NASTY}
    middle_value = page.run("document.querySelectorAll('#objectives g')[1].getAttribute('aria-label')")
    low, high = sorted(map(float, re.search(r"selected (-?[\d.]+) to (-?[\d.]+)", middle_value).groups()))
    assert table["stiffness"].between(low - 1e-3, high + 1e-3).all()


def test_dark_and_light(page):
    ground = "getComputedStyle(document.body).backgroundColor"
    show(page, "[data-plot=profiles]")
    page.wait("document.querySelector('[data-plot=profiles] .xtick text')")
    ink = "document.querySelector('[data-plot=profiles] .xtick text').style.fill"
    light, pen = page.run(ground), page.run(ink)
    page.click(middle(page, "#theme"))
    page.wait(f"{ink} !== '{pen}'")
    assert page.run(ground) != light and page.run("document.querySelector('#theme').ariaPressed") == "true"
    page.click(middle(page, "#theme"))
    page.wait(f"{ink} === '{pen}'")
    assert page.run(ground) == light


def test_the_system_and_the_reader_choose_the_theme(chromium, address):
    chromium.open(address)
    chromium.run("localStorage.clear()")
    chromium.scheme("dark")
    chromium.open("about:blank")
    chromium.open(address)
    assert chromium.run("document.documentElement.dataset.theme") == "dark"
    chromium.run("document.querySelector('#theme').click()")
    chromium.open("about:blank")
    chromium.open(address)
    assert chromium.run("document.documentElement.dataset.theme") == "light"
    chromium.run("localStorage.clear()")


def test_legends_switch_algorithms_everywhere(page):
    choose(page, 0)
    total = page.run(HIGHLIGHTED)[0]
    page.click(middle(page, "#problems .legend button"))
    page.wait(f"{HIGHLIGHTED}[0] < {total}")
    states = "[...document.querySelectorAll('.legend button')].map((button) => button.ariaPressed)"
    assert page.run(states) == ["false", "true", "true", "true"] * 2
    page.wait("document.querySelectorAll('#scatter .scatterlayer .trace').length > 0")
    page.run("[...document.querySelectorAll('#problems .legend button')].slice(1).forEach((button) => button.click())")
    assert page.run(states).count("true") == 2  # the last one stays, in both legends


def test_a_phone_does_not_scroll_sideways(page):
    page.size(390, 844, 2.0, phone=True)
    page.open(page.run("location.href"))
    for number in range(6):
        choose(page, number)
        assert page.run("document.documentElement.scrollWidth") == 390, number
    y, height = 0, page.run("document.documentElement.scrollHeight")
    while y < height:
        page.run(f"window.scrollTo({{top: {y}, behavior: 'instant'}})")
        page.run("new Promise((done) => setTimeout(done, 60))")
        y += 700
    assert page.run("document.documentElement.scrollWidth") == 390
    wide = "[...document.querySelectorAll('.plot')].filter((e) => e.getBoundingClientRect().right > 391).length"
    assert page.run(wide) == 0
    assert page.run("document.querySelector('figure.narrow .cd').getBoundingClientRect().width") <= 358


def test_forty_problems_are_searched(chromium, tmp_path):
    many = tuple((f"problem {i}", 2, 3) for i in range(40))
    made = synthetic.study(problems=many, algorithms=("a", "b"), seeds=2, points=10)
    chromium.size(1280, 900)
    chromium.open(write_report(made, tmp_path / "many.html").as_uri())
    choose(chromium, 0)
    chromium.run("document.querySelector('#search').focus()")
    for letter in "37":
        chromium.key(letter, text=letter)
    chromium.wait("document.querySelector('#problem-title').textContent === 'problem 37'")
    assert chromium.run("document.querySelector('#problem').options.length") == 1


def test_a_study_of_every_shape_opens_without_complaint(chromium, tmp_path):
    chromium.size(1280, 900)
    chromium.logged.clear(), chromium.errors.clear()
    shapes = [
        {"algorithms": ("only",), "problems": (("p", 2, 3),), "seeds": 1}, {"missing": 11, "seeds": 11},
        {"problems": (("p", 4, 3),), "points": 1}, {"problems": (("p", 3, 1),), "seeds": 2},
    ]  # fmt: skip
    made = [synthetic.study(**{"failed": False, "points": 30, **shape}) for shape in shapes]
    whole = synthetic.study(seeds=2, points=20)
    made += [replace(whole, frames={}, kept={}), replace(whole, results=whole.results[:0], trace=whole.trace[:0])]
    for i, study in enumerate(made):
        chromium.open(write_report(study, tmp_path / f"{i}.html").as_uri())
        for selector in ("#problems", "#convergence", "[data-plot=seconds]", "footer"):
            show(chromium, selector)
            chromium.run("new Promise((done) => setTimeout(done, 150))")
        assert chromium.errors == [], i
        assert [line for line in chromium.logged if not FOREIGN.search(line)] == [], i


def test_a_live_page_follows_and_keeps_its_place(chromium, study, tmp_path):
    folder = tmp_path / "study"
    (folder / "cells" / "c").mkdir(parents=True)
    unfinished = synthetic.study(seeds=7, points=100, missing=2)

    def build(place, version):
        done = (place / "cells" / "c" / "0.json").exists()
        return render(study if done else unfinished, live=version)

    chromium.size(1280, 900)
    with LiveReport(folder, build) as server:
        chromium.logged.clear(), chromium.errors.clear()
        chromium.open(server.url)
        assert chromium.run("document.querySelector('.live').textContent") == "live"
        assert chromium.run("document.querySelector('progress').value") == 5 * 24
        choose(chromium, 2)
        show(chromium, "#variables")
        place = chromium.run("window.scrollY")
        (folder / "cells" / "c" / "0.json").write_text("{}")
        chromium.wait("!document.querySelector('progress') && document.readyState === 'complete'")
        chromium.wait("document.querySelector('#problem-title').textContent === 'dtlz2'")
        chromium.wait(f"Math.abs(window.scrollY - {place}) < 60")
        assert chromium.errors == []
    chromium.wait("document.querySelector('.live').textContent === 'no longer live'")
    chromium.open("about:blank")


def test_a_large_study_stays_small(chromium, tmp_path):
    many = tuple((f"p{i}", 2 + i % 3, 30) for i in range(10))
    made = synthetic.study(problems=many, algorithms=tuple("abcdef"), seeds=31, points=300, indicators=("hypervolume",))
    path = write_report(made, tmp_path / "large.html")
    assert path.stat().st_size < 8e6
    chromium.open(path.as_uri())
    choose(chromium, 3)
    assert chromium.run("document.querySelectorAll('#problem option').length") == 10
