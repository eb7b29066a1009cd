"""The documents: decisions have their fields and name what exists, links lead somewhere."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
AREAS = sorted(path for path in DECISIONS.glob("*.md") if path.stem != "index")
GUIDES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]
PAGES = [ROOT / "README.md", GUIDES[0], *sorted((ROOT / "docs").rglob("*.md"))]
FIELDS = ["Choice", "Because", "Instead of", "Held by", "Look again when"]


def read(path):
    return path.read_text(encoding="utf-8")


def entries(text):
    """Title and body of every entry."""
    return re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, flags=re.MULTILINE)


def anchor(title):
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@cache
def functions_of(path):
    """Names of the test functions of a file."""
    nodes = ast.walk(ast.parse(read(path)))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@cache
def words():
    """Every name that stands in the code."""
    folders = [ROOT / name for name in ("moopt", "problems", "algorithms", "benchmarks", "tests")]
    paths = [path for folder in folders for path in folder.rglob("*.py") if path != Path(__file__)]
    return set().union(*(re.findall(r"\w+", read(path)) for path in paths))


def exists(name):
    """Whether a test `tests/test_x.py::test_y`, a file `docs/speed.md` or a name of the code, `Kernel.call`, exists."""
    path, _, test = name.partition("::")
    if test:
        return (ROOT / path).exists() and test in functions_of(ROOT / path)
    if "/" in name:
        return (ROOT / name).exists()
    if name.endswith((".toml", ".md", ".json")):
        return (ROOT / name).exists() or any((ROOT / "moopt").rglob(name))
    return name.split(".")[-1] in words()


@pytest.mark.parametrize("path", AREAS, ids=lambda path: path.stem)
def test_every_decision_has_its_five_fields(path):
    found = entries(read(path))
    assert found
    for title, body in found:
        assert re.search(r" \(\d{4}-\d{2}\)$", title), f"{title}: no month"
        parts = re.split(r"^\*\*(.+?)\.\*\*", body, flags=re.MULTILINE)
        assert parts[0].strip() == "" and parts[1::2] == FIELDS, title
        assert all(part.strip() for part in parts[2::2]), f"{title}: an empty field"


@pytest.mark.parametrize("path", AREAS, ids=lambda path: path.stem)
def test_what_holds_a_decision_exists(path):
    for title, body in entries(read(path)):
        held = body.partition("**Held by.**")[2].partition("**Look again when.**")[0]
        names = re.findall(r"`([^`]+)`", held)
        assert names or "othing yet" in held, f"{title}: names nothing that holds it"
        assert not [name for name in names if not exists(name)], title
        assert held.count("::") == len([name for name in names if "::" in name]), f"{title}: a test outside of `...`"


def test_the_index_lists_every_decision():
    index = read(DECISIONS / "index.md")
    listed = re.findall(r"^- \[(.+)\]\((\w+\.md#.+)\)$", index, flags=re.MULTILINE)
    there = [(title, path) for path in AREAS for title, _ in entries(read(path))]
    expected = [(re.sub(r" \(\d{4}-\d{2}\)$", "", title), f"{path.name}#{anchor(title)}") for title, path in there]
    assert sorted(listed) == sorted(expected)
    areas = [(read(path).splitlines()[0].removeprefix("# "), path.name) for path in AREAS]
    assert sorted(re.findall(r"^## \[(.+)\]\((.+)\)$", index, flags=re.MULTILINE)) == sorted(areas)


@pytest.mark.parametrize(
    "name, there",
    [
        ("tests/house/test_docs.py::test_the_index_lists_every_decision", True),
        ("tests/house/test_docs.py::test_nothing", False), ("tests/test_nowhere.py::test_nothing", False),
        ("docs/speed.md", True), ("docs/nowhere.md", False),
        ("expensive.toml", True), ("nowhere.toml", False), ("Points.select", True), ("Points.chosen_by", False),
    ],
)  # fmt: skip
def test_what_exists_is_told_from_what_does_not(name, there):
    assert exists(name) == there


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    """Files and headings of this repository."""
    text = re.sub(r"```.*?```", "", read(path), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)|<img[^>]* src=\"(?!https?:)([^\"]+)\"", text):
        file, _, heading = (link[0] or link[1]).partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if heading:
            assert heading in map(anchor, re.findall(r"^#+ (.+)$", read(target), flags=re.MULTILINE)), link


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_guides_name_files_that_exist(path):
    text = read(path)
    assert "TODO" not in text
    named = re.findall(r"`((?:moopt|problems|algorithms|tests|benchmarks|docs|examples|\.ci)/[\w./-]*)", text)
    assert len(named) > 1
    assert not [name for name in named if not (ROOT / name).exists() and "__pycache__" not in name]


def test_the_page_and_the_picture_show_the_floors():
    """From the top, what the test of imports calls `FLOORS`; `python docs/picture.py` draws."""
    nodes = ast.parse(read(ROOT / "tests" / "house" / "test_house.py")).body
    assigned = {ast.unparse(node.targets[0]): node.value for node in nodes if isinstance(node, ast.Assign)}
    floors = [sorted(line.replace("moopt.", "").split()) for line in ast.literal_eval(assigned["FLOORS"])][::-1]
    rows = re.findall(r"^\| (`.+?`) \|", read(ROOT / "docs" / "architecture.md"), flags=re.MULTILINE)
    assert [sorted(re.findall(r"`(.+?)`", row)) for row in rows] == floors
    drawn = {}
    for y, name in re.findall(r' y="([\d.]+)" class="name">([^<]+)<', read(ROOT / "docs" / "architecture.svg")):
        if not name.endswith("/"):  # a catalogue, beside the floors
            drawn.setdefault(float(y), []).append(name)
    assert [sorted(drawn[y]) for y in sorted(drawn)] == floors
