"""Blocks of many numbers under one name: what they cost, what users get, what is kept."""

import json
import math
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

import moopt
from moopt import Choice, FunctionProblem, Integer, Permutation, Real, Rng, Space, Weights
from moopt.catalogue.describe import describe, rebuild
from moopt.core.points import Points
from moopt.operators import Variation
from moopt.operators.crossover import sbx
from moopt.operators.mutation import polynomial_mutation
from moopt.run.archives import pareto

MIXED = Space(
    {
        "net": Weights(5, scale=0.25),
        "lr": Real(1e-4, 1.0, log=True),
        "layers": Integer(2, 9),
        "order": Permutation(3),
        "head": Weights(3, -2.0, 7.0),
    }
)


def test_a_hundred_million_numbers_cost_nothing_until_there_is_a_point():
    tracemalloc.start()
    space = Space({"net": Weights(10**8), "lr": Real(0.1, 0.2)})
    alone = Space({"net": Weights(10**8, -1.0, 2.0)})
    assert space.n_var == 10**8 + 1 and space.names == ["lr"] and alone.names == []
    assert alone.low.shape == alone.high.shape == alone.column_kinds.shape == (10**8,)
    assert alone.low.untyped_storage().nbytes() == 8 and float(alone.high[-1]) == 2.0
    assert len(repr(space)) < 200 and len(pickle.dumps(space)) < 2000 and len(json.dumps(describe(space))) < 300
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_values_are_one_tensor_in_the_precision_of_the_run():
    for dtype in (torch.float32, torch.float64):
        x = MIXED.sample(Rng(3, dtype=dtype).uniform(4, MIXED.n_var))[0]
        values = MIXED.decode(x)
        for i, point in enumerate(values):
            assert list(point) == ["net", "lr", "layers", "order", "head"] and type(point["lr"]) is float
            assert point["net"].dtype == dtype and torch.equal(point["net"], x[i, :5])
            assert torch.equal(point["head"], x[i, 10:])
        values[0]["net"].fill_(99.0)  # the user trains it on
        assert not (x == 99.0).any() and len(pickle.dumps(values[1]["net"])) < 700
        again = torch.stack([MIXED.encode(point) for point in MIXED.decode(x)])
        assert torch.allclose(again.to(dtype), x, rtol=1e-6, atol=0) and again.dtype == torch.float64
    for value in (np.arange(5.0), [0, 1, 2, 3, 4], torch.arange(5)):
        point = {**values[0], "net": value}
        assert MIXED.encode(point)[:5].tolist() == [0, 1, 2, 3, 4]


def test_the_three_maps_piece_by_piece():
    """Beside the spaces of the parts alone."""
    u = Rng(5).uniform(6, MIXED.n_var)[0]
    x = MIXED.from_cube(u)
    plain = Space({name: MIXED.variables[name] for name in ("lr", "layers", "order")})
    assert torch.equal(x[:, 5:10], plain.from_cube(u[:, 5:10]))
    assert torch.equal(x[:, 10:], (-2.0 + 9.0 * u[:, 10:]).clamp(-2, 7))
    assert np.allclose(x[:, :5].numpy(), 0.25 * norm.ppf(u[:, :5].numpy()), rtol=1e-12)
    assert torch.allclose(MIXED.to_cube(x), MIXED.to_cube(MIXED.from_cube(MIXED.to_cube(x))), atol=1e-12)
    assert torch.allclose(MIXED.to_cube(x)[:, :5], u[:, :5], atol=1e-12)
    far = x + torch.tensor([100.0] * 5 + [-99.0, 0.4, 0.3, 0.2, 0.1] + [0.0, 50.0, -50.0])
    fixed = MIXED.repair(far)
    assert torch.equal(fixed[:, :5], far[:, :5]) and fixed[:, 5].unique().tolist() == [math.log(1e-4)]
    assert (fixed[:, 11] == 7.0).all() and (fixed[:, 12] == -2.0).all()
    assert MIXED.contains(fixed).all() and not MIXED.contains(far).any()
    for wrong in (torch.nan, torch.inf, -torch.inf):
        bad = fixed[0].clone()
        bad[2] = wrong
        assert not MIXED.contains(bad)
    assert torch.equal(MIXED.low[:6], torch.tensor([-torch.inf] * 5 + [math.log(1e-4)], dtype=torch.float64))
    assert MIXED.column_kinds.tolist() == [4] * 5 + [0, 1, 3, 3, 3, 4, 4, 4]


def test_points_of_a_batch_are_those_of_one_alone():
    u = Rng(8).uniform(33, 7)[0]
    space = Space({"net": Weights(7)})
    assert torch.equal(space.from_cube(u), torch.cat([space.from_cube(row[None]) for row in u]))


def test_without_bounds_first_points_are_normal():
    x = Space({"net": Weights(20_000, scale=3.0)}).sample(Rng(1).uniform(2, 20_000))[0]
    assert kstest(x[0].numpy() / 3.0, "norm").pvalue > 0.01 and kstest(x[1].numpy() / 3.0, "norm").pvalue > 0.01


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: Weights(0), "Weights: n: expected a whole number of at least 1, got 0"),
        (lambda: Weights(2.5), "whole number"),
        (lambda: Weights(3, 1.0), "both bounds or none, got low=1.0, high=None"),
        (lambda: Weights(3, 1.0, 1.0), "finite bounds with low < high"),
        (lambda: Weights(3, 0.0, math.inf), "finite bounds"),
        (lambda: Weights(3, 0.0, 1.0, scale=2.0), "bounds or a scale, got both"),
        (lambda: Weights(3, scale=0.0), "positive scale, got 0.0"),
        (lambda: Weights(3, scale=math.inf), "scale: expected a finite number"),
        (lambda: Space({"w": Weights(3)}).encode({"w": [1.0, 2.0]}), r"w: expected .* of shape \[3\], got \[2\]"),
        (lambda: Space({"w": Weights(3)}).encode({"w": "abc"}), "w: expected a tensor or array of 3 numbers, got str"),
        (lambda: Space({"w": Weights(2)}).encode({"w": [1.0, math.nan]}), "w: expected finite numbers, got nan"),
        (lambda: Space({"w": Weights(2, -1, 3)}).encode({"w": [5.0, -2.0]}), r"numbers in \[-1, 3\], got -2.0 to 5.0"),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(moopt.InputError, match=sentence):
        make()


def test_a_block_with_bounds_varies_as_a_box_does():
    x, parents = moopt.Box(-2.0, 7.0, 6).sample(Rng([1, 2]).uniform(8, 6)), torch.arange(8).expand(2, 8)
    rng, variation = Rng([3, 4]), Variation(mutation_probability=0.5)
    wanted = variation.mate(moopt.Box(-2.0, 7.0, 6), x, parents, rng)
    assert torch.equal(variation.mate(Space({"w": Weights(6, -2.0, 7.0)}), x, parents, rng), wanted)


def test_a_block_without_bounds_crosses_in_the_limit_and_mutates_within_its_reach():
    n = 4001
    space, rng = Space({"w": Weights(n, scale=0.5)}), Rng(3)
    x = torch.stack((torch.full((n,), -4.0), torch.full((n,), 10.0)))[None].double()
    parents = torch.tensor([[0, 1]])
    crossed = Variation(crossover_probability=1.0, mutation_probability=0.0).mate(space, x, parents, rng)
    # Deb and Agrawal 1995, eq. 9: beta from u, no bounds; means stay, and children lie symmetric to them
    assert torch.allclose(crossed.sum(1), torch.full((1, n), 6.0).double(), atol=1e-9)
    u = rng.fold(0).uniform(1, n)[0, 0]
    v = torch.where(u < 0.25, 4 * u, 4 * u - 1).clamp(0, 1)
    beta = torch.where(v <= 0.5, 2 * v, 1 / (2 * (1 - v))) ** (1 / 21)
    low = torch.where(u < 0.5, 3.0 - 7.0 * beta, -4.0)
    assert torch.allclose(crossed[0].amin(0), low, rtol=1e-9)
    wide = sbx(u[None], x[0, :1], x[0, 1:], torch.full((n,), -1e9).double(), torch.full((n,), 1e9).double(), 20.0)
    assert torch.allclose(torch.cat(wide), crossed[0], rtol=1e-7)
    mutated = Variation(crossover_probability=0.0, mutation_probability=0.3).mate(space, x, parents, rng)
    v = rng.fold(2).uniform(2, n)[0]
    wanted = polynomial_mutation(v, x[0], x[0] - 0.5, x[0] + 0.5, 20.0, 0.3)
    assert torch.equal(mutated[0], wanted) and 0 < (mutated - x).abs().amax() <= 0.5
    assert (mutated != x).double().mean().item() == pytest.approx(0.3, abs=0.02)


def test_other_variables_vary_as_without_the_block():
    plain = {"n": Integer(1, 9), "k": Choice(["a", "b", "c"])}
    both = Space({**plain, "w": Weights(4)})
    x = both.sample(Rng(7).uniform(6, both.n_var))
    assert both.contains(Variation(mutation_probability=1.0).mate(both, x, torch.arange(6)[None], Rng(2))).all()
    children = Variation(mutation_probability=0.0).mate(both, x, torch.arange(6)[None], Rng(2))[..., :2]
    alone = Variation(mutation_probability=0.0).mate(Space(plain), x[..., :2], torch.arange(6)[None], Rng(2))
    for born in (children, alone):  # exchanged within pairs
        assert torch.equal(born[:, :3] + born[:, 3:], x[:, :3, :2] + x[:, 3:, :2])


def spread(net, lr):
    """Two goals at +-1 for every number: the front is the line between, hypervolume known."""
    return {"up": float((net - 1).square().mean()) + lr, "down": float((net + 1).square().mean()) + lr}


SPACE = {"lr": Real(1e-4, 1.0, log=True), "net": Weights(30, scale=0.5)}
TUNED = FunctionProblem(spread, SPACE, ["up", "down"])


@pytest.mark.parametrize("name", ["nsga2", "nsga3", "moead", "rvea", "hype", "random"])
def test_algorithms_take_blocks(name):
    found = moopt.minimize(TUNED, name, 300, progress=False, seed=2)
    assert TUNED.space.contains(found.front.x).all() and found.failures == 0
    assert found.to_dataframe().columns.tolist() == ["lr", "up", "down"]
    best = found.best()
    assert torch.equal(best["net"], TUNED.space.decode(found.front.x[:1])[0]["net"]) or best["net"].shape == (30,)
    assert spread(best["net"], best["lr"])["up"] == pytest.approx(best["up"], rel=1e-9)


def test_evolution_finds_the_line_between_the_goals():
    """f = ((1 - t)^2, (1 + t)^2) for numbers all equal to t; a mean over numbers that differ lies above."""

    def many(net, lr):
        return (net - 1).square().mean(-1) + torch.as_tensor(lr), (net + 1).square().mean(-1) + torch.as_tensor(lr)

    problem = FunctionProblem(many, SPACE, ["up", "down"], vectorized=True)
    found = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=40), 12_000, progress=False, seed=1)
    random = moopt.minimize(problem, "random", 12_000, progress=False, seed=1)
    near, far = (result.front.f.sqrt() for result in (found, random))
    assert (near.sum(1) - 2.0).median() < 0.05 < (far.sum(1) - 2.0).median()  # 0 on the front
    assert near[:, 0].amin() < 0.75 > near[:, 1].amin() and near.amin() < far.amin() - 0.1


def test_what_needs_bounds_says_so():
    with pytest.raises(moopt.InputError, match="Bayes does not fit: it does not handle weights variables"):
        moopt.minimize(TUNED, "bayes", 20, progress=False)
    from moopt.bridges.botorch import sobol

    with pytest.raises(ValueError, match="it searches no blocks of weights"):
        sobol(TUNED.space, 4, 0)


def test_many_at_once_get_a_tensor_of_all():
    shapes = []

    def many(net, lr):
        shapes.append((net.shape, net.dtype, lr.shape))
        return (net - 1).square().mean(-1) + torch.as_tensor(lr), (net + 1).square().mean(-1) + torch.as_tensor(lr)

    problem = FunctionProblem(many, SPACE, ["up", "down"], vectorized=True)
    x = problem.space.sample(Rng(1).uniform(5, 31))[0]
    f = problem.evaluate(x).f
    assert shapes == [(torch.Size([5, 30]), torch.float64, (5,))]
    assert torch.allclose(f, TUNED.evaluate(x).f, rtol=1e-12)


def test_given_points_and_tables(tmp_path):
    import pandas

    net = torch.linspace(-1, 1, 30)
    frame = pandas.DataFrame({"lr": [0.5, 0.25], "net": [net, -net], "up": [1.0, 2.0], "down": [3.0, 4.0]})
    run = moopt.Run(TUNED, "nsga2", 10, initial=frame)
    initial = run.search.initial
    assert torch.allclose(initial.known.x[:, 1:], torch.stack((net, -net)).double()) and len(initial.x) == 0
    with pytest.raises(moopt.InputError, match=r"expected columns \['lr', 'net'\], got none for \['net'\]"):
        moopt.Run(TUNED, "nsga2", 10, initial=frame[["lr", "up", "down"]])
    x = TUNED.space.sample(Rng(1).uniform(2, 31))[0]
    x[1, 7] = math.inf
    with pytest.raises(moopt.InputError, match="initial point 2: expected a point of the space, got one outside"):
        moopt.Run(TUNED, "nsga2", 10, initial=x)
    kept = moopt.Run(TUNED, "nsga2", 10, initial=frame, out=tmp_path / "run")
    kept.close()
    again = moopt.Run.reopen(tmp_path / "run", problem=TUNED)
    assert torch.equal(again.search.initial.known.x, run.search.initial.known.x)
    assert torch.equal(again.search.initial.known.f, run.search.initial.known.f)
    again.close()
    assert rebuild(describe(TUNED.space)).variables == TUNED.space.variables


def test_worker_processes_get_the_tensor(tmp_path):
    """In a process of its own, whose functions workers can find."""
    script = tmp_path / "own.py"
    script.write_text(
        "import torch, moopt\n"
        "def f(net, lr):\n"
        "    assert isinstance(net, torch.Tensor) and net.shape == (1000,) and net.dtype == torch.float32\n"
        "    return float((net - 1).square().mean()), float((net + 1).square().mean()) + lr\n"
        "space = {'lr': moopt.Real(0.1, 0.2), 'net': moopt.Weights(1000)}\n"
        "if __name__ == '__main__':\n"
        "    problem = moopt.FunctionProblem(f, space, ['a', 'b'])\n"
        "    r = moopt.minimize(problem, 'random', 6, executor='processes:1', dtype='float32', progress=False)\n"
        "    again = problem.evaluate(r.front.x)\n"
        "    assert torch.allclose(again.f, r.front.f) and not r.errors, r.errors\n"
        "    assert all(t.x.dtype == torch.float32 for t in r.trials)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# the archive


class Large(moopt.Problem):
    n_obj = 3

    def __init__(self, n):
        self.space = Space({"net": Weights(n)})

    def _evaluate(self, x):
        return torch.stack((x[..., 0], x[..., 1], -x[..., :2].sum(-1)), -1)


def test_capacity_is_a_thousand_points_or_a_quarter_of_a_gibibyte():
    wanted = {1: 1000, 33_000: 1000, 10**5: 335, 10**7: 4, 10**8: 4}
    assert {n: pareto.capacity(Large(n), torch.float64) for n in wanted} == wanted
    assert pareto.capacity(Large(10**7), torch.float32) == 6 and pareto.capacity(Large(10**5), torch.float32) == 671
    space = Space({"net": Weights(10**7)})
    one = FunctionProblem(None, space, ["a"])
    assert pareto.capacity(one, torch.float64) == 3


def test_an_archive_of_large_points_stays_small(monkeypatch):
    monkeypatch.setattr(pareto, "ARCHIVE_BYTES", 100_000)
    problem = Large(1000)
    run = moopt.Run(problem, moopt.algorithm("random", pop_size=50), 2000, seed=3)
    result = run.run()
    most = pareto.capacity(problem, torch.float64)
    assert most == 12 and len(result.front) == 12
    kept = run.progress.groups[0].archive.padded()[0]
    assert kept.x.numel() * 8 < 100_000 and isinstance(kept, Points)
    ends = result.population.f  # the last generation alone knows nothing better than the archive in any objective
    assert (result.front.f.amin(0) <= ends.amin(0)).all()
