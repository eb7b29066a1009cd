"""Contenders: what of their answers counts, which sentences they get, and whether bridges change what they bridge."""

import random
import re
import sys
from functools import partial

import numpy as np
import pytest
import torch

import moopt
from moopt.bridges import Recorded, contender, run_contender
from moopt.indicators import hypervolume


class Line(moopt.Problem):
    """Bounds that float32 cannot hold, an objective to maximise; `noisy` adds noise."""

    space = moopt.Space({"a": moopt.Real(0.1, 2.3), "k": moopt.Integer(-2, 7), "b": moopt.Real(-1.7, 0.3)})
    n_obj, n_con, directions = 2, 1, ("min", "max")

    def _evaluate(self, x):
        a, k, b = x.unbind(-1)
        return torch.stack((a + b.square(), a * k - b), -1), (k - 5.5)[..., None]


class Noisy(moopt.Problem):
    space, n_obj, stochastic = moopt.Box(0.0, 1.0, 2), 2, True

    def _evaluate(self, x, draw):
        return x + 0.1 * draw.rng.normal(*x.shape[-2:])[0]


class Reals(moopt.Problem):
    """Convex front up to the bound 2.2, which float32 rounds up; `wall`: points with x1 beyond it fail."""

    def __init__(self, n_obj=2, wall=torch.inf):
        self.n_obj, self.wall, self.space = n_obj, wall, moopt.Box([0.1] * 6, [2.2, 2.2, 1.9, 2.3, 2.3, 2.3])

    def _evaluate(self, x):
        m = self.n_obj
        g = (x[..., m - 1 :] - 1.3).square().sum(-1, keepdim=True)
        f = torch.cat((x[..., : m - 1], (3.0 - x[..., : m - 1]).square().sum(-1, keepdim=True)), -1) + g
        return torch.where(x[..., :1] > self.wall, torch.nan, f)


def points(n, seed=0, problem=None):
    problem = problem or Line()
    return problem.space.sample(torch.from_numpy(np.random.default_rng(seed).random((n, problem.n_var)))).numpy()


def fails(search, sentence, problem=None, budget=20, **options):
    with pytest.raises(ValueError, match=sentence) as caught:
        run_contender(search, problem or Line(), budget, 1, options)
    assert "\n" not in str(caught.value)


def test_what_is_returned_is_evaluated_in_its_order():
    x, problem = points(12), Line()
    found = run_contender(lambda problem, budget, seed: x.tolist(), problem, 12, 1)
    own = problem.evaluate(x)
    assert torch.equal(found.x, torch.from_numpy(x)) and torch.equal(found.f, own.f) and torch.equal(found.g, own.g)
    assert found.signs == (1, -1) and not found.failed.any()


def test_what_is_evaluated_is_recorded_and_ends_with_the_budget():
    x, asked = points(30), []

    def search(problem, budget, seed):
        assert (problem.name, problem.n_var, problem.directions, problem.noun) == ("line", 3, ("min", "max"), "word")
        for k in (1, 5, 8, 8, 8):
            part = torch.tensor(x[len(asked) : len(asked) + k]).reshape(k // 4 or 1, -1, 3)[: k // 4 or 1]
            asked.extend(part.reshape(-1, 3))
            try:
                answer = problem.evaluate(part)
            except Exception:  # BudgetSpent is none
                continue
            answer.f.zero_()  # changes nothing of what is kept
            part.zero_()

    problem = Line()
    problem.noun = "word"
    found = run_contender(search, problem, 19, 1)
    assert torch.equal(found.x, torch.from_numpy(x[:19])) and torch.equal(found.f, problem.evaluate(found.x).f)
    assert len(asked) > 19 and len(found) == 19


def test_float32_is_evaluated_in_float64_and_may_round_a_bound():
    top = torch.tensor([[0.1, 7, 0.3], [2.3, -2, -1.7]])  # float32 rounds 0.1 and 0.3 up
    record = Recorded(Line(), 9)
    assert record.evaluate(top).f.dtype == torch.float32
    assert Line.space.contains(record.population.x).all() and not Line.space.contains(top.double()).all()
    assert torch.equal(record.population.f, Line().evaluate(record.population.x).f)
    x = torch.tensor([[1.0, 2.0, -0.5]], requires_grad=True)
    record.evaluate(x).f[0, 0].backward()
    assert x.grad.tolist() == [[1.0, 0.0, -1.0]] and not record.population.f.requires_grad


def test_noise_is_drawn_anew_in_every_call_and_again_for_a_seed():
    def search(problem, budget, seed):
        for _ in range(budget):
            problem.evaluate([[0.5, 0.5]])

    first, second, other = (run_contender(search, Noisy(), 40, seed).f for seed in (3, 3, 4))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert len(first.unique(dim=0)) == 40 and 0.07 < first.std() < 0.13


def test_values_that_are_handed_in():
    x, values = points(30), Line().evaluate(points(30))
    for answer in ((x, values), (x, (values.f.numpy(), values.g.tolist()))):
        assert torch.equal(run_contender(lambda p, b, s, a=answer: a, Line(), 30, 1).f, values.f)
    rounded = values.f.numpy() * (1 + 3e-7)
    assert run_contender(lambda p, b, s: (x, (rounded, values.g)), Line(), 30, 1).f[3, 1] == rounded[3, 1]
    wrong = values.f.clone()
    wrong[:, 1] *= -1  # in the user's sign
    at = r"point \d+: objective f2 was handed in as -?\d+\.\d+, but the problem gives -?\d+\.\d+"
    fails(lambda p, b, s: (x, (wrong, values.g)), at, budget=30)
    fails(lambda p, b, s: (x, (values.f, values.g + 1)), "constraint g1 was handed in as", budget=30)
    fails(lambda p, b, s: (x, (values.f, None)), "expected g as numbers", budget=30)
    fails(lambda p, b, s: (x, (values.f[:9], values.g)), r"expected f of shape \[30, 2\], got \[9, 2\]", budget=30)
    noisy = run_contender(lambda p, b, s: (np.full((4, 2), 0.5), np.full((4, 2), 8.0)), Noisy(), 4, 1)
    assert (noisy.f == 8).all()  # nobody can know better


def returns(value):
    return lambda problem, budget, seed: value


def evaluates_then_invents(problem, budget, seed):
    problem.evaluate(points(3))
    return points(4)


def crashes(problem, budget, seed):
    problem.evaluate(points(3))
    raise KeyError("no such weight")


BAD = points(5)
BAD[3, 0] = np.nan
OUT, HALF = points(5), points(5)
OUT[2, 2], HALF[4, 1] = 0.4, 1.5
GARBAGE = {
    "nan": (returns(BAD), r"point 4: expected a in \[0.1, 2.3\], got nan"),
    "width": (returns(points(5)[:, :2]), r"expected points of shape \[n, 3\], got \[5, 2\]"),
    "one point without brackets": (returns([1.0, 2.0, 0.1]), r"got \[3\]"),
    "text": (returns([["0.1", "2", "0.1"]]), "expected the points as numbers, got .*0.1"),
    "none": (returns([[1.0, None, 0.1]]), "expected the points as numbers"),
    "ragged": (returns([[1.0, 2.0, 0.1], [1.0, 2.0]]), "rows of different lengths"),
    "outside": (returns(OUT), r"point 3: expected b in \[-1.7, 0.3\], got 0.4"),
    "fraction": (returns(HALF), "point 5: expected a whole number for k, got 1.5"),
    "too many": (returns(points(21)), "expected at most 20 points, the budget, got 21"),
    "nothing": (returns(None), "nothing was evaluated and nothing returned"),
    "empty": (returns([]), r"expected points of shape \[n, 3\], got \[0\]"),
    "invented": (evaluates_then_invents, "point 4 was returned, but not evaluated"),
    "crash": (crashes, r"KeyError: 'no such weight' \(line \d+\)"),
    "exit": (lambda problem, budget, seed: sys.exit(3), "SystemExit: 3"),
    "asks outside": (lambda problem, budget, seed: problem.evaluate(OUT), "point 3: expected b in"),
    "asks for too little": (lambda problem, budget, seed: problem.evaluate([[1.0]]), r"\[\.\.\., n, 3\], got \[1, 1\]"),
    "no seed": (lambda problem, budget: points(3), "does not take .*: too many positional arguments"),
}


@pytest.mark.parametrize("search, sentence", GARBAGE.values(), ids=GARBAGE)
def test_garbage_gets_a_sentence(search, sentence):
    fails(search, rf"^test_contenders\.py:.*: .*{sentence}")


def test_a_permutation_holds_every_item():
    problem = moopt.FunctionProblem(lambda p: (0.0, 1.0), {"p": moopt.Permutation(3)}, {"f": "min", "h": "min"})
    fails(returns([[0, 1, 2], [0, 2, 2]]), "point 2: expected every item once in a permutation", problem)


def test_a_function_that_raises_makes_a_failed_point():
    def divide(u):
        if u < 0:
            raise RuntimeError("diverged")
        return {"f": 1 / u, "h": u}

    problem = moopt.FunctionProblem(divide, {"u": moopt.Real(-1, 4)}, {"f": "min", "h": "max"})
    found = run_contender(returns([[2.0], [-0.5], [0.0], [4.0]]), problem, 4, 1)
    assert found.failed.tolist() == [False, True, True, False] and found.f[[0, 3]].tolist() == [[0.5, -2], [0.25, -4]]


def test_global_generators_start_from_the_seed_and_are_put_back():
    def search(problem, budget, seed):
        draws = [random.random(), np.random.rand(), torch.rand(1).item()]
        return [[1.0 + draws[0], 2, 0.1 * draws[1]], [1.0, 3, -draws[2]]]

    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    first = run_contender(search, Line(), 2, 7).x
    after = [random.random(), np.random.rand(), torch.rand(1).item()]
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    assert after == [random.random(), np.random.rand(), torch.rand(1).item()]
    assert torch.equal(first, run_contender(search, Line(), 2, 7).x)
    assert not torch.equal(first, run_contender(search, Line(), 2, 8).x)


def test_an_algorithm_of_moopt_can_be_a_contender():
    def search(problem, budget, seed, pop_size=20):
        moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=pop_size), budget, seed=seed, progress=False)

    problem = moopt.problem("zdt1", n_var=6)
    found = run_contender(search, problem, 600, 5)
    alone = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=20), 600, seed=5, progress=False)
    assert len(found) == 600 and hypervolume(found.f, [1.1, 1.1]) == hypervolume(alone.front.f, [1.1, 1.1]) > 0
    fails(search, "does not take .*unexpected keyword argument 'size'", problem, size=3)


SOLVER = """
import random, sys
def search(problem, budget, seed, low=0.5):
    return [[low + i / 100, 3, -0.2] for i in range(budget)]
limit = 3
if __name__ == "__main__":
    name, n, seed, shift = sys.argv[1:]
    print("# a b c")
    for i in range(int(n)):
        print(f"{0.5 + i / 100},\\t3  {float(shift)}" + ("\\n" if i else ""))
    print("a warning", file=sys.stderr)
    print("no licence for", name, file=sys.stderr)
    sys.exit(int(seed))
"""


@pytest.fixture
def solver(tmp_path, monkeypatch):
    path = tmp_path / "own_solver.py"
    path.write_text(SOLVER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_solver", raising=False)
    return path


def test_files_modules_and_programs(solver):
    command = f"'{sys.executable}' '{solver}' {{problem}} {{evaluations}} {{seed}} {{shift}}"
    expected = torch.tensor([[0.5 + i / 100, 3, -0.2] for i in range(9)], dtype=torch.float64)
    for spec, options in ((f"{solver}:search", {}), ("own_solver:search", {}), ({"command": command}, {"shift": -0.2})):
        assert torch.equal(run_contender(contender(spec), Line(), 9, 0, options).x, expected)
    moved = run_contender(contender(f"{solver}:search"), Line(), 9, 0, {"low": 0.7})
    assert moved.x[:, 0].tolist() == [0.7 + i / 100 for i in range(9)]
    name = "^command python[0-9.]*: "
    with pytest.raises(ValueError, match=f"{name}ended with exit code 3: no licence for line$"):
        run_contender(contender({"command": command}), Line(), 9, 3, {"shift": 0.1})
    fails(contender({"command": command}), "expected places among .*got {shift}")
    fails(contender({"command": command}), "expected {spin} in the command", shift=1, spin=2)
    short, text = (f"'{sys.executable}' -c 'print({said})'" for said in ('"1 2 3\\n1,2"', '"done"'))
    fails(contender({"command": short}), "line 2 of its output: expected 3 numbers, got 2")
    fails(contender({"command": text}), "line 1 of its output: expected numbers, got 'done'")
    fails(contender({"command": "./no-such-solver"}), "^command no-such-solver: expected a program that can be started")


@pytest.mark.parametrize("spec, sentence", [
    ("nsga2", "expected a contender as library:Class"), (3, "or module:function, got 3"),
    ("own_solver:limit", "own_solver:limit: expected a function, got 3"),
    ("own_solver:missing", "own_solver:missing: .*no attribute 'missing'"),
    ("no_such_module:search", "No module named 'no_such_module'"),
    ("no_such_file.py:search", "no_such_file.py: expected a Python file, got none there"),
    ({"command": ""}, "got an empty one"), ({"command": "solver '"}, "No closing quotation"),
    ({"program": "x"}, "expected a table with a command"),
])  # fmt: skip
def test_specs_that_mean_nothing(spec, sentence, solver):
    with pytest.raises(ValueError, match=sentence):
        contender(spec)


# Bridges


def by_pymoo(name, problem, budget, seed, **options):
    """pymoo alone: all points in order."""
    minimize = pytest.importorskip("pymoo.optimize").minimize
    from pymoo.core.problem import Problem

    asked = []

    class Alone(Problem):
        def __init__(self):
            bounds = {"xl": problem.space.low.numpy(), "xu": problem.space.high.numpy()}
            super().__init__(n_var=problem.n_var, n_obj=problem.n_obj, **bounds)

        def _evaluate(self, x, out, *args, **kwargs):
            asked.append(x.copy())
            out["F"] = problem.evaluate(x).f.numpy()

    from moopt.bridges.pymoo import _classes

    minimize(Alone(), _classes()[name](**options), ("n_eval", budget), seed=seed)
    return np.concatenate(asked)


@pytest.mark.parametrize("name, n_obj, sized", [("NSGA2", 2, "pop_size"), ("SMSEMOA", 3, "pop_size"),
                                                ("NSGA3", 3, "ref_dirs"), ("MOEAD", 2, "ref_dirs")])  # fmt: skip
def test_pymoo_finds_what_it_finds_alone(name, n_obj, sized):
    from moopt.operators.directions import directions

    problem, size = Reals(n_obj), 28
    alone = by_pymoo(name, problem, 850, 4, **{sized: 28 if sized == "pop_size" else directions(size, n_obj).numpy()})
    found = run_contender(contender(f"pymoo:{name}"), problem, 850, 4, {"pop_size": size})
    assert np.array_equal(found.x.numpy(), alone[:850]) and len(found) == 850 <= len(alone)
    reference = [2.4] * (n_obj - 1) + [8.6 if n_obj == 2 else 17.0]
    volume = hypervolume(found.f, reference)
    assert volume == hypervolume(problem.evaluate(alone[:850]).f, reference)
    assert volume > 1.1 * hypervolume(problem.evaluate(points(850, 0, problem)).f, reference)


def test_pymoo_reads_constraints_with_our_sign():
    pytest.importorskip("pymoo")
    variables = {"u": moopt.Real(0, 3), "v": moopt.Real(0, 3)}
    problem = moopt.FunctionProblem(
        lambda u, v: (u, v, u + v), variables, {"f": "min", "h": "min"}, {"total": (">=", 1.5)}, vectorized=True
    )
    found = run_contender(contender("pymoo:NSGA2"), problem, 1200, 1, {"pop_size": 40})
    total = found.x[-400:].sum(-1)
    assert found.feasible[-400:].sum() > 200 and 1.4 < total.median() < 1.8  # the front is where the total is 1.5
    assert found.f[found.feasible].sum(-1).min() < 1.501


def test_pymoo_searches_integers_mixtures_and_permutations():
    pytest.importorskip("pymoo")
    whole = moopt.FunctionProblem(
        lambda i, j: ((i - 3) ** 2 + j, (i + 4) ** 2 + j), {"i": moopt.Integer(-20, 30), "j": moopt.Integer(2, 50)},
        {"f": "min", "h": "min"}, vectorized=True,
    )  # fmt: skip
    for name in ("NSGA2", "MOEAD"):
        found = run_contender(contender(f"pymoo:{name}"), whole, 1000, 2, {"pop_size": 20})
        assert {(3.0, 2.0), (-4.0, 2.0)} <= {tuple(row) for row in found.x.tolist()}
    names = ["p", "q", "r"]

    def mixed(u, k, name, on, v):
        return abs(u - 0.25) + k + names.index(name) + on, abs(u - 0.75) + abs(k - 7) + names.index(name) + on + v

    variables = {"u": moopt.Real(1e-3, 1, log=True), "k": moopt.Integer(1, 7), "name": moopt.Choice(names)}
    variables |= {"on": moopt.Flag(), "v": moopt.Real(0.0, 9.0)}
    problem = moopt.FunctionProblem(mixed, variables, {"f": "min", "h": "min"})
    found = run_contender(contender("pymoo:NSGA3"), problem, 1000, 2, {"pop_size": 20})
    front = found.x[(found.f.sum(-1) < 7.6).nonzero()[:, 0]]
    assert len(front) > 50 and (front[:, 2:4] == 0).all() and set(front[:, 1].tolist()) >= {1.0, 4.0, 7.0}
    order = moopt.FunctionProblem(
        lambda p: (sum(abs(a - i) for i, a in enumerate(p)), sum(abs(a - 5 + i) for i, a in enumerate(p))),
        {"p": moopt.Permutation(6)}, {"f": "min", "h": "min"},
    )  # fmt: skip
    found = run_contender(contender("pymoo:NSGA2"), order, 800, 2, {"pop_size": 40})
    assert found.f.amin(0).tolist() == [0, 0]  # both ends, of 720 orders
    assert run_contender(contender("pymoo:NSGA2"), order, 90, 2).x.unique(dim=0).shape[0] > 80


def test_pymoo_refuses_in_one_sentence():
    pytest.importorskip("pymoo")
    with pytest.raises(ValueError, match="^pymoo:NSGA22: expected one of pymoo's .*did you mean 'NSGA2'"):
        contender("pymoo:NSGA22")
    reals, two = Reals(), {"p": moopt.Permutation(3), "q": moopt.Permutation(3)}
    orders = moopt.FunctionProblem(lambda p, q: (0, 1), two, {"f": "min", "h": "min"})
    assert len(run_contender(contender("pymoo:NSGA3"), Reals(3), 30, 1, {"n_partitions": 4})) == 30
    for name, problem, options, sentence in (
        ("NSGA2", reals, {"pop_sizee": 9}, "no option 'pop_sizee' .did you mean 'pop_size'"),
        ("NSGA2", reals, {"seed": 9}, "multiple values for argument 'seed'"),
        ("NSGA2", reals, {"n_partitions": 9}, "expected n_partitions only"),
        ("RNSGA2", reals, {}, "needs the option 'ref_points'"),
        ("PINSGA2", reals, {}, "needs the option 'automated_dm'"),
        ("NSDE", Line(), {}, "searches real variables only"), ("CTAEA", Line(), {}, "variables of one kind only"),
        ("NSGA2", orders, {}, "one permutation alone"), ("DNSGA2", Line(), {}, "AssertionError: .*unconstrained"),
    ):  # fmt: skip
        fails(contender(f"pymoo:{name}"), f"^pymoo:{name}: .*{sentence}", problem, **options)


def by_evox(name, problem, generations, seed, **options):
    """EvoX alone, in float64: all points in order."""
    algorithms, core = pytest.importorskip("evox.algorithms"), pytest.importorskip("evox.core")
    from evox.workflows import StdWorkflow

    asked = []

    class Alone(core.Problem):
        def evaluate(self, pop):
            asked.append(pop.clone())
            return problem.evaluate(pop).f

    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(seed)
        bounds = {"lb": problem.space.low, "ub": problem.space.high}
        workflow = StdWorkflow(getattr(algorithms, name)(n_objs=problem.n_obj, **bounds, **options), Alone())
        workflow.init_step()
        for _ in range(generations - 1):
            workflow.step()
    finally:
        torch.set_default_dtype(torch.float32)
    return torch.cat(asked)


@pytest.mark.parametrize("name, n_obj, size, options", [("NSGA2", 2, 28, {}), ("RVEA", 3, 30, {"max_gen": 19})])
def test_evox_finds_what_it_finds_alone(name, n_obj, size, options):
    """The schedule of RVEA comes from the budget; of 30 it keeps 28, the points of a lattice."""
    problem = Reals(n_obj)
    alone = by_evox(name, problem, 20, 4, pop_size=size, **options)
    found = run_contender(contender(f"evox:{name}"), problem, 560, 4, {"pop_size": size})
    assert torch.get_default_dtype() == torch.float32 and len(found) == 560
    assert (found.x - alone).abs().max() < 1e-12  # EvoX keeps bounds up to rounding
    reference = [2.4] * (n_obj - 1) + [8.6 if n_obj == 2 else 17.0]
    volume = hypervolume(found.f, reference)
    assert abs(volume / hypervolume(problem.evaluate(alone).f, reference) - 1) < 1e-9
    gain = 1.1 if name == "NSGA2" else 0.9  # at random points it is 1; EvoX's RVEA needs more evaluations than these
    assert volume > gain * hypervolume(problem.evaluate(points(560, 0, problem)).f, reference)


def test_evox_in_its_own_precision_and_its_refusals():
    pytest.importorskip("evox")
    found = run_contender(contender("evox:NSGA2"), Reals(), 250, 1, {"pop_size": 20, "dtype": "float32"})
    assert len(found) == 250 and torch.equal(found.f, Reals().evaluate(found.x).f)
    assert ((found.x.float().double() - found.x).abs() <= 1e-7).all()
    with pytest.raises(ValueError, match="evox:PSO: expected one of the multi-objective .*NSGA2"):
        contender("evox:PSO")
    fails(contender("evox:NSGA2"), "evox:NSGA2: it searches real variables only")
    fails(contender("evox:NSGA2"), "no option 'popsize' .did you mean 'pop_size'", Reals(), popsize=9)
    constrained = Reals()
    constrained.n_con = 1
    fails(contender("evox:NSGA2"), "without constraints only", constrained)


@pytest.mark.parametrize("name", ["pymoo:NSGA2", "pymoo:RVEA", "evox:NSGA2", "evox:RVEA", "evomo:NSGA2"])
def test_failed_points_attract_nobody(name):
    """Half of the first points fail, where the first objective would be worse and the second better."""
    pytest.importorskip(re.split(":", name)[0])
    found = run_contender(contender(name), Reals(wall=1.2), 800, 3, {"pop_size": 40})
    early, late = found.failed[:40].double().mean(), found.failed[-400:].double().mean()
    assert 0.3 < early < 0.7 and late < 0.5 * early
    assert found.x[-400:, 0][~found.failed[-400:]].max() > 1.1  # and up to the wall they search


MODELS = {
    "botorch:qLogNEHVI": {"num_restarts": 2, "raw_samples": 32, "mc_samples": 16, "maxiter": 20},
    "optuna:GPSampler": {}, "optuna:TPESampler": {},
}  # fmt: skip


@pytest.fixture
def one_thread():
    """Small models on several threads take many times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", MODELS)
def test_searches_with_models_are_what_their_libraries_do(name):
    """Better than as many Sobol points on Branin-Currin, the same for the same seed, integers and constraints too."""
    pytest.importorskip(re.split(":", name)[0])
    problem, budget = moopt.problem("branincurrin"), 12 if name == "botorch:qLogNEHVI" else 30
    found, again, drawn = (
        run_contender(contender(which), problem, n, 2, MODELS.get(which, {}))
        for which, n in ((name, budget), (name, 9), ("botorch:Sobol", budget))
    )
    assert torch.equal(found.x[:6], drawn.x[:6]) and torch.equal(found.x[:9], again.x)  # 2 (d + 1), the same for all
    assert hypervolume(found.f, problem.reference_point) > 5 + hypervolume(drawn.f, problem.reference_point)
    beam = moopt.problem("weldedbeam")
    mixed = run_contender(contender(name), beam, 8, 5, {**MODELS[name], "n_initial": 7})
    assert len(mixed) == 8 and beam.space.contains(mixed.x).all()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", MODELS)
def test_searches_with_models_survive_failures(name):
    pytest.importorskip(re.split(":", name)[0])
    found = run_contender(contender(name), Reals(wall=1.2), 14, 1, {**MODELS[name], "n_initial": 12})
    assert len(found) == 14 and 0 < int(found.failed.sum()) < 14


@pytest.mark.usefixtures("one_thread")
def test_botorch_takes_batches_and_infers_its_reference_point():
    options = {**MODELS["botorch:qLogNEHVI"], "n_initial": 6, "batch": 4}
    found = run_contender(contender("botorch:qLogNEHVI"), Reals(), 13, 1, options)
    assert len(found) == 13 and len(found.x.unique(dim=0)) == 13


def test_refusals_of_searches_with_models():
    pytest.importorskip("optuna")
    for spec, sentence in (
        ("botorch:qNEHVI", "expected one of qLogNEHVI, Sobol, got 'qNEHVI' .did you mean 'qLogNEHVI'"),
        ("optuna:TPE", "expected one of Optuna's .*TPESampler"),
    ):
        with pytest.raises(ValueError, match=f"{spec}: {sentence}"):
            contender(spec)
    fails(contender("optuna:TPESampler"), "no option 'n_candidates'", n_candidates=3)
    tours = moopt.FunctionProblem(lambda tour: tour[0], {"tour": moopt.Permutation(4)}, ["length"])
    for name in ("botorch:Sobol", "optuna:TPESampler"):
        fails(contender(name), "it searches no permutations", tours)


def test_a_library_that_is_missing_is_named(monkeypatch):
    from moopt.bridges import evox, pymoo

    for bridge, module, library in ((pymoo, "pymoo.algorithms.moo", "pymoo"), (evox, "evox.algorithms", "evox")):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.setattr(bridge, "_classes", bridge._classes.__wrapped__)
        with pytest.raises(ValueError, match=f"{library}:NSGA2: expected the package {library} .pip install"):
            contender(f"{library}:NSGA2")


def test_names():
    assert contender(crashes).name == "test_contenders.py:crashes" and contender(contender(crashes)).search is crashes
    assert contender(partial(crashes)).name == "partial"
