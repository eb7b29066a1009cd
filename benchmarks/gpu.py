"""Generations and kernels on a CUDA device, beside CUDA-MOEA and EvoX where they are installed, in one run.

`python benchmarks/gpu.py` writes `results/gpu.md`: milliseconds a generation of NSGA-III and RVEA on DTLZ1 with three
objectives and 500 variables, alone and replayed as a CUDA graph; whether a generation ever waits for the host; and each
kernel's time beside its two floors, bytes moved over bandwidth and operations over rate; control steps of robots a
second beside the simulator's own. Without a device it says so and measures nothing; `--smoke` runs the moopt parts once
on whatever device there is and writes nothing.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import floors
import report
import torch

import moopt
from moopt.core.algorithm import Asking, Turn, generation
from moopt.core.random import Rng
from moopt.kernels import directions, distances, hypervolume, offers, philox, ranking, variation

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
POPULATIONS = [16] if report.SMOKE else [1024, 4096, 8192, 16_384, 32_768, 1_000_000]
PEERS_UP_TO = 32_768  # EvoX runs out of memory beyond; CUDA-MOEA publishes no more
DIMENSION = 8 if report.SMOKE else 500
BANDWIDTH, RATE = 4.8e12, 33e12  # one H200: bytes a second; comparisons in float32 a second, half of its 67 TFLOP/s
WARM, REPEATS = (1, 1) if report.SMOKE else (10, 30)


def milliseconds(step: Callable[[], Any]) -> float:
    """Median of the device's time for a step."""
    for _ in range(WARM):
        step()
    times = []
    for _ in range(REPEATS):
        if DEVICE == "cpu":
            began = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - began))
            continue
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        step()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def moopt_generation(name: str, n: int) -> tuple[float, float | None, str]:
    """Milliseconds a generation, the same replayed as a CUDA graph, and whether the host was waited for."""
    problem = moopt.problem("dtlz1", n_obj=3, n_var=DIMENSION)
    algorithm: Any = moopt.algorithm(name, pop_size=n)
    rng = Rng(1, device=DEVICE, dtype=torch.float32)
    held = {"state": algorithm.init(problem, rng), "step": 0}

    def step() -> None:
        held["step"] += 1
        held["state"] = generation(algorithm, problem, held["state"], Turn(rng.fold(held["step"]))).state

    alone = milliseconds(step)
    if DEVICE == "cpu":
        return alone, None, ""
    waits = "no"
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        waits = str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    if waits != "no":
        return alone, None, waits
    return alone, replayed(algorithm, problem, held["state"], rng), waits


def replayed(algorithm: Asking, problem: moopt.Problem, state: Any, rng: Rng) -> float:
    """Milliseconds of one generation as a CUDA graph: what launching kernel by kernel costs is what it saves."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        generation(algorithm, problem, state, Turn(rng.fold(0)))
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        generation(algorithm, problem, state, Turn(rng.fold(0)))
    return milliseconds(graph.replay)


def cuda_moea_generation(name: str, n: int) -> float | None:
    """Milliseconds a generation of CUDA-MOEA, or `None` where it is not installed."""
    try:
        import cuda_moea  # type: ignore[import-not-found]
    except ImportError:
        return None
    algorithm = {"nsga3": cuda_moea.NSGA3, "rvea": cuda_moea.RVEA}[name](
        population_size=n, max_generations=WARM + REPEATS + 5, device="cuda:0", seed=1,
        problem=cuda_moea.DTLZ1(dimension=DIMENSION, objectives=3),
    )  # fmt: skip
    algorithm.initialize()
    return milliseconds(algorithm.step)


def evox_generation(name: str, n: int) -> float | None:
    """Milliseconds a generation of EvoX, compiled, or `None` where it is not installed or runs out of memory."""
    try:
        import evox.algorithms
        from evox.problems.numerical import DTLZ1
        from evox.workflows import StdWorkflow
    except ImportError:
        return None
    low, high = torch.zeros(DIMENSION, device=DEVICE), torch.ones(DIMENSION, device=DEVICE)
    try:
        algorithm = getattr(evox.algorithms, {"nsga3": "NSGA3", "rvea": "RVEA"}[name])(n, 3, low, high, device=DEVICE)
        workflow = StdWorkflow(algorithm, DTLZ1(d=DIMENSION, m=3), device=DEVICE)
        workflow.init_step()
        return milliseconds(torch.compile(workflow.step))
    except torch.OutOfMemoryError:
        return None


def generations() -> str:
    rows = []
    for name in ("nsga3", "rvea"):
        for n in POPULATIONS:
            alone, graph, waits = moopt_generation(name, n)
            peers = [None, None]
            if DEVICE == "cuda" and n <= PEERS_UP_TO:
                peers = [cuda_moea_generation(name, n), evox_generation(name, n)]
            figures = ["" if figure is None else f"{figure:.3g}" for figure in (alone, graph, *peers)]
            rows.append([name, f"{n:,}", *figures, waits])
            sys.stderr.write(" | ".join(rows[-1]) + "\n")
    columns = ["algorithm", "population", "moopt", "moopt, CUDA graph", "CUDA-MOEA", "EvoX compiled", "waits for host"]
    return report.table(columns, rows)


def kernels() -> str:
    """Each kernel's time, and what memory and arithmetic alone would take."""
    scale = 256 if report.SMOKE else 1
    generator = torch.Generator(DEVICE).manual_seed(1)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(1, *shape, generator=generator, device=DEVICE)

    def below(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, (1, *shape), generator=generator, device=DEVICE)

    n, small, d = 65_536 // scale, 10_000 // scale, DIMENSION
    f, x, unit = uniform(n, 3), uniform(n // 2, d), torch.nn.functional.normalize(uniform(n // 2, 3), dim=-1)
    low, high = torch.zeros(d, device=DEVICE), torch.ones(d, device=DEVICE)
    keys, parents = torch.ones(1, dtype=torch.int64, device=DEVICE), below(n // 2, n // 2)
    target, zero = below(n // 2, 20 * n // 2), torch.zeros(1, 20 * n // 2, device=DEVICE)
    how = variation.Settings(0.9, 20.0, 1 / d, 20.0)
    work = [
        ("uniform", f"{n * d:,} numbers", lambda: philox.uniform(keys, 1, n * d, torch.float32),
         floors.uniform(n * d, 1, 4)),
        ("rank", f"{n:,} points, m = 3", lambda: ranking.rank(f, None, n // 2), floors.rank(n, 3, 1, 4)),
        ("children", f"{n // 2:,} of {d} variables",
         lambda: variation.children(x, parents, low, high, keys, (1, 2, 3), how),
         floors.children(n // 4, d, 1, 4)),
        ("nearest_direction", f"{n:,} points, {n // 2:,} directions, m = 3",
         lambda: directions.nearest_direction(f, unit), floors.nearest_direction(n, n // 2, 3, 1, 4)),
        ("best_offer", f"{20 * n // 2:,} offers to {n // 2:,}",
         lambda: offers.best_offer(target, zero, uniform(20 * n // 2), n // 2),
         floors.best_offer(20 * n // 2, n // 2, 1, 4)),
        ("contributions", f"{small:,} points, m = 3",
         lambda: hypervolume.contributions(f[:, :small], torch.ones(1, 3, device=DEVICE)),
         floors.contributions(small, 3, 1)),
        ("nearest_distances", f"{small:,} points, m = 3, one neighbour",
         lambda: distances.nearest_distances(f[:, :small], 1), floors.nearest_distances(small, 3, 1, 1, 4)),
    ]  # fmt: skip
    rows = []
    for name, what, call, (moved, operations) in work:
        took, memory, arithmetic = milliseconds(call), 1e3 * moved / BANDWIDTH, 1e3 * operations / RATE
        distance = took / max(memory, arithmetic)
        rows.append([name, what, f"{took:.3g}", f"{memory:.2g}", f"{arithmetic:.2g}", f"{distance:.3g}"])
    return report.table(["kernel", "work", "ms", "memory floor, ms", "arithmetic floor, ms", "times the floor"], rows)


def control() -> str:
    """Control steps a second with policies, observations and rewards in the loop, and of the simulator alone."""
    rows = []
    for name in ("mohalfcheetah", "mohopper2"):
        for worlds in [8] if report.SMOKE else [2048, 8192, 32_768]:
            problem = moopt.problem(name, horizon=4 if report.SMOKE else 200)
            rng = Rng(1, device=DEVICE, dtype=torch.float32)
            x = problem.space.sample(rng.uniform(worlds, problem.n_var))
            live = int(problem.evaluate(x, rng).cost.sum())
            rate, ceiling = 1e3 * live / milliseconds(lambda: problem.evaluate(x, rng)), None  # noqa: B023
            if DEVICE == "cuda":
                import warp

                engine, state = problem.physics(rng.device), problem.reset(worlds, rng)
                engine.step(state, torch.zeros(1, worlds, problem.model.nu, device=DEVICE))
                graph, stream = engine._worlds[worlds].stepping, engine._current_stream()
                ceiling = 1e3 * worlds / milliseconds(lambda: warp.capture_launch(graph, stream))  # noqa: B023
            share = "" if ceiling is None else f"{rate / ceiling:.2f}"
            rows.append([name, f"{worlds:,}", f"{rate:,.0f}", "" if ceiling is None else f"{ceiling:,.0f}", share])
    return report.table(["task", "worlds", "moopt, live steps/s", "simulator alone, steps/s", "share"], rows)


def main() -> None:
    if DEVICE == "cpu" and not report.SMOKE:
        sys.stdout.write("no CUDA device here: nothing was measured\n")
        return
    body = "Milliseconds a generation, DTLZ1, three objectives, 500 variables, float32.\n\n" + generations()
    body += "\n\n## Kernels beside their floors\n\n" + kernels()
    body += "\n\n## Robot control, at most 200 steps an episode\n\n" + control()
    report.write("gpu", "On a CUDA device", body, "triton", "evox", "cuda-moea", "mujoco-warp")


if __name__ == "__main__":
    main()
