"""No host synchronisation within a generation: the GPU never waits for Python, nor Python for the GPU.

Tensors on the `meta` device have no values, so whatever looks at one (item, nonzero, a comparison in an `if`) raises;
they are no CPU tensors either, so the code takes the ways that it takes on CUDA, with the torch references for
kernels. What the device lets pass are constants that travel from Python or from the CPU: two modes see these.
"""

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import moopt
from moopt.core.algorithm import generation
from moopt.kernels.ranking import reference as dominance
from moopt.operators.directions import directions, directions_on
from moopt.run.progress import Progress
from moopt.run.search import Search

ALGORITHMS = [
    ("nsga2", {}), ("nsga3", {}), ("moead", {}), ("moead", {"scalarising": "pbi", "normalise": True}), ("rvea", {}),
    ("rvea", {"generations": 10}), ("hype", {}),
]  # fmt: skip
PROBLEMS = [*(f"zdt{i}" for i in (1, 2, 3, 4, 6)), *(f"dtlz{i}" for i in range(1, 8))]


class Waits(RuntimeError):
    """What would make one side wait for the other."""


class NoConstants(TorchFunctionMode):
    """Refuses tensors made of Python values on a device, and Python lists as indices."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if name in ("tensor", "as_tensor", "new_tensor", "asarray") and out.device.type != "cpu":
            if not isinstance(args[name == "new_tensor"], torch.Tensor):
                raise Waits(f"{name}: {args[-1]!r} is copied to the device")
        if name in ("__getitem__", "__setitem__") and args[0].device.type != "cpu":
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(part, list) for part in index):
                raise Waits(f"{name}: the index {args[1]!r} is copied to the device")
        return out


class NoCopies(TorchDispatchMode):
    """Refuses copies between the devices, masks as indices, and outputs whose size depends on values."""

    SIZED = ("nonzero", "masked_select", "_unique", "unique_", "repeat_interleave.Tensor", "bincount", "equal")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name, kwargs = str(function).removeprefix("aten."), kwargs or {}
        inputs = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        if any(t.device.type != "cpu" for t in inputs):
            if name.startswith(self.SIZED):
                raise Waits(f"{name}: the size of its answer depends on values")
            if name.startswith("index") and any(getattr(t, "dtype", None) == torch.bool for t in tree_leaves(args[1])):
                raise Waits(f"{name}: a mask as an index")
            if any(t.device.type == "cpu" and t.ndim for t in inputs):  # numbers travel with the kernel's arguments
                raise Waits(f"{name}: a tensor of the CPU among its arguments")
        out = function(*args, **kwargs)
        if name.startswith("_to_copy") and args[0].device != out.device:
            raise Waits(f"{name}: a copy from {args[0].device} to {out.device}")
        return out


class Bridge(moopt.Problem):
    """Maximised and constrained, and some points fail."""

    space, n_obj, n_con, directions = moopt.Box(-1.0, [2.0, 3.0, 4.0]), 2, 1, ("min", "max")

    def _evaluate(self, x):
        return torch.stack((x[..., 0].log(), x[..., 1:].sum(-1)), -1), x[..., :1] - x[..., 2:]


@pytest.fixture(autouse=True)
def ranks_by_the_kernel(monkeypatch):
    """The reference looks whether ranks still change; the kernel for CUDA does not."""
    monkeypatch.setattr(
        dominance, "_fronts", lambda f, first_only: torch.zeros(f.shape[:-1], dtype=torch.int64, device=f.device)
    )


@pytest.mark.parametrize(
    ("waits", "why"),
    [
        (lambda x: bool(x.any()), "item"),
        (lambda x: x.cpu(), "meta"),
        (lambda x: x[x > 0], "mask"),
        (lambda x: x.__setitem__(x > 0, x[0]), "mask"),
        (lambda x: x.nonzero(), "size"),
        (lambda x: x[[0, 2]], "index"),
        (lambda x: x[torch.tensor([0, 2])], "CPU"),
        (lambda x: x * torch.tensor([1.0, 2.0]).to(x), "copy"),
        (lambda x: x.new_tensor([1.0, 2.0]), "new_tensor"),
        (lambda x: torch.tensor([1.0], device=x.device), "tensor"),
        (lambda x: torch.ones(3, 2).copy_(x), "CPU|meta"),
        (lambda x: x.copy_(torch.ones(3, 2)), "CPU"),
        (lambda x: torch.equal(x, x), "equal"),
        (lambda x: x.unique(), "unique"),
        (lambda x: x.repeat_interleave(torch.ones_like(x[:, 0]).long(), 0), "repeat_interleave"),
    ],
)
def test_the_modes_see_whatever_waits(waits, why):
    x = torch.zeros(3, 2, device="meta")
    with NoCopies(), NoConstants(), pytest.raises(RuntimeError, match=why):
        waits(x)


@pytest.mark.parametrize(("problem", "runs"), [("zdt1", 1), ("dtlz2", 4), ("bridge", 4)])
@pytest.mark.parametrize(("name", "options"), ALGORITHMS)
def test_a_generation_waits_for_nothing(name, options, problem, runs):
    problem = Bridge() if problem == "bridge" else moopt.problem(problem)
    algorithm = moopt.algorithm(name, pop_size=12, **options)
    rng = moopt.Rng(range(runs), device="meta")
    state = algorithm.init(problem, rng)
    for step in range(2):  # constants are made and kept
        state = generation(algorithm, problem, state, moopt.Turn(rng.fold(step))).state
    with NoCopies(), NoConstants():
        after, _, evaluated, _ = generation(algorithm, problem, state, moopt.Turn(rng.fold(2)))
    assert evaluated.f.shape == (runs, 12, problem.n_obj) and after.population.x.device.type == "meta"


def test_directions_are_moved_once():
    where = torch.float32, torch.device("cpu")
    kept = directions_on(12, 3, *where)
    assert kept is directions_on(12, 3, *where) and torch.equal(kept, directions(12, 3).float())
    assert directions_on(12, 3, torch.float64, where[1]) is not directions_on(12, 3, *where)


@pytest.mark.parametrize("name", PROBLEMS)
def test_an_evaluation_waits_for_nothing(name):
    problem = moopt.problem(name)
    with NoCopies(), NoConstants():
        evaluation = problem.evaluate(torch.zeros(2, 5, problem.n_var, device="meta"))
    assert evaluation.f.shape == (2, 5, problem.n_obj)


def test_the_loop_around_a_generation_waits_for_nothing():
    problem, algorithm = moopt.problem("zdt1"), moopt.algorithm("nsga2", pop_size=12)
    budget = moopt.Evaluations(999) | moopt.Generations(99) & moopt.Seconds(9)
    search = Search.asked(
        problem, algorithm, budget, initial=None, seed=0, runs=4, device="meta", dtype=None, executor=None
    )
    progress = Progress(search, [], None)
    progress.open(torch.arange(4))

    def step():
        group = progress.groups[0]
        advance = generation(algorithm, problem, group.state, progress.turn(0), limit=group.remaining(budget))
        group = group.after(advance.state, advance.spent, advance.evaluated, advance.memory)
        progress.book(0, group, advance.evaluated)
        return progress.going()

    step()  # constants are made and kept
    step()
    with NoCopies(), NoConstants():
        assert step() == [0]
    assert progress.groups[0].spent["evaluations"].tolist() == [36] * 4
