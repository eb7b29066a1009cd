"""Counts what the shape of the house is judged by: `python docs/house.py [ROOT]`.

Loose modules beside the packages of `moopt/`; circles of modules, imports inside functions and for type checkers
counted; lines of an average algorithm file; places that say whether more or less of an indicator is better.
"""

import ast
import re
import sys
from pathlib import Path


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file, of the engine and both catalogues."""
    found = {}
    for folder, prefix in (("moopt", "moopt"), ("problems", "moopt.problems"), ("algorithms", "moopt.algorithms")):
        for path in sorted((root / folder).rglob("*.py")):
            parts = [prefix, *path.relative_to(root / folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of moopt that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            while name and name not in known:
                name = name.rpartition(".")[0]
            found.add(name)
    return found - {"", "moopt"}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts of more than one module: who reaches each other."""

    def reach(start: str) -> set[str]:
        seen, todo = set(), [start]
        while todo:
            for name in edges[todo.pop()] - seen:
                seen.add(name)
                todo.append(name)
        return seen

    reached = {name: reach(name) for name in edges}
    found = {frozenset(other for other in reached[name] if name in reached[other]) for name in edges}
    return sorted(sorted(part) for part in found if len(part) > 1)


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    known = modules(root)
    edges = {name: imported(path, known) - {name} for name, path in known.items()}
    loose = [path.name for path in (root / "moopt").glob("*.py") if path.stem[:2] != "__"]
    algorithms = [p for p in (root / "algorithms").rglob("*.py") if p.stem[:1] != "_"]
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in algorithms]
    sense = re.compile(r"^HIGHER_IS_BETTER\b.*= \{(\"|$)|^class Indicator\b", re.MULTILINE)
    knowing = [name for name, path in known.items() if sense.search(path.read_text(encoding="utf-8"))]
    rounds = circles(edges)
    print(f"loose modules in moopt/: {len(loose)}")
    print(f"circles of modules: {len(rounds)}, of {sum(map(len, rounds))} modules")
    print("\n".join(f"  {', '.join(part)}" for part in rounds))
    print(f"lines of an average algorithm file: {sum(lines) / len(lines):.0f}")
    print(f"tables that say which sense an indicator has: {', '.join(knowing)}")


if __name__ == "__main__":
    main()
