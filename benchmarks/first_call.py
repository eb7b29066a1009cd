"""How long the first search of an installation takes, when kernels are compiled, and how long the next process takes.

`python benchmarks/first_call.py` prints a table and writes it to `benchmarks/results/first_call.md`; `--smoke` does one
algorithm once and writes nothing. Each search is a process of its own on one thread: three generations of ZDT1 (two
objectives) or DTLZ2 (three), or 25 evaluations of `bayes`. Seconds are those of the search, without the import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

import report

REPEATS = 1 if report.SMOKE else 3
SEARCHES = [
    ("nsga2", "zdt1", 300), ("nsga3", "dtlz2", 300), ("moead", "zdt1", 300), ("rvea", "dtlz2", 300),
    ("hype", "dtlz2", 300), ("bayes", "zdt1", 25),
]  # fmt: skip

SEARCH = """
import json, sys, time, torch, moopt
from moopt.kernels import compiling
torch.set_num_threads(1)
heard = []
compiling.listen(lambda: heard.append(True))
name, problem, n = json.loads(sys.argv[1])
if name == "bayes":
    import botorch, gpytorch
began, busy = time.perf_counter(), time.process_time()
moopt.minimize(problem, name, moopt.Evaluations(n), seed=1, progress=False)
sys.stdout.write(json.dumps([time.perf_counter() - began, time.process_time() - busy, len(heard)]))
"""


def seconds(search: tuple[str, str, int], cache: str) -> list[float]:
    """Seconds of the clock and of the processor, and how many kernels were compiled."""
    settings = os.environ | {"NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SEARCH, json.dumps(search)]
    found: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, env=settings).stdout)
    return found


def main() -> None:
    rows = []
    for search in SEARCHES[:1] if report.SMOKE else SEARCHES:
        empty, full = [], []
        for _ in range(REPEATS):
            with tempfile.TemporaryDirectory() as cache:
                empty.append(seconds(search, cache))
                full.append(seconds(search, cache))
        first, second = ([min(column) for column in zip(*runs, strict=True)] for runs in (empty, full))
        rows.append([
            f"{search[0]} on {search[1]}", f"{first[0]:.1f}", f"{first[1]:.1f}", f"{first[2]:.0f}",
            f"{second[0]:.2f}", f"{second[2]:.0f}",
        ])  # fmt: skip
    columns = ["search", "s, empty cache", "of these CPU", "compiled", "s, full cache", "compiled"]
    about = f"One thread; the import is not counted; the least of {REPEATS}. CPU seconds leave out what others took."
    body = f"{about}\n\n{report.table(columns, rows)}"
    report.write("first_call", "The first search of an installation", body, "numba")


if __name__ == "__main__":
    main()
