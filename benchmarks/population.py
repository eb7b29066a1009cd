"""Generations of evolutionary algorithms: moopt beside pymoo, pygmo and EvoX on the same work, in one run.

`python benchmarks/population.py` first checks that moopt reaches what the others reach in the same number of
evaluations, then writes `results/population.md` and `results/population.png`: milliseconds a generation of the public
`minimize` with archive and history on, the peers without them, every measurement in a process of its own, alternating,
medians. A ratio compares the same precision and number of threads: float64 with pymoo and pygmo, float32 with EvoX,
one thread. `--smoke` does the smallest row once and writes nothing. Needs `pip install -e '.[benchmark]'`.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import report

TIMEOUT = 240.0  # seconds for one measurement
WORSE = 0.03  # share of a peer's hypervolume that moopt may lack for noise


class Case(NamedTuple):
    """`generations` of moopt and of each peer; a peer that is not named is not asked."""

    algorithm: str
    problem: str
    n: int
    runs: int
    repeats: int
    generations: int
    peers: dict[str, int]
    reference: float = 1.1


CASES = [  # EvoX as it is, not compiled, takes two minutes for a generation of 10,000
    Case("nsga2", "zdt1", 100, 1, 3, 250, {"pymoo": 250, "pygmo": 250, "evox": 250, "evox compiled": 250}),
    Case("nsga2", "zdt1", 100, 31, 3, 250, {"pymoo": 250, "pygmo": 250, "evox": 250, "evox compiled": 250}),
    Case("nsga2", "dtlz2", 1000, 1, 3, 100, {"pymoo": 100, "pygmo": 100, "evox": 20, "evox compiled": 100}),
    Case("nsga2", "dtlz2", 10_000, 1, 3, 20, {"pymoo": 3, "pygmo": 3, "evox compiled": 4}, 2.5),
    Case("nsga2", "dtlz2", 100_000, 1, 3, 10, {}, 2.5),
    Case("nsga2", "dtlz2", 1_000_000, 1, 1, 5, {}, 2.5),
    Case("moead", "dtlz2", 1000, 1, 3, 100, {"pymoo": 20, "pygmo": 100, "evox compiled": 20}),
    Case("nsga3", "dtlz2", 1000, 1, 3, 100, {"pymoo": 100, "evox": 20, "evox compiled": 100}),
    Case("nsga3", "dtlz2", 10_000, 1, 3, 20, {"pymoo": 3}, 2.5),
    Case("rvea", "dtlz2", 1000, 1, 3, 100, {"pymoo": 100, "evox": 100, "evox compiled": 100}),
    Case("rvea", "dtlz2", 10_000, 1, 3, 20, {"pymoo": 3}, 2.5),
    Case("hype", "dtlz2", 1000, 1, 3, 30, {"evox": 5, "evox compiled": 30}),
    Case("hype", "dtlz2", 10_000, 1, 3, 10, {}, 2.5),
]
if report.SMOKE:
    CASES = [Case("nsga2", "zdt1", 100, 2, 1, 200, {"pymoo": 200})]


def measure(case: Case, tool: str, generations: int, dtype: str = "float64", threads: int = 1) -> dict[str, Any] | None:
    """What a tool needs, or `None` where it took too long or gave up."""
    work = {
        "tool": tool.split()[0], "compiled": tool.endswith("compiled"), "algorithm": case.algorithm, "n": case.n,
        "problem": case.problem, "generations": generations, "dtype": dtype, "threads": threads,
        "reference": case.reference, "runs": case.runs if tool == "moopt" else 1,
    }  # fmt: skip
    script = Path(__file__).with_name("tools.py")
    try:
        done = subprocess.run(
            [sys.executable, script, json.dumps(work)], capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        sys.stderr.write(f"{tool}, {case.algorithm}, {case.n}: {done.stderr.strip().splitlines()[-1]}\n")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def median(answers: list[dict[str, Any]], key: str = "ms") -> float:
    return statistics.median(answer[key] for answer in answers) if answers else math.nan


def measured(case: Case) -> dict[str, list[dict[str, Any]]]:
    """Answers of every tool, alternating; a tool that failed once is not asked again."""
    asked = {
        "moopt": ("moopt", case.generations, "float64", 1), "moopt float32": ("moopt", case.generations, "float32", 1),
        "moopt, 2 threads": ("moopt", case.generations, "float64", 2),
        **{peer: (peer, generations) for peer, generations in case.peers.items()},
    }  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in asked}
    for repeat in range(case.repeats):
        for name, how in asked.items():
            slow = name in case.peers and median(found[name]) * how[1] > 20_000
            if len(found[name]) == repeat and not slow and (answer := measure(case, *how)):
                found[name].append(answer)
    return found


def check(case: Case, found: dict[str, list[dict[str, Any]]]) -> None:
    """Raises SystemExit where moopt's last population is worse than a peer's after as many evaluations."""
    for peer, generations in case.peers.items():
        if not found[peer]:
            continue
        same = found["moopt"] if generations == case.generations else [measure(case, "moopt", generations) or {}]
        ours, theirs = median(same, "hypervolume"), median(found[peer], "hypervolume")
        if ours < (1 - WORSE) * theirs:
            raise SystemExit(f"{case.algorithm}, {case.n}: hypervolume {ours:.4f} below the {theirs:.4f} of {peer}")


def ratios(found: dict[str, list[dict[str, Any]]]) -> str:
    """How many times longer each peer takes."""
    parts = []
    for peer, answers in found.items():
        if peer.startswith("moopt") or not answers:
            continue
        ours = found["moopt float32" if peer.startswith("evox") else "moopt"]
        parts.append(f"{peer} {median(answers) / median(ours):.3g}")
    return ", ".join(parts)


def shares(n: int, generations: int) -> list[str]:
    """Which part of a generation goes where, in percent of the wall time."""
    import torch

    import moopt
    from moopt.algorithms.evolutionary.nsga2 import NSGA2
    from moopt.problems.synthetic.dtlz import DTLZ2
    from moopt.run.archives.pareto import Archive
    from moopt.run.history import Rows

    torch.set_num_threads(1)
    seconds: dict[str, float] = {}

    def clocked(owner: type, method: str) -> None:
        original = getattr(owner, method)

        def call(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            answer = original(*arguments, **options)
            seconds[method] = seconds.get(method, 0.0) + time.perf_counter() - began
            return answer

        setattr(owner, method, call)

    problem = DTLZ2(n_obj=3, n_var=12)
    moopt.minimize(problem, NSGA2(pop_size=n), moopt.Generations(3), progress=False)
    for owner, method in ((NSGA2, "ask"), (DTLZ2, "answer"), (NSGA2, "tell"), (Archive, "insert"), (Rows, "after")):
        clocked(owner, method)
    began = time.perf_counter()
    moopt.minimize(problem, NSGA2(pop_size=n), moopt.Generations(generations), seed=1, progress=False)
    total = time.perf_counter() - began
    parts = [seconds[method] for method in ("ask", "answer", "tell", "insert", "after")]
    parts.append(total - sum(parts))
    return [f"{n:,}", f"{1e3 * total / generations:.3g}", *(f"{100 * part / total:.0f}" for part in parts)]


def picture(points: dict[str, list[tuple[int, float]]]) -> None:
    """Milliseconds a generation over the population, doubly logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    for name, line in points.items():
        axes.loglog(*zip(*line, strict=True), marker="o", label=name, linewidth=2.5 if name == "moopt" else 1.2)
    axes.set(xlabel="population", ylabel="milliseconds a generation", title="NSGA-II, one thread")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(report.RESULTS / "population.png", dpi=150)


def main() -> None:
    rows, lines = [], {}
    for case in CASES:
        found = measured(case)
        check(case, found)
        names = ["moopt", "moopt float32", "moopt, 2 threads", "pymoo", "pygmo", "evox", "evox compiled"]
        cells = [f"{median(found[name]):.3g}" if found.get(name) else "" for name in names]
        for name in set(case.peers) - {name for name, answers in found.items() if answers}:
            cells[names.index(name)] = f"over {TIMEOUT / case.peers[name] * 1e3:,.0f} or failed"
        what = f"{case.algorithm}, {case.problem}" + (f", one of {case.runs}" if case.runs > 1 else "")
        rows.append([what, f"{case.n:,}", *cells, ratios(found), f"{median(found['moopt'], 'peak_gb'):.2f}"])
        sys.stderr.write(" | ".join(rows[-1]) + "\n")
        if case.algorithm == "nsga2" and case.runs == 1:
            for name in ("moopt", "pymoo", "pygmo", "evox", "evox compiled"):
                if found.get(name):
                    lines.setdefault(name, []).append((case.n, median(found[name])))
    columns = ["work", "population", "moopt", "moopt float32", "moopt, 2 threads", "pymoo", "pygmo", "EvoX",
               "EvoX compiled", "peer / moopt", "moopt's peak memory, GB"]  # fmt: skip
    sizes = [(100, 20)] if report.SMOKE else [(100, 250), (10_000, 20), (1_000_000, 4)]
    parts = ["population", "ms", "variation", "evaluation", "selection", "archive", "history", "rest"]
    body = "Milliseconds a generation (of one run where several go in a batch), medians.\n\n"
    body += report.table(columns, rows)
    body += "\n\n## Where a generation of NSGA-II goes\n\nDTLZ2 with three objectives, one thread, percent.\n\n"
    body += report.table(parts, [shares(n, generations) for n, generations in sizes])
    if not report.SMOKE:
        picture(lines)
        body += "\n\n![Milliseconds a generation over the population](population.png)"
    report.write("population", "Generations of evolutionary algorithms", body, "numba", "pymoo", "pygmo", "evox")


if __name__ == "__main__":
    main()
