"""Kernels as operators: what torch.compile and vmap see gives what the kernels give."""

import importlib
import inspect
import pkgutil

import pytest
import torch

import moopt.kernels
from moopt.kernels.kernel import Kernel
from moopt.kernels.philox import bits, uniform
from moopt.kernels.ranking import rank
from moopt.kernels.variation import Settings
from moopt.testing import check_kernel

PACKAGES = [
    importlib.import_module(p.name) for p in pkgutil.iter_modules(moopt.kernels.__path__, "moopt.kernels.") if p.ispkg
]
KERNELS = {name: thing for p in PACKAGES for name, thing in vars(p).items() if isinstance(thing, Kernel)}
SETTINGS = Settings(0.9, 20.0, 0.3, 20.0)


def arguments(name, seed, batch=(3,)):
    """Arguments of the operator, with dimensions that tell each other apart."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*batch, *shape, generator=generator, dtype=torch.float64)

    f, violation = uniform(17, 3), (uniform(17) - 0.7).clamp_min(0.0)
    ranks = rank(f, violation, 17)
    index = torch.randint(0, 27, (*batch, 6), generator=generator)
    niche, target = torch.randint(0, 5, (2, *batch, 17), generator=generator)
    target = torch.stack((target, (target + 1) % 5), -1)
    corner = torch.full((*batch, 3), 1.1, dtype=torch.float64)
    weights = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    unit = torch.nn.functional.normalize(uniform(9, 3), dim=-1)
    if name in ("children", "first_children"):
        keys = torch.randint(0, 2**40, batch, generator=generator)
        parents = torch.randint(0, 17, (*batch, 8), generator=generator)
        return [uniform(17, 5), parents, torch.zeros(5).double(), torch.ones(5).double(), keys, [-5, 2**62, 9],
                list(SETTINGS)]  # fmt: skip
    return {
        "rank": [f, violation, 9], "crowding": [f, ranks], "survivors": [f, violation, 9],
        "thin": [f, violation > 0, 5], "keepers": [f, violation, 4], "tournament": [uniform(8, 2), [ranks, f[..., 0]]],
        "rows": [[f, violation[..., None], uniform(10, 3), uniform(10, 1)], 2, index],
        "nearest_direction": [f, unit], "associate": [f, unit], "neighbours": [f, 4],
        "nearest_distances": [f, 3],
        "closest": [f, uniform(9, 3), "worse"],
            "volume": [f, corner], "boxes": [f, corner], "contributions": [f, corner],
        "expected_contribution": [f, ranks == 0, corner, torch.full(batch, 2), uniform(50, 3)],
        "truncate": [f, ranks == 0, torch.full(batch, 2), 3, corner, uniform(50, 3), f[..., 1]],
        "position_within": [niche, [violation, f[..., 0]]],
        "niching": [9, ranks, niche, f[..., 1], 5, uniform(17, 2)],
        "bits": [ranks[..., 0], -(2**62), 7], "uniform": [ranks[..., 0], 2**62, 7, torch.float32],
        "best_offer": [niche, violation, f[..., 2], 6],
        "replacement": [f, violation, target, uniform(5, 3), violation[..., :5], weights, "tchebycheff", 5.0],
        "perceptron": [uniform(4, 17), uniform(4, 6, 2), [2, 3, 2]],
        "normalise": [f, violation <= 0, ranks == 0, f.amin(-2) + 0.1, uniform(3, 3)],
    }[name]  # fmt: skip


def equal(found, expected):
    if isinstance(expected, torch.Tensor):
        return found.dtype == expected.dtype and torch.equal(found, expected)
    return len(found) == len(expected) and all(map(equal, found, expected))


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_is_a_sound_operator(name):
    torch.library.opcheck(getattr(torch.ops.moopt, name), tuple(arguments(name, 3)))


def called(name, seed, batch):
    """Arguments as the kernel is called with, where those of its operator are packed."""
    given = arguments(name, seed, batch)
    if name in ("children", "first_children"):
        given[-2:] = [5, 2**62, 9], SETTINGS
    if name == "rows":
        leaves, _, index = given
        given = [[leaves[:2], leaves[2:]], index]
    if name == "bits":
        given[1] = 2**62
    return given


def nearly(found, expected):
    """Equal but for rounding."""
    return torch.allclose(found, expected, rtol=1e-12, atol=1e-15)


def filled(boxes):
    """The volume of the box from the point (-2, -2, ...) on that boxes [..., b, m] leave free."""
    low, high = boxes
    return (high - low.clamp_min(-2.0)).clamp_min(0.0).prod(-1).sum(-1)


def of_one_volume(found, expected):
    """Boxes may be cut in another order, and sets that need few of them have others beside them in a batch."""
    return nearly(filled(found), filled(expected))


# where versions add in another order, or have a power function of their own
ROUNDED = {name: {"close": nearly} for name in ("children", "contributions", "first_children", "perceptron", "volume")}
LOOSE = {**ROUNDED, "boxes": {"close": of_one_volume, "same": of_one_volume}}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_keep_their_contract(name):
    check_kernel(KERNELS[name], *called(name, 5, (4,) if "children" in name else (4, 2)), **LOOSE.get(name, {}))


def test_an_axis_that_is_not_the_first_and_arguments_without_it():
    f, violation, _ = arguments("rank", 8, (4,))
    found = torch.vmap(rank, in_dims=(1, None, None))(f.movedim(0, 1), violation[2], 9)
    assert torch.equal(found, torch.stack([rank(f[i], violation[2], 9) for i in range(4)]))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_selection_without_graph_breaks(backend):
    """On a population of NSGA-II, what torch.compile records equals what runs without it."""
    import moopt
    from moopt.core.algorithm import generation
    from moopt.core.random import Rng

    problem, algorithm = moopt.problem("dtlz2", n_var=6), moopt.algorithm("nsga2", pop_size=12)
    rng = Rng([3, 4])
    state = generation(algorithm, problem, algorithm.init(problem, rng), moopt.Turn(rng.fold(1))).state

    def select(f, violation):
        from moopt.selection import crowding_distance, nondominated_rank, survivors, thin

        return (nondominated_rank(f, violation, 9), crowding_distance(f), *survivors(f, violation, 7),
                thin(f, violation <= 0, 4))  # fmt: skip

    given = state.population.f, state.population.violation
    assert equal(torch.compile(select, backend=backend, fullgraph=True)(*given), select(*given))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", KERNELS)
def test_every_version_is_there_under_the_name_of_its_reference(name, device):
    kernel = KERNELS[name]
    if device == "cuda":
        pytest.importorskip("triton")
    version = kernel.version(device)
    assert (version is kernel.reference) == (kernel.modules[device] is None)
    assert kernel.version("meta") is kernel.reference


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_declared_beside_its_reference_and_explained_by_it(name):
    kernel = KERNELS[name]
    module = importlib.import_module(f"{kernel.package}.reference")
    assert getattr(module, name) is kernel and getattr(module, "_" + name) is kernel.reference
    assert kernel.name == kernel.__name__ == name and name in importlib.import_module(kernel.package).__all__
    assert kernel.__doc__ == kernel.reference.__doc__ != Kernel.__doc__
    assert inspect.signature(kernel) == inspect.signature(kernel.reference)


def test_the_references_themselves_run_as_operators(without_compiled_kernels):
    """A reference that calls another kernel does so inside of vmap, too."""
    with pytest.warns(RuntimeWarning, match="the slower torch kernels are used on cpu: No module named 'numba'"):
        f, violation, _ = arguments("survivors", 4, (4,))
        found = torch.vmap(lambda *a: torch.ops.moopt.survivors(*a, 9))(f, violation)
        expected = torch.ops.moopt.survivors(f, violation, 9)
    assert equal(list(found), list(expected))


def test_a_kernel_takes_its_arguments_by_position():
    with pytest.raises(TypeError, match="rank: expected all arguments by position, got n_keep by name"):
        rank(torch.rand(3, 2), None, n_keep=1)


def test_without_the_module_of_a_faster_version_one_warning_and_the_reference(without_compiled_kernels):
    words = torch.tensor([5])
    with pytest.warns(RuntimeWarning, match="the slower torch kernels are used on cpu: No module named") as warned:
        assert bits.version("cpu") is bits.reference
        assert bits(words, 2, 3).tolist() == bits.reference(words, 2, 3).tolist()
        uniform(words, 2, 3, torch.float64)
    assert len(warned) == 1
