"""The house: who may import whom, what is packaged, what an import costs, what is documented."""

import ast
import importlib.metadata
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import moopt
from moopt import catalogue

ROOT = Path(__file__).resolve().parents[2]
ENGINE, CATALOGUES = ROOT / "moopt", (ROOT / "problems", ROOT / "algorithms")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imports(path, top_level_only=False):
    """Modules that a file imports."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    nodes = module.body if top_level_only else ast.walk(module)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(*folders):
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


# The floors of the house, lowest first. A line holds what may not import one another; inside of a name all may.
FLOORS = [
    "moopt.core.checks",
    "moopt.core.tree moopt.core.reference",
    "moopt.kernels",
    "moopt.selection moopt.operators.directions",
    "moopt.operators.weights",
    "moopt.indicators",
    "moopt.core",
    "moopt.operators moopt.catalogue moopt.executors moopt.storage",
    "moopt.learning moopt.surrogate moopt.render.plots",
    "moopt.physics",
    "moopt.run",
    "moopt.render",
    "moopt.monitors",
    "moopt.run.run",
    "moopt.bridges",
    "moopt.experiment",
    "moopt.api",
    "moopt",
    "moopt.testing moopt.cli",
    "moopt.__main__",
]
FLOOR = {name: (level, name) for level, line in enumerate(FLOORS) for name in line.split()}


def module_of(path):
    """The dotted name of a file of the engine or a catalogue."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts if parts[0] == "moopt" else ["moopt", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(name):
    """(level, entry) of a module of the engine: that of the longest name in `FLOORS` that it begins with."""
    while name not in FLOOR:
        name = name.rpartition(".")[0]
    return FLOOR[name]


def imported(path, modules):
    """Modules of moopt that a file imports, at any level: inside functions and for type checkers only, too."""
    for name in imports(path):
        while name and name not in modules:
            name = name.rpartition(".")[0]
        if name:
            yield name


def test_arrows_point_down():
    modules = {module_of(path): path for path in sources(ENGINE, *CATALOGUES)}
    engine = {name: path for name, path in modules.items() if path.is_relative_to(ENGINE)}
    up = set()
    for name, path in engine.items():
        level, own = floor_of(name)
        targets = set(imported(path, modules)) - {name, "moopt"}
        for target in targets:
            if any(other.startswith(f"{target}.") for other in targets):
                continue  # `from moopt.core import checks` names the package, too
            assert target in engine, f"{name} imports {target}, of a catalogue"
            below, entry = floor_of(target)
            if entry != own and below >= level:
                up.add((name, target))
    assert not up


# What others name with an underscore: `os`, named tuples, and no other way in torch, botorch, matplotlib.
OTHERS_PRIVATE = {
    "_exit", "_fields", "_replace", "_C", "_are_functorch_transforms_active", "_transform", "_axinfo",
}  # fmt: skip


def test_private_is_private():
    """No file reads, writes or imports a name with an underscore that another one made."""
    for path in sources(ENGINE, *CATALOGUES):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
        own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        attributes = [node for node in nodes if isinstance(node, ast.Attribute) and _private(node.attr)]
        roots = {id(node): node.value.id for node in attributes if isinstance(node.value, ast.Name)}
        own |= {node.attr for node in attributes if roots.get(id(node)) in ("self", "cls")}
        foreign = {node.attr for node in attributes} - own - OTHERS_PRIVATE
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("moopt"):
                foreign |= {alias.name for alias in node.names if _private(alias.name)}
            if isinstance(node, ast.Call):
                foreign |= {word.arg for word in node.keywords if word.arg and _private(word.arg)} - own
        assert not foreign, f"{path} reaches for {sorted(foreign)}"


def _private(name):
    return name.startswith("_") and not name.endswith("__")


def test_catalogue_files_import_no_sibling():
    """Nothing of the catalogues but the base of their own family."""
    for path in sources(*CATALOGUES):
        base = f"{module_of(path).rpartition('.')[0]}._base"
        for name in imports(path):
            sibling = name.startswith(("moopt.problems.", "moopt.algorithms."))
            assert not sibling or name == base or name.startswith(f"{base}."), f"{path.name} imports {name}"


def test_nobody_imports_a_catalogue_by_its_folder():
    for path in sources(ROOT):
        if not {"build", ".venv"} & set(path.parts):
            for name in imports(path):
                assert name.split(".")[0] not in ("problems", "algorithms"), f"{path} imports {name}"


def test_only_the_cli_prints_and_nobody_asserts():
    for path in sources(ENGINE, *CATALOGUES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno} asserts"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                assert path.parent.name == "cli", f"{path}:{node.lineno} prints"


def test_what_is_refused_is_an_input_error():
    """The command line tells bad input from a bug by that. What a contender refuses, its door tells anew."""
    for path in sources(ENGINE, *CATALOGUES):
        if path.parent.name == "bridges" or path.name in ("page.py", "kernel.py"):  # these guard against bugs
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                assert node.exc.func.id not in ("ValueError", "TypeError", "ImportError"), f"{path}:{node.lineno}"


def test_every_package_is_listed():
    """A subfolder that is not listed is missing from the wheel, yet importable in an editable install."""
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in sources(ENGINE, *CATALOGUES)}
    assert listed == {module_of(folder / "__init__.py") for folder in folders}
    for folder in folders:
        assert (folder / "__init__.py").exists(), f"{folder} has no __init__.py"


def test_tests_mirror_the_house():
    """A folder for each of the engine's; the catalogues are tested as one, and the house has a folder of its own."""
    parts = {path.name for path in ENGINE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert {str(path.relative_to(ROOT / "tests")) for path in folders} == parts | {"house"}
    names = [path.name for path in (ROOT / "tests").rglob("*.py")]
    assert len(names) == len(set(names))


def test_every_catalogue_file_is_in_a_table():
    for folder, group in zip(CATALOGUES, ("problems", "algorithms"), strict=True):
        files = {module_of(path) for path in sources(folder) if not path.stem.startswith("_")}
        assert files == {target.split(":")[0] for target in catalogue.table(group).values()}
        for name in catalogue.table(group):
            assert re.fullmatch(r"[a-z][a-z0-9]*", name), name


WHERE = """
import json, moopt, moopt.problems.synthetic.zdt as zdt
print(json.dumps([moopt.__file__, zdt.__file__, moopt.problem("zdt1").name]))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("scripts") / "where.py"
    path.write_text(WHERE)
    return path


@pytest.mark.parametrize("inside", [True, False], ids=["inside the root", "outside"])
@pytest.mark.parametrize("how", ["script", "-c", "-m", "stdin"])
def test_imports_from_everywhere(script, how, inside, tmp_path):
    command = {"script": [str(script)], "-c": ["-c", WHERE], "-m": ["-m", "where"], "stdin": ["-"]}[how]
    environment = {**os.environ, "PYTHONPATH": str(script.parent)} if how == "-m" else None
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT if inside else tmp_path, env=environment, capture_output=True, text=True,
        input=WHERE if how == "stdin" else None, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    engine, problems, name = json.loads(done.stdout)
    assert Path(engine) == ENGINE / "__init__.py" and name == "zdt1"
    assert Path(problems) == ROOT / "problems" / "synthetic" / "zdt.py"


def test_a_notebook_and_a_spawned_worker_import_the_same(tmp_path):
    code = "import multiprocessing as m\nimport moopt\nif __name__ == '__main__':\n"
    code += "    with m.get_context('spawn').Pool(1) as p: print(p.apply(moopt.problem, ('zdt2',)).name)\n"
    path = tmp_path / "spawned.py"
    path.write_text(code)
    done = subprocess.run([sys.executable, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "zdt2", done.stderr
    cell = "exec(compile('import moopt; print(moopt.problem(\"zdt3\").name)', '<cell>', 'exec'), {})"
    done = subprocess.run([sys.executable, "-c", cell], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "zdt3", done.stderr


HEAVY = ["numba", "scipy.stats", "botorch", "gpytorch", "matplotlib", "mujoco", "pandas", "moocore", "rich", "typer"]


def test_an_import_loads_nothing_heavy():
    code = f"import sys, moopt, moopt.problems, moopt.algorithms; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_wheel_is_whole_and_typed(tmp_path):
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools ships what an earlier build left there
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    wheel = zipfile.ZipFile(next(tmp_path.glob("*.whl")))
    shipped = {name for name in wheel.namelist() if name.startswith("moopt/")}
    expected = {str(p.relative_to(ROOT)) for p in sources(ENGINE)} | {"moopt/py.typed"}
    expected |= {f"moopt/{p.relative_to(ROOT)}" for p in sources(*CATALOGUES)}
    places = ENGINE / "experiment" / "specs", ENGINE / "experiment" / "report" / "assets"
    data = [path for place in places for path in place.iterdir()]
    expected |= {str(path.relative_to(ROOT)) for path in data}
    expected |= {f"moopt/{path.relative_to(ROOT)}" for path in (ROOT / "problems").rglob("*.json")}
    assert shipped == expected
    wheel.extractall(tmp_path / "site")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "-p", "moopt"],
        cwd=tmp_path / "site", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout[-3000:]
    code = "import moopt, moopt.problems.synthetic.zdt as z, sys; print(moopt.__file__, z.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    site = tmp_path / "site" / "moopt"
    assert done.stdout.split() == [str(site / "__init__.py"), str(site / "problems" / "synthetic" / "zdt.py")]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_documents_are_what_the_code_says(generate):
    """Run `python docs/generate.py` after a change of public names or catalogues."""
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == generate.api()
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page == generate.readme(page)


def test_every_public_name_is_explained(generate):
    bare = []
    for package, name, thing in generate.public_names():
        if inspect.isclass(thing) or inspect.isfunction(thing):
            if not (thing.__doc__ or "").strip():
                bare.append(f"{package}.{name}")
            if inspect.isclass(thing):
                bare += [
                    f"{package}.{name}.{m}"
                    for m, member in vars(thing).items()
                    if not m.startswith("_") and inspect.isfunction(member) and not inspect.getdoc(getattr(thing, m))
                ]
    assert not bare


def test_catalogue_classes_are_abstract_or_final():
    """What can be named is not built upon; what several share is a base of its own, or an inner problem."""
    for group in ("problems", "algorithms"):
        classes = {catalogue.load(group, name) for name in catalogue.table(group)}
        for one in classes:
            assert not classes & set(one.__mro__[1:]), one


def test_every_catalogue_entry_names_its_source():
    for group in ("problems", "algorithms"):
        for name, target in catalogue.table(group).items():
            module = importlib.import_module(target.split(":")[0])
            cls = catalogue.load(group, name)
            assert inspect.getdoc(cls), name
            if name != "random":
                text = (module.__doc__ or "") + (cls.__doc__ or "")
                assert re.search(r"\b(19|20)\d\d\b", text), f"{name}: no paper with its year"


def test_files_stay_short():
    for path in sources(ROOT / "algorithms"):
        trains = path.parent.name in ("reinforcement", "alignment")  # a trainer is longer than what creates points
        limit = 250 if trains or path.stem == "_base" else 180
        assert len(path.read_text(encoding="utf-8").splitlines()) <= limit, path.name
    for path in sources(ENGINE):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path.name
    nsga2 = (ROOT / "algorithms" / "evolutionary" / "nsga2.py").read_text(encoding="utf-8")
    code = nsga2.split('"""', 2)[2].splitlines()  # below the header
    assert len([line for line in code if line.strip()]) <= 45


def test_no_machine_paths_and_versions_agree():
    assert importlib.metadata.version("moopt") == PROJECT["project"]["version"]
    for path in [*sources(ENGINE, *CATALOGUES, ROOT / "examples", ROOT / "benchmarks"), ROOT / "README.md"]:
        assert "/root/" not in path.read_text(encoding="utf-8"), path


def test_minimize_and_run_take_the_same():
    run = inspect.signature(moopt.Run.__init__).parameters
    assert [p for p in run if p != "self"] == list(inspect.signature(moopt.minimize).parameters)
    reopen, resume = (inspect.signature(f).parameters for f in (moopt.Run.reopen, moopt.resume))
    assert list(reopen) == list(resume)
