"""Do the tests notice when the code is wrong? `python tests/mutants.py`, which takes about an hour on two cores.

A mutant is the code with one small fault: a comparison or an operator exchanged, a number off by one, a condition
negated, a loop that never runs (the operators of Cosmic Ray). `--number` are drawn with `--seed` from the folders
in `WHERE`, and each meets the fast tests that ran its line, quickest first. A mutant lives if none of them fails. The
table, with every mutant that lives, goes to `benchmarks/results/mutants.md`; a second call goes on where the first one
was stopped. `--again` asks only those that lived. Needs `pip install cosmic-ray pytest-cov`.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path
from queue import Queue
from typing import Any

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from coverage.numbits import numbits_to_nums

ROOT = Path(__file__).resolve().parent.parent
WHERE = ["moopt/core", "moopt/run", "moopt/operators", "moopt/selection", "algorithms", "problems"]
WORK = ROOT / "build" / "mutants"
WORKERS = 2
SECONDS = 60.0  # of tests that a mutant meets, at most
ENDLESS = 240.0  # seconds after which a mutant counts as noticed: it hangs
PAIRS = {
    "Comparison": "Eq_NotEq NotEq_Eq Lt_LtE LtE_Lt Gt_GtE GtE_Gt Lt_Gt Gt_Lt LtE_GtE GtE_LtE Is_IsNot IsNot_Is",
    "Binary": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div Mod_Mul Pow_Mul",
    "Unary": "USub_UAdd Delete_USub Delete_Invert Delete_Not",
}
OPERATORS = [f"core/Replace{kind}Operator_{pair}" for kind, pairs in PAIRS.items() for pair in pairs.split()]
OPERATORS += [
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
]
OPERATORS += ["core/NumberReplacer", "core/ZeroIterationForLoop", "core/AddNot"]
SKIPPED = ("tests/house", "tests/cli")  # these ask about documents and packaging


class Places(Visitor):
    """The lines where an operator can change something, in the order of its occurrences."""

    def __init__(self, operator: Any) -> None:
        self.operator, self.lines = operator, list[int]()

    def visit(self, node: Any) -> Any:
        self.lines += [first[0] for first, _ in self.operator.mutation_positions(node)]
        return node


def mutants(number: int, seed: int) -> list[dict[str, Any]]:
    """Drawn by folder in turn, then by line, then by operator: a long expression is no likelier than a short one."""
    by_folder: dict[str, dict[tuple[str, int], list[tuple[str, int]]]] = {}
    for folder in WHERE:
        lines: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = get_ast(path.read_text(encoding="utf-8"))
            for name in OPERATORS:
                places = Places(get_operator(name)())
                places.walk(tree)
                for occurrence, line in enumerate(places.lines):
                    lines[str(path.relative_to(ROOT)), line].append((name, occurrence))
        by_folder[folder] = lines
    draw, drawn = random.Random(seed), []
    orders = {folder: draw.sample(sorted(lines), len(lines)) for folder, lines in by_folder.items()}
    while len(drawn) < number:
        for folder, order in ((folder, order) for folder, order in orders.items() if order):
            file, line = order.pop()
            name, occurrence = draw.choice(by_folder[folder][file, line])
            drawn.append({"file": file, "line": line, "operator": name, "occurrence": occurrence})
    return drawn[:number]


def measured() -> tuple[dict[str, dict[int, set[str]]], dict[str, float]]:
    """file -> line -> tests that ran it, and the seconds of each test; from one run of the fast tests."""
    data, report = WORK / "coverage", WORK / "tests.xml"
    if not report.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), "-m", "not slow", "--cov", "--cov-report=",
                   "--cov-context=test", f"--junitxml={report}", "tests"]  # fmt: skip
        settings = WORK / "coveragerc"
        settings.write_text(
            "[run]\nsource =\n    moopt\n    problems\n    algorithms\nparallel = true\n", encoding="utf-8"
        )
        environment = {**os.environ, "COVERAGE_FILE": str(data), "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, f"--cov-config={settings}"], cwd=ROOT, env=environment, check=False)
    seconds = {}
    for case in ElementTree.parse(report).iter("testcase"):
        place = case.get("classname", "").replace(".", "/") + ".py"
        if not case.findall("failure") and not case.findall("skipped"):
            seconds[f"{place}::{case.get('name')}"] = float(case.get("time", 0))
    ran: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    base = sqlite3.connect(data)
    rows = base.execute(
        "select path, context, numbits from line_bits join file on file.id = file_id "
        "join context on context.id = context_id"
    )
    for path, context, bits in rows:
        file, test = str(Path(path).relative_to(ROOT)), context.split("|")[0]
        for line in numbits_to_nums(bits):
            ran[file][line].add(test)
    return ran, seconds


def statement(path: Path, line: int) -> range:
    """The lines of the simple statement, or of the head of the compound one, that a line is part of."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if line <= max(last, node.lineno):
                found = range(node.lineno, max(last, node.lineno) + 1)
    return found


def chosen(mutant: dict[str, Any], ran: dict[str, dict[int, set[str]]], seconds: dict[str, float]) -> list[str]:
    """The tests that a mutant meets, quickest first; those of the whole file where its line ran on import only."""
    lines = ran[mutant["file"]]
    inside = {test for line in statement(ROOT / mutant["file"], mutant["line"]) for test in lines[line]} - {""}
    tests = inside or {test for found in lines.values() for test in found} - {""}
    known = sorted((seconds[test], test) for test in tests if test in seconds and not test.startswith(SKIPPED))
    total, some = 0.0, []
    for duration, test in known:
        total += duration
        if some and total > SECONDS:
            break
        some.append(test)
    return some


def stage(folder: Path) -> None:
    """A copy of the project in which the catalogues stand inside of the package."""
    for name in ("moopt", "problems", "algorithms", "tests", "examples", "docs", "benchmarks", "pyproject.toml"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    for name in ("problems", "algorithms"):
        (folder / "moopt" / name).symlink_to(folder / name)


def lives(mutant: dict[str, Any], tests: list[str], folder: Path) -> str:
    """ "killed", or why not."""
    if not tests:
        return "no test runs it"
    path = folder / mutant["file"]
    before, stat = path.read_text(encoding="utf-8"), path.stat()
    code = mutate_code(before, get_operator(mutant["operator"])(), mutant["occurrence"])
    mutant["code"] = next(new for old, new in zip(before.split("\n"), code.split("\n"), strict=False) if old != new)
    try:
        path.write_text(code, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=ENDLESS)
        except subprocess.TimeoutExpired:
            return "killed"
        return "lives" if done.returncode == 0 else "killed"
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def write(found: list[dict[str, Any]]) -> None:
    """The table and the survivors."""
    lines = ["# Mutants", "", "`python tests/mutants.py`: which small faults the fast tests notice.", ""]
    lines += ["| folder | mutants | killed |", "|---|---|---|"]
    for folder in [*WHERE, ""]:
        mine = [m for m in found if m["file"].startswith(folder)]
        killed = sum(m["fate"] == "killed" for m in mine)
        lines.append(f"| {folder or 'all'} | {len(mine)} | {killed} ({100 * killed / max(1, len(mine)):.0f} %) |")
    lines += ["", "Those that live:", ""]
    for m in found:
        if m["fate"] != "killed":
            reason = "" if m["fate"] == "lives" else m["fate"]
            code = f": `{m['code'].strip()}`" if "code" in m else ""
            lines.append(
                f"- {m['file']}:{m['line']} {m['operator'].split('/')[1]}{code}" + f" ({reason})" * bool(reason)
            )
    (ROOT / "benchmarks" / "results" / "mutants.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="only those that lived, with the tests as they are now")
    asked = parser.parse_args()
    notes = WORK / f"fates-{asked.number}-{asked.seed}.json"
    fates = json.loads(notes.read_text()) if notes.exists() else {}
    drawn = mutants(asked.number, asked.seed)
    ran, seconds = measured()
    with tempfile.TemporaryDirectory() as place:
        folders: Queue[Path] = Queue()
        for worker in range(WORKERS):
            stage(Path(place) / str(worker))
            folders.put(Path(place) / str(worker))

        def judge(number: int) -> None:
            if str(number) in fates and not (asked.again and fates[str(number)]["fate"] != "killed"):
                return
            folder = folders.get()
            mutant = drawn[number]
            mutant["fate"] = lives(mutant, chosen(mutant, ran, seconds), folder)
            folders.put(folder)
            fates[str(number)] = mutant
            notes.write_text(json.dumps(fates))
            sys.stderr.write(f"{number:4d} {mutant['file']}:{mutant['line']} {mutant['operator']}: {mutant['fate']}\n")

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(judge, range(len(drawn))))
    write([fates[str(number)] for number in range(len(drawn))])


if __name__ == "__main__":
    main()
