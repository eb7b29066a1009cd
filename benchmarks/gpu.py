"""All that is to be measured on a CUDA device, in one run that ends within eight minutes whatever happens.

`python benchmarks/gpu.py --all` prints what it finds as it finds it and keeps `results/gpu.md` up to date: the tests
marked gpu; each kernel's time beside its two floors, bytes moved over bandwidth and operations over rate;
milliseconds a generation of NSGA-II, NSGA-III and RVEA up to a million individuals, alone and replayed as a CUDA graph,
and whether a generation ever waits for the host; the same beside CUDA-MOEA and EvoX; control steps of robots a second
beside the simulator's own; seconds of a Bayesian suggestion; thinning. Every part is a process of its own with a
limit. What is not installed, fails or takes too long is said in a row. `python benchmarks/gpu.py kernels thinning`
runs these parts only. Without a device it says so and measures nothing; `--smoke` does a little of everything on
whatever device there is and writes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import floors
import parts
import report
import torch

BEGAN = time.monotonic()
BUDGET = 465.0  # seconds for all
PART = sys.argv[sys.argv.index("--part") + 1] if "--part" in sys.argv else ""  # what this process measures
DEVICE = "cuda" if PART and torch.cuda.is_available() else "cpu"  # the process that collects asks no driver
ROOT = Path(__file__).parents[1]
OUT = report.RESULTS / "gpu.md"

MILLION = 1_000_000
POPULATIONS = [16] if report.SMOKE else [1024, 8192, 32_768, MILLION]
BESIDE = [16] if report.SMOKE else [4096, 32_768]  # EvoX runs out of memory beyond; CUDA-MOEA publishes no more
DIMENSION = 8 if report.SMOKE else 500
BANDWIDTH, RATE = 4.8e12, 33e12  # one H200: bytes a second; comparisons in float32 a second, half of its 67 TFLOP/s
WARM, REPEATS = (1, 1) if report.SMOKE else (10, 30)
LONGEST = 4.0  # seconds after which no call is repeated
ROWS = os.fdopen(os.dup(1), "w") if PART else sys.stdout
if PART:
    os.dup2(2, 1)  # what libraries print goes where errors go


def emit(*cells: Any) -> None:
    """Hands a row to the process that collects them."""
    ROWS.write(json.dumps([cell if isinstance(cell, str) else figure(cell) for cell in cells]) + "\n")
    ROWS.flush()


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def attempt(*what: Any, measure: Callable[[], Any]) -> None:
    """A row of what is measured and what was found, or why not; what was not installed ends the part."""
    try:
        found = measure()
    except ImportError:
        raise
    except Exception as error:  # one row less
        found = [f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"]
    emit(*what, *found)
    with contextlib.suppress(Exception):  # after an error on the device nothing works any more
        torch.cuda.empty_cache()


def milliseconds(step: Callable[[], Any]) -> float:
    """Median of the device's time for a step, the first of which, where kernels are compiled, does not count."""
    step()
    synchronize()
    began = time.perf_counter()
    for _ in range(WARM - 1):
        step()
        synchronize()
        if time.perf_counter() - began > LONGEST / 4:
            break
    times: list[float] = []
    while len(times) < REPEATS and (not times or time.perf_counter() - began < LONGEST):
        if DEVICE == "cpu":
            start = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - start))
            continue
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        step()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last))
    return statistics.median(times)


def synchronize() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def waits(step: Callable[[], Any]) -> str:
    """Where a step waits for the host, "no" where it does not."""
    if DEVICE == "cpu":
        return ""
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "no"


# tests


def tests(physics: bool) -> None:
    """The tests marked gpu, those of MuJoCo Warp or all others: it compiles for minutes."""
    files = [path for path in sorted((ROOT / "tests").glob("**/test_*.py")) if "mark.gpu" in path.read_text("utf-8")]
    files = [path for path in files if ("physics" in path.name) == physics]
    command = [sys.executable, "-m", "pytest", "-v", "-m", "gpu", "--color=no", "-p", "no:cacheprovider"]
    line = ""
    with subprocess.Popen([*command, *map(str, files)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if outcome := re.match(r"(tests/\S+::.+?) (PASSED|FAILED|SKIPPED|ERROR)", line):
                emit(*outcome.groups())
            elif reason := re.match(r"(FAILED|ERROR) (tests/\S+(?:\[.*?\])?) - (.*)", line):
                emit(reason[2], reason[3])
    if process.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with {process.returncode}: {line.strip()}")


# kernels


def kernels() -> None:
    """Each kernel's time, and what memory and arithmetic alone would take."""
    from moopt.kernels import directions, distances, hypervolume, offers, philox, ranking, thinning, variation

    scale = 256 if report.SMOKE else 1
    generator = torch.Generator(DEVICE).manual_seed(1)

    def uniform(*shape: int) -> Any:
        return torch.rand(1, *shape, generator=generator, device=DEVICE)

    def below(high: int, *shape: int) -> Any:
        return torch.randint(0, high, (1, *shape), generator=generator, device=DEVICE)

    n, small, d = 65_536 // scale, 10_000 // scale, DIMENSION
    f, x, unit = uniform(n, 3), uniform(n // 2, d), torch.nn.functional.normalize(uniform(n // 2, 3), dim=-1)
    low, high = torch.zeros(d, device=DEVICE), torch.ones(d, device=DEVICE)
    keys, parents = torch.ones(1, dtype=torch.int64, device=DEVICE), below(n // 2, n // 2)
    target, zero = below(n // 2, 20 * n // 2), torch.zeros(1, 20 * n // 2, device=DEVICE)
    tie, corner = uniform(20 * n // 2), torch.ones(1, 3, device=DEVICE)
    everybody = torch.ones(1, n, dtype=torch.bool, device=DEVICE)
    how = variation.Settings(0.9, 20.0, 1 / d, 20.0)
    work: list[tuple[str, str, Callable[[], Any], tuple[int, int]]] = [
        ("uniform", f"{n * d:,} numbers", lambda: philox.uniform(keys, 1, n * d, torch.float32),
         floors.uniform(n * d, 1, 4)),
        ("rank", f"{n:,} points, m = 3", lambda: ranking.rank(f, None, n // 2), floors.rank(n, 3, 1, 4)),
        ("children", f"{n // 2:,} of {d} variables",
         lambda: variation.children(x, parents, low, high, keys, (1, 2, 3), how),
         floors.children(n // 4, d, 1, 4)),
        ("nearest_direction", f"{n:,} points, {n // 2:,} directions, m = 3",
         lambda: directions.nearest_direction(f, unit), floors.nearest_direction(n, n // 2, 3, 1, 4)),
        ("best_offer", f"{20 * n // 2:,} offers to {n // 2:,}",
         lambda: offers.best_offer(target, zero, tie, n // 2), floors.best_offer(20 * n // 2, n // 2, 1, 4)),
        ("contributions", f"{small:,} points, m = 3",
         lambda: hypervolume.contributions(f[:, :small], corner), floors.contributions(small, 3, 1)),
        ("thin", f"{n:,} points to {n // 3:,}, m = 3",
         lambda: thinning.thin(f, everybody, n // 3), floors.thin(n, n // 3, 3, 1)),
        ("nearest_distances", f"{small:,} points, m = 3, one neighbour",
         lambda: distances.nearest_distances(f[:, :small], 1), floors.nearest_distances(small, 3, 1, 1, 4)),
    ]  # fmt: skip
    for name, what, call, (moved, operations) in work:

        def beside(call: Any = call, moved: int = moved, operations: int = operations) -> list[Any]:
            took, memory, arithmetic = milliseconds(call), 1e3 * moved / BANDWIDTH, 1e3 * operations / RATE
            return [took, memory, arithmetic, took / max(memory, arithmetic)]

        attempt(name, what, measure=beside)


# generations


def generation(name: str, n: int) -> list[Any]:
    """Milliseconds a generation, the same replayed as a CUDA graph, and whether the host was waited for."""
    import moopt
    from moopt.core.algorithm import Turn
    from moopt.core.algorithm import generation as one
    from moopt.core.random import Rng

    problem = moopt.problem("dtlz1", n_obj=3, n_var=DIMENSION)
    algorithm: Any = moopt.algorithm(name, pop_size=n)
    rng = Rng(1, device=DEVICE, dtype=torch.float32)
    held = {"state": algorithm.init(problem, rng), "step": 0}

    def step() -> None:
        held["step"] += 1
        held["state"] = one(algorithm, problem, held["state"], Turn(rng.fold(held["step"]))).state

    alone = milliseconds(step)
    waited = waits(step)
    if waited != "no":
        return [alone, None, waited]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        one(algorithm, problem, held["state"], Turn(rng.fold(0)))
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            one(algorithm, problem, held["state"], Turn(rng.fold(0)))
        return [alone, milliseconds(graph.replay), waited]
    except RuntimeError as error:  # what was measured before stays
        return [alone, None, f"no; graph: {str(error).splitlines()[0][:200]}"]


def generations(name: str) -> None:
    for n in POPULATIONS:
        attempt(name, n, measure=lambda: generation(name, n))  # noqa: B023


def beside(step_of: Callable[[str, int], Callable[[], Any]]) -> None:
    """A peer's generations, and ours in the same process."""
    for n in BESIDE:
        for name in ("rvea", "nsga3", "nsga2"):

            def both(name: str = name, n: int = n) -> list[Any]:
                theirs = milliseconds(step_of(name, n))
                ours = generation(name, n)[0]
                return [theirs, ours, theirs / ours]

            attempt(name, n, measure=both)


def cuda_moea() -> None:
    import cuda_moea as peer  # type: ignore[import-not-found]

    def step_of(name: str, n: int) -> Callable[[], Any]:
        algorithm = getattr(peer, {"nsga2": "NSGA2", "nsga3": "NSGA3", "rvea": "RVEA"}[name])(
            population_size=n, max_generations=WARM + REPEATS + 5, device="cuda:0", seed=1,
            problem=peer.DTLZ1(dimension=DIMENSION, objectives=3),
        )  # fmt: skip
        algorithm.initialize()
        return algorithm.step  # type: ignore[no-any-return]

    beside(step_of)


def evox() -> None:
    import evox.algorithms
    from evox.problems.numerical import DTLZ1
    from evox.workflows import StdWorkflow

    def step_of(name: str, n: int) -> Callable[[], Any]:
        kind = getattr(evox.algorithms, {"nsga2": "NSGA2", "nsga3": "NSGA3", "rvea": "RVEA"}[name])
        with torch.device(DEVICE):
            low, high = torch.zeros(DIMENSION), torch.ones(DIMENSION)
            workflow = StdWorkflow(kind(n, 3, low, high), DTLZ1(d=DIMENSION, m=3))
            workflow.init_step()
        compiled = workflow.step if report.SMOKE else torch.compile(workflow.step)

        def step() -> None:
            with torch.device(DEVICE):  # its problems and operators make tensors of their own
                compiled()

        return step

    beside(step_of)


# robots, models, archives


def robots() -> None:
    """Control steps a second with policies, observations and rewards in the loop, and of the simulator alone."""
    import moopt
    from moopt.core.random import Rng

    def rates(name: str, worlds: int) -> list[Any]:
        problem = moopt.problem(name, horizon=4 if report.SMOKE else 200)
        rng = Rng(1, device=DEVICE, dtype=torch.float32)
        x = problem.space.sample(rng.uniform(worlds, problem.n_var))
        live = int(problem.evaluate(x, rng).cost.sum())
        rate = round(1e3 * live / milliseconds(lambda: problem.evaluate(x, rng)))
        if DEVICE == "cpu":
            return [rate]
        import warp

        engine, state = problem.physics(rng.device), problem.reset(worlds, rng)
        engine.step(state, torch.zeros(1, worlds, problem.model.nu, device=DEVICE))
        graph, stream = engine._worlds[worlds].stepping, engine._current_stream()
        ceiling = round(1e3 * worlds / milliseconds(lambda: warp.capture_launch(graph, stream)))
        return [rate, ceiling, rate / ceiling]

    for name in ("mohalfcheetah", "mohopper2"):
        for worlds in [8] if report.SMOKE else [2048, 8192, 32_768]:
            attempt(name, worlds, measure=lambda: rates(name, worlds))  # noqa: B023


def suggestions() -> None:
    """Of `bayes`, for points that are given: what it costs to fit the models and to search for the next point."""
    import moopt
    from moopt.core.random import Rng

    problem = moopt.problem("vehiclesafety")

    def seconds(n: int, device: str) -> list[Any]:
        known = problem.evaluate(problem.space.sample(Rng(1).uniform(n, problem.n_var))[0])
        run = moopt.Run(problem, "bayes", n + 10, initial=known, seed=1, progress=False, device=device)
        took = []
        for _ in range(1 if report.SMOKE else 4):
            began = time.perf_counter()
            (trial,) = run.ask(1)
            took.append(time.perf_counter() - began)
            f, g = problem.trial(trial.x, trial.values)[:2]
            trial.finish([sign * value for sign, value in zip(problem.signs, f, strict=True)], g)
            run.tell([trial])
        return [took[0], *([statistics.median(took[1:])] if took[1:] else [])]

    for device in dict.fromkeys((DEVICE, "cpu")):
        for n in [20] if report.SMOKE else [100, 300]:
            attempt("vehiclesafety", n, device, measure=lambda: seconds(n, device))  # noqa: B023


def thinning() -> None:
    """What an archive of 1,000 does with what is too much: torch's own sorts and scans, beside Numba on the CPU."""
    from moopt.kernels.thinning import thin

    for n, keeps in [(200, 100)] if report.SMOKE else [(2000, 1000), (101_000, 1000)]:
        for m in (2, 3):

            def both(n: int = n, keeps: int = keeps, m: int = m) -> list[Any]:
                f = torch.randn(1, n, m, generator=torch.Generator().manual_seed(1)).abs()
                f = f / f.norm(dim=-1, keepdim=True)
                valid = torch.ones(1, n, dtype=torch.bool)
                there, marks = f.to(DEVICE), valid.to(DEVICE)
                took = milliseconds(lambda: thin(there, marks, keeps))
                began, calls = time.perf_counter(), 0
                expected = thin(f, valid, keeps)
                while not calls or (calls < REPEATS and time.perf_counter() - began < LONGEST):
                    if not calls:  # the first one loads
                        began = time.perf_counter()
                    thin(f, valid, keeps)
                    calls += 1
                on_cpu = 1e3 * (time.perf_counter() - began) / calls
                agrees = "yes" if torch.equal(thin(there, marks, keeps).cpu(), expected) else "NO"
                return [took, on_cpu, took / on_cpu, waits(lambda: thin(there, marks, keeps)), agrees]

            attempt(n, m, keeps, measure=both)


# all


class Work(NamedTuple):
    """A part: what it calls, at most how many seconds it may take, and the heading and columns of its table."""

    call: Callable[[], None]
    seconds: float
    title: str
    columns: str


DTLZ1 = f"on DTLZ1, three objectives, {DIMENSION} variables, float32: milliseconds a generation"
GENERATION = "algorithm, population, moopt, moopt as a CUDA graph, waits for host"
WORK = {  # the most valuable first
    "tests": Work(lambda: tests(False), 90, "Tests marked gpu", "test, outcome"),
    "kernels": Work(
        kernels, 60, "Kernels beside their floors on one H200",
        "kernel, work, ms, memory floor in ms, arithmetic floor in ms, times the floor",
    ),
    "nsga2": Work(lambda: generations("nsga2"), 60, f"NSGA-II {DTLZ1}", GENERATION),
    "nsga3": Work(lambda: generations("nsga3"), 60, f"NSGA-III {DTLZ1}", GENERATION),
    "rvea": Work(lambda: generations("rvea"), 60, f"RVEA {DTLZ1}", GENERATION),
    "cuda-moea": Work(cuda_moea, 45, f"CUDA-MOEA {DTLZ1}", "algorithm, population, CUDA-MOEA, moopt, ratio"),
    "robots": Work(
        robots, 140, "Robot control, at most 200 steps an episode",
        "task, worlds, live steps/s, simulator alone in steps/s, share",
    ),
    "thinning": Work(
        thinning, 30, "Thinning points of a sphere",
        "points, m, keeps, ms, Numba on the CPU in ms, ratio, waits for host, agrees",
    ),
    "suggestions": Work(
        suggestions, 60, "A suggestion of `bayes`, vehicle safety",
        "problem, points evaluated, device, first with loading in s, later ones in s",
    ),
    "evox": Work(evox, 120, f"EvoX, compiled, {DTLZ1}", "algorithm, population, EvoX, moopt, ratio"),
    "tests-physics": Work(lambda: tests(True), 120, "Tests of MuJoCo Warp marked gpu", "test, outcome"),
}  # fmt: skip


def command(part: str) -> list[str]:
    return [sys.executable, __file__, "--part", part, *(["--smoke"] if report.SMOKE else [])]


def machine() -> None:
    """Whether there is a device, and the head of the report."""
    packages = "triton", "evox", "cuda-moea", "mujoco-warp", "botorch"
    emit(DEVICE, report.heading("On a CUDA device" if DEVICE == "cuda" else "Without a CUDA device", *packages))


def collect() -> None:
    """Runs the parts."""
    wanted = [argument for argument in sys.argv[1:] if argument not in ("--all", "--smoke")] or list(WORK)
    if unknown := sorted(set(wanted) - WORK.keys()):
        raise SystemExit(f"expected --all, --smoke, or parts among {', '.join(WORK)}, got {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part that runs ends, too
    (device, heading), wrong = parts.ask(command("machine"), 90.0, ["", ""])
    if wrong or (device != "cuda" and not report.SMOKE):
        sys.stdout.write(f"no CUDA device here{f' ({wrong})' if wrong else ''}: nothing was measured\n")
        return
    sys.stdout.write(heading + "\n")
    chosen = [
        parts.Part(work.title, work.columns.split(", "), work.seconds, command(name))
        for name, work in WORK.items() if name in wanted
    ]  # fmt: skip
    parts.run(chosen, BEGAN + BUDGET, heading, None if report.SMOKE or device != "cuda" else OUT)


def measure(part: str) -> None:
    """One part, in this process."""
    try:
        machine() if part == "machine" else WORK[part].call()
    except ImportError as error:
        emit(f"not measured, a package is missing: {error}")


if __name__ == "__main__":
    measure(PART) if PART else collect()
