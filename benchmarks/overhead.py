"""What the interface costs: the import, the progress line, and the loop around an algorithm.

`python benchmarks/overhead.py` prints a table and writes it to `benchmarks/results/overhead.md`; `--smoke` does one
small repetition and writes nothing.
"""

from __future__ import annotations

import io
import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import torch

import moopt
from moopt.core.algorithm import generation
from moopt.core.random import Rng
from moopt.monitors.progress import ProgressLine

SMOKE = "--smoke" in sys.argv
REPEATS = 1 if SMOKE else 5
GENERATIONS = 20 if SMOKE else 3000


class Terminal(io.StringIO):
    """A terminal that swallows what it is shown."""

    def isatty(self) -> bool:
        return True


class Timed(ProgressLine):
    """A progress line that adds up its own seconds."""

    seconds = 0.0

    def on_step(self, snapshot):
        began = time.perf_counter()
        super().on_step(snapshot)
        self.seconds += time.perf_counter() - began


def import_seconds() -> float:
    """Wall time of `import moopt` in a fresh interpreter that has imported torch."""
    code = "import time, torch; t = time.perf_counter(); import moopt; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def progress_share() -> float:
    """Share of a run's wall time that its progress line takes."""
    line = Timed(stream=Terminal())
    began = time.perf_counter()
    moopt.minimize("dtlz2", "nsga2", moopt.Generations(GENERATIONS), monitors=[line], progress=False)
    return line.seconds / (time.perf_counter() - began)


def loop_share() -> float:
    """Share of a run's wall time that is neither ask, evaluate nor tell: archive, history, budgets, results."""
    problem, algorithm = moopt.problem("zdt1"), moopt.algorithm("nsga2")
    rng = Rng(1)
    state = algorithm.init(problem, rng)
    began = time.perf_counter()
    for step in range(GENERATIONS):
        state = generation(algorithm, problem, state, moopt.Turn(rng.fold(step))).state
    bare = time.perf_counter() - began
    began = time.perf_counter()
    moopt.minimize(problem, algorithm, moopt.Generations(GENERATIONS), seed=1, progress=False)
    return 1 - bare / (time.perf_counter() - began)


def main() -> None:
    torch.set_num_threads(1)
    moopt.minimize("zdt1", "nsga2", moopt.Generations(5), progress=False)  # compiles
    rows = {
        "import moopt after torch, s": [import_seconds() for _ in range(REPEATS)],
        "progress line, share of the wall time (DTLZ2, N = 100)": [progress_share() for _ in range(REPEATS)],
        "loop around the algorithm, share of the wall time (ZDT1, N = 100)": [loop_share() for _ in range(REPEATS)],
    }
    lines = ["| what | median | least | most |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {statistics.median(v):.3f} | {min(v):.3f} | {max(v):.3f} |" for name, v in rows.items()
    ]
    print("\n".join(lines))
    if not SMOKE:
        head = f"{date.today()}, Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, "
        head += f"one thread, {REPEATS} repetitions\n\n"
        path = Path(__file__).parent / "results" / "overhead.md"
        path.write_text("# What the interface costs\n\n" + head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
