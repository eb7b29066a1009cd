"""Kernels on the CPU beside other libraries, on inputs that are easy and on inputs made to be hard.

`python benchmarks/kernels.py` checks that the answers agree, then writes `results/kernels.md`: medians of alternating
calls on one thread, float64. `--smoke` calls everything once on few points and writes nothing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import moocore
import numpy as np
import report
import torch
from scipy.spatial import cKDTree

from moopt.indicators import hypervolume_contributions
from moopt.kernels.directions import nearest_direction
from moopt.kernels.distances import nearest_distances
from moopt.selection import nondominated_mask, nondominated_rank

N = 300 if report.SMOKE else 20_000
REPEATS = 1 if report.SMOKE else 7
LONGEST = 30.0  # seconds after which no call is repeated

Points = np.ndarray[Any, np.dtype[np.float64]]


def uniform(rng: np.random.Generator, n: int, m: int) -> Points:
    return rng.random((n, m))


def sphere(rng: np.random.Generator, n: int, m: int) -> Points:
    """No point dominates another."""
    f = np.abs(rng.standard_normal((n, m)))
    return f / np.linalg.norm(f, axis=1, keepdims=True)


def population(rng: np.random.Generator, n: int, m: int) -> Points:
    """Parents on the sphere and children a little behind it, as selection sees them."""
    return sphere(rng, n, m) * (1.0 + np.where(rng.random((n, 1)) < 0.5, 0.0, 0.05 * rng.random((n, 1))))


def chain(rng: np.random.Generator, n: int, m: int) -> Points:
    """As many fronts as points."""
    return rng.permutation(n)[:, None] + np.zeros(m)


def equal(rng: np.random.Generator, n: int, m: int) -> Points:
    return np.full((n, m), 0.5)


def grid(rng: np.random.Generator, n: int, m: int) -> Points:
    return rng.integers(0, 4, (n, m)).astype(float)


def flat(rng: np.random.Generator, n: int, m: int) -> Points:
    """All objectives constant but two."""
    f = np.full((n, m), 0.5)
    f[:, [0, m - 1]] = rng.random((n, 2))
    return f


def layers(rng: np.random.Generator, n: int, m: int) -> Points:
    """Forty fronts of one shape behind each other."""
    return sphere(rng, n, m) * (1.0 + rng.integers(0, 40, (n, 1)))


def behind(rng: np.random.Generator, n: int, m: int) -> Points:
    """An antichain that a total chain follows."""
    half = n // 2
    return np.concatenate((sphere(rng, n - half, m), 1.0 + chain(rng, half, m)))


TYPICAL, HARD = (uniform, sphere, population), (chain, equal, grid, flat, layers, behind)


def alternating(*calls: Callable[[], Any]) -> list[float]:
    """Median milliseconds of each call's own processor time, called in turns."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(REPEATS):
        for own, call in zip(times, calls, strict=True):
            if sum(own) > LONGEST:
                continue
            began = time.process_time()
            call()
            own.append(time.process_time() - began)
    return [1e3 * statistics.median(own) for own in times]


def same(what: str, ours: Any, theirs: Any, tolerance: float = 0.0) -> None:
    if not np.allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance):
        raise SystemExit(f"{what}: the answers differ")


def rank_rows() -> list[list[str]]:
    rng, rows = np.random.default_rng(1), []
    for m in (2, 3, 4, 5, 10):
        for make in TYPICAL:
            f = make(rng, N, m)
            t = torch.from_numpy(f)
            same(f"rank, {make.__name__}, {m}", nondominated_rank(t), moocore.pareto_rank(f))
            ours, half, theirs = alternating(
                lambda t=t: nondominated_rank(t), lambda t=t: nondominated_rank(t, n_keep=N // 2),
                lambda f=f: moocore.pareto_rank(f),
            )  # fmt: skip
            mask = nondominated_mask(t)
            same(f"mask, {make.__name__}, {m}", mask, moocore.is_nondominated(f, keep_weakly=True))
            first, theirs_first = alternating(
                lambda t=t: nondominated_mask(t), lambda f=f: moocore.is_nondominated(f, keep_weakly=True)
            )
            rows.append([
                make.__name__, str(m), f"{ours:.3g}", f"{half:.3g}", f"{theirs:.3g}", f"{theirs / ours:.3g}",
                f"{first:.3g}", f"{theirs_first:.3g}", f"{theirs_first / first:.3g}",
            ])  # fmt: skip
    return rows


def hard_rows() -> list[list[str]]:
    rng, rows = np.random.default_rng(2), []
    for m in (2, 3, 5, 10):
        typical = uniform(rng, N, m)
        cells = []
        for make in HARD:
            f = make(rng, N, m)
            t, u = torch.from_numpy(f), torch.from_numpy(typical)
            if make is not chain or m < 4:  # moocore peels front by front
                same(f"rank, {make.__name__}, {m}", nondominated_rank(t), moocore.pareto_rank(f))
            ours, base = alternating(lambda t=t: nondominated_rank(t), lambda u=u: nondominated_rank(u))
            cells.append(f"{ours / base:.2g}")
        rows.append([str(m), *cells])
    return rows


def other_rows() -> list[list[str]]:
    rng, rows, half = np.random.default_rng(3), [], N // 2
    for m in (2, 3):
        f = sphere(rng, half, m)
        t, corner = torch.from_numpy(f), np.full(m, 1.1)
        expected = moocore.hv_contributions(f, ref=corner)
        same(f"contributions, {m}", hypervolume_contributions(t, corner), expected, 1e-9)
        ours, theirs = alternating(
            lambda t=t, c=corner: hypervolume_contributions(t, c),
            lambda f=f, c=corner: moocore.hv_contributions(f, ref=c),
        )
        rows.append([f"hypervolume contributions, m = {m}", f"{half:,}", f"{ours:.3g}", "moocore", f"{theirs:.3g}",
                     f"{theirs / ours:.3g}"])  # fmt: skip
        sets = torch.stack([torch.from_numpy(sphere(rng, 1000 if N > 1000 else 30, m)) for _ in range(31)])
        ours, theirs = alternating(
            lambda s=sets, c=corner: hypervolume_contributions(s, c),
            lambda s=sets, c=corner: [moocore.hv_contributions(one.numpy(), ref=c) for one in s],
        )
        rows.append([f"the same, 31 sets in one call, m = {m}", f"31 x {sets.shape[1]:,}", f"{ours:.3g}", "moocore",
                     f"{theirs:.3g}", f"{theirs / ours:.3g}"])  # fmt: skip
    f = uniform(rng, half, 3)
    t = torch.from_numpy(f)
    same("nearest", nearest_distances(t, 5), cKDTree(f).query(f, 6)[0][:, 1:], 1e-12)
    ours, theirs = alternating(lambda: nearest_distances(t, 5), lambda: cKDTree(f).query(f, 6))
    rows.append(["5 nearest distances, m = 3", f"{half:,}", f"{ours:.3g}", "scipy cKDTree", f"{theirs:.3g}",
                 f"{theirs / ours:.3g}"])  # fmt: skip
    unit = sphere(rng, half // 2, 3)
    along = (f @ unit.T).max(-1)
    directions = torch.from_numpy(unit)
    same("association", nearest_direction(t, directions)[1], along, 1e-12)
    ours, theirs = alternating(
        lambda: nearest_direction(t, directions), lambda: (f @ unit.T).argmax(-1)
    )
    rows.append(["nearest direction, m = 3", f"{half:,} to {half // 2:,}", f"{ours:.3g}", "numpy product",
                 f"{theirs:.3g}", f"{theirs / ours:.3g}"])  # fmt: skip
    return rows


def compile_seconds() -> tuple[float, float]:
    """Wall time of a first small run of all core algorithms with an empty cache of Numba, and with a full one."""
    code = (
        "import time, torch, moopt\nbegan = time.perf_counter()\n"
        "for name in ('nsga2', 'nsga3', 'moead', 'rvea', 'hype'):\n"
        "    moopt.minimize('dtlz2', moopt.algorithm(name, pop_size=20), moopt.Generations(3), progress=False)\n"
        "print(time.perf_counter() - began)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        first, second = (
            float(subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True).stdout)
            for _ in range(2)
        )
    return first, second


def main() -> None:
    torch.set_num_threads(1)
    body = f"## Pareto ranks of {N:,} points\n\nMilliseconds; `half`: stopped when half of the points are ranked; "
    body += "`mask`: the first front only.\n\n"
    columns = ["points", "m", "moopt", "moopt, half", "moocore", "moocore / moopt", "mask, moopt", "mask, moocore",
               "moocore / moopt"]  # fmt: skip
    body += report.table(columns, rank_rows())
    body += "\n\nHard inputs, in multiples of the time that uniform points take.\n\n"
    body += report.table(["m", *(make.__name__ for make in HARD)], hard_rows())
    body += "\n\n## Others\n\n"
    body += report.table(["kernel", "points", "moopt, ms", "beside", "its ms", "ratio"], other_rows())
    first, second = compile_seconds()
    body += "\n\n## Compilation\n\nThe first three generations of all five core algorithms take "
    body += f"{first:.1f} s where Numba's cache is empty and {second:.1f} s in every later process."
    report.write("kernels", "Kernels on the CPU", body, "numba", "moocore", "scipy")


if __name__ == "__main__":
    main()
