"""The contract of a problem."""

from __future__ import annotations

from operator import itemgetter

import torch
from torch import Tensor

from moopt.catalogue.describe import Undescribable, describe, rebuild
from moopt.core import tree
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.run import search
from moopt.selection import nondominated_mask
from moopt.testing.contract import global_draws_untouched, require, same


def check_problem(problem: Problem, *, n: int = 64, seed: int = 1) -> None:
    """Checks that a problem keeps its contract, on `n` sampled points.

    Shapes, dtypes and leading dimensions; inputs unmodified; one point alone gives the bits it gives among others, and
    one run of a stochastic problem alone those it gives in a batch of runs; determinism and no global draws; ideal,
    nadir and Pareto front agree with each other and with the samples; values survive the maps of the space; the
    description makes an equal problem. Raises ContractError.
    """
    who = problem.name
    search.check_problem(problem)
    rng = Rng([seed], dtype=torch.float64)
    x = problem.space.sample(rng.uniform(n, problem.n_var))[0]
    require(problem.space.contains(x).all(), f"{who}: its space samples points that it does not contain")
    draws = rng.fold(1) if problem.stochastic else None
    with global_draws_untouched(who):
        before = x.clone()
        whole = problem.evaluate(x[None], draws)
    require(torch.equal(x, before), f"{who}: changes the points it is given")
    require(whole.f.dtype == torch.float64, f"{who}: expected f of the dtype of x, float64, got {whole.f.dtype}")
    require(same(whole, problem.evaluate(x[None], draws)), f"{who}: gives other values for the same points")
    require(not whole.failed.all(), f"{who}: fails at every one of {n} sampled points")
    single = problem.evaluate(x[None].float(), draws)
    require(single.f.dtype == torch.float32, f"{who}: expected f of the dtype of x, float32, got {single.f.dtype}")
    if problem.stochastic:
        _check_runs(problem, x[:8], seed)
    else:
        _check_batches(problem, x, whole)
    _check_known(problem, whole)
    values = problem.space.decode(x)
    again = torch.stack([problem.space.encode(point) for point in values])
    require(torch.allclose(again, x, rtol=1e-12, atol=1e-12), f"{who}: values change on the way to dicts and back")
    try:
        twin = rebuild(describe(problem))
    except Undescribable:
        return
    require(same(whole, twin.evaluate(x[None], draws)), f"{who}: made again from its description, it is another")


def _check_batches(problem: Problem, x: Tensor, whole: Points) -> None:
    who = problem.name
    for i in (0, len(x) // 2, len(x) - 1):
        among = tree.map_tensors(itemgetter((0, slice(i, i + 1))), whole)
        kept = same(problem.evaluate(x[i : i + 1]), among)
        require(kept, f"{who}: point {i} alone gives other values than among {len(x)}")
    half = len(x) // 2
    folded = tree.map_tensors(lambda leaf: leaf[0, : 2 * half].reshape(2, half, *leaf.shape[2:]), whole)
    kept = same(problem.evaluate(x[: 2 * half].reshape(2, half, -1)), folded)
    require(kept, f"{who}: a leading batch dimension changes the values")
    empty = problem.evaluate(x[:0])
    require(empty.f.shape == (0, problem.n_obj), f"{who}: expected f of shape [0, {problem.n_obj}] for no points")


def _check_runs(problem: Problem, x: Tensor, seed: int) -> None:
    """Each run of a stochastic problem draws for itself."""
    both = problem.evaluate(x.expand(2, *x.shape), Rng([seed, seed + 1], dtype=x.dtype).fold(1))
    for i in range(2):
        alone = problem.evaluate(x[None], Rng([seed + i], dtype=x.dtype).fold(1))
        together = tree.map_tensors(itemgetter(slice(i, i + 1)), both)
        require(same(alone, together), f"{problem.name}: a run alone draws other values than in a batch of runs")


def _check_known(problem: Problem, whole: Points) -> None:
    who, tolerance = problem.name, 1e-6
    ideal, nadir, front = problem.ideal, problem.nadir, problem.pareto_front(50)
    if ideal is not None and nadir is not None:
        require((ideal <= nadir).all(), f"{who}: its ideal point is worse than its nadir")
        scale = (nadir - ideal).abs().clamp(min=1e-12)
        good = ~whole.failed & (whole.g <= 0).all(-1)
        below = (ideal - whole.f[good]) / scale
        require(problem.stochastic or not (below > tolerance).any(), f"{who}: sampled points beat its ideal point")
        if front is not None:
            inside = ((front - ideal) / scale >= -tolerance) & ((nadir - front) / scale >= -tolerance)
            require(inside.all(), f"{who}: its Pareto front leaves the box of ideal and nadir")
    if front is not None:
        require(front.ndim == 2 and front.shape[1] == problem.n_obj, f"{who}: pareto_front has a wrong shape")
        require(nondominated_mask(front).all(), f"{who}: its Pareto front holds dominated points")
