"""First children alone are the first of those that pairs have, whoever makes them."""

import pytest
import torch

import moopt
from moopt import Rng
from moopt.core.space import Box
from moopt.kernels.variation import cpu as variation_cpu
from moopt.kernels.variation import reference as variation
from moopt.operators import Variation

D, S = torch.float64, torch.float32
HOW = variation.Settings(0.8, 15.0, 0.3, 7.0)
VERSIONS = {
    "torch": (variation.children.reference, variation.first_children.reference),
    "numba": (variation_cpu.children, variation_cpu.first_children),
}
try:
    from moopt.kernels.variation import cuda as variation_cuda

    VERSIONS["triton"] = (variation_cuda.children, variation_cuda.first_children)
except ImportError:
    pass
# the logarithm of a gene at its bound, and quotients of genes that do not cross, which nobody uses
pytestmark = pytest.mark.filterwarnings("ignore:(divide by zero|overflow|invalid value):RuntimeWarning")


def case(seed, runs, n, pairs, d, dtype):
    """Points in bounds that are no unit cube, some genes at a bound; arguments of `children` but the last."""
    rng = Rng([seed + i for i in range(runs)], dtype=dtype)
    low, high = -1.0 - torch.arange(d, dtype=dtype), torch.linspace(0.5, 3.0, d, dtype=dtype)
    z = rng.fold(7).uniform(n, d)
    z = torch.where(rng.fold(8).uniform(n, d) < 0.15, z.round(), z)
    parents = rng.fold(9).integers(n, 2 * pairs)
    return low + z * (high - low), parents, low, high, rng.keys, tuple(rng.fold(i).stream for i in range(3))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", [D, S])
@pytest.mark.parametrize("pairs, d", [(1, 1), (7, 3), (64, 8), (70, 30)])
@pytest.mark.parametrize(
    "how", [HOW, HOW._replace(mutation_probability=0.0), variation.Settings(1.0, 0.0, 1.0, 0.0)], ids=str
)
def test_first_children_are_the_first_rows(version, dtype, pairs, d, how):
    both, first = VERSIONS[version]
    device = "cuda" if version == "triton" and torch.cuda.is_available() else "cpu"
    arguments = [a.to(device) if isinstance(a, torch.Tensor) else a for a in case(3, 2, 9, pairs, d, dtype)]
    x = arguments[0].clone()
    born = first(*arguments, how)
    assert born.dtype == dtype and born.shape == (2, pairs, d) and torch.equal(arguments[0], x)
    assert torch.equal(born, both(*arguments, how)[:, :pairs])
    if how.mutation_probability:
        assert not torch.equal(born, x.gather(1, arguments[1][:, :pairs, None].expand(-1, -1, d)))


def test_parts_of_the_pairs_give_the_same_bits(monkeypatch):
    arguments = case(5, 7, 50, 101, 11, D)
    alone = variation_cpu.first_children(*arguments, HOW)

    def in_parts(function, n, least):
        for start, stop in ((0, 3), (3, 250), (250, 251), (251, n)):
            function(start, stop)

    monkeypatch.setattr(variation_cpu, "in_parts", in_parts)
    assert torch.equal(variation_cpu.first_children(*arguments, HOW), alone)


def test_parents_that_do_not_exist_are_refused():
    x, parents, *others = case(1, 2, 9, 4, 5, D)
    parents[1, 6] = 9
    with pytest.raises(IndexError, match="parents: expected rows from 0 to 8, got others"):
        variation_cpu.first_children(x, parents, *others, HOW)


@pytest.mark.parametrize("k", [6, 7])
@pytest.mark.parametrize("name, options", [("zdt1", {"n_var": 5}), ("re23", {})])
def test_variation_gives_single_children_of_any_kind(name, options, k):
    """RE23 has integers and reals."""
    space, rng = moopt.problem(name, **options).space, Rng([3, 4])
    x = space.sample(rng.fold(5).uniform(9, space.n_var))
    parents, vary = rng.fold(6).integers(9, k), Variation(mutation_probability=0.4)
    both = vary.mate(space, x, parents, rng)
    single = vary.mate(space, x, parents, rng, single=True)
    assert single.shape[1] == (k + 1) // 2 and torch.equal(single, both[:, : (k + 1) // 2])


def test_single_children_of_a_box():
    space, rng = Box([-1.0, 0.0, 2.0], [3.0, 0.5, 9.0]), Rng([3, 4])
    x = space.sample(rng.fold(5).uniform(6, 3))
    parents = torch.tensor([[3, 0, 5, 2], [1, 1, 0, 4]])
    pair = [torch.take_along_dim(x, part[..., None], 1) for part in (parents[:, :2], parents[:, 2:])]
    assert torch.equal(Variation().mate(space, x, parents, rng, single=True), Variation()(space, *pair, rng)[:, :2])
