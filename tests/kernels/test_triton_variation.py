"""Random numbers and children by Triton against the torch references: compiled where a GPU is, else interpreted."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moopt import Rng
from moopt.kernels.philox import reference as philox
from moopt.kernels.variation import reference as variation

variation_cuda = pytest.importorskip("moopt.kernels.variation.cuda", exc_type=ImportError)
philox_cuda = pytest.importorskip("moopt.kernels.philox.cuda", exc_type=ImportError)

# the logarithm of a gene at its bound, and quotients of genes that do not cross, which nobody uses
pytestmark = pytest.mark.filterwarnings("ignore:(divide by zero|overflow|invalid value):RuntimeWarning")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
D, S = torch.float64, torch.float32
NAN = float("nan")
HOW = variation.Settings(0.8, 15.0, 0.3, 7.0)


def moved(arguments):
    return tuple(a.to(DEVICE) if isinstance(a, torch.Tensor) else a for a in arguments)


def children(arguments, how):
    """By Triton, on the device that is here."""
    return variation_cuda.children(*moved(arguments), how).cpu()


def close(born, expected, low, high):
    """Whether children are equal within roundings. A GPU rounds powers in its own way, and in float32 few genes, those
    with draws next to 1, make much of it by cancellation."""
    far = (born - expected).abs() > (16 if DEVICE == "cpu" else 64) * torch.finfo(born.dtype).eps * (high - low)
    return far.sum() <= (0 if DEVICE == "cpu" or born.dtype == D else 1 + born.numel() // 100)


def case(seed, runs, n, pairs, d, dtype, spread=1.0):
    """Points in bounds that are no unit cube, some genes at a bound or shared; arguments of `children` but the last."""
    rng = Rng([seed + i for i in range(runs)], dtype=dtype)
    low, high = -1.0 - torch.arange(d, dtype=dtype), torch.linspace(0.5, 3.0, d, dtype=dtype)
    z = 0.3 + (rng.fold(7).uniform(n, d) - 0.3) * spread
    z = torch.where(rng.fold(8).uniform(n, d) < 0.15, z.round(), z)
    x = (low + z * (high - low)).clamp(low, high)
    parents = rng.fold(9).integers(n, 2 * pairs)
    return x, parents, low, high, rng.keys, tuple(rng.fold(i).stream for i in range(3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3),
    st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 16, 2**31, 2**32 - 1, 2**63, 2**64 - 1])),
    st.integers(0, 70),
)
def test_numbers_are_those_of_the_reference(seeds, stream, n):
    keys = torch.tensor(seeds)
    words = philox_cuda.bits(keys.to(DEVICE), stream, n).cpu()
    assert words.dtype == torch.int64 and torch.equal(words, philox.bits.reference(keys, stream, n))
    for dtype in (S, D, torch.float16):
        found = philox_cuda.uniform(keys.to(DEVICE), stream, n, dtype).cpu()
        assert found.dtype == dtype and torch.equal(found, philox.uniform.reference(keys, stream, n, dtype))


def test_a_published_vector():
    """Counter and key of zeros in kat_vectors of the Random123 distribution (Salmon et al. 2011)."""
    words = philox_cuda.bits(torch.tensor([0], device=DEVICE), 0, 4)
    assert words[0].tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("n", [1023, 1024, 1025, 4097])
def test_numbers_of_several_tiles(n):
    keys = torch.tensor([5, -9])
    found = philox_cuda.uniform(keys.to(DEVICE), 77, n, D).cpu()
    assert torch.equal(found, philox.uniform.reference(keys, 77, n, D))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 9), pairs=st.integers(1, 30), d=st.integers(1, 40),
    crossover=st.sampled_from([0.0, 0.5, 0.9, 1.0]), mutation=st.sampled_from([0.0, 1e-3, 0.2, 1.0]),
    etas=st.tuples(st.floats(0.0, 60.0), st.floats(0.0, 60.0)), spread=st.sampled_from([1.0, 1e-3, 1e-9, 1e-15]),
    dtype=st.sampled_from([D, S]),
)  # fmt: skip
def test_children_agree_with_the_reference(seed, n, pairs, d, crossover, mutation, etas, spread, dtype):
    how = variation.Settings(crossover, etas[0], mutation, etas[1])
    arguments = x, parents, low, high, *_ = case(seed, 2, n, pairs, d, dtype, spread)
    before = x.clone()
    born, expected = children(arguments, how), variation.children.reference(*arguments, how)
    assert torch.equal(x, before) and born.dtype == dtype and (born >= low).all() and (born <= high).all()
    assert close(born, expected, low, high)
    untouched = variation.children.reference(*arguments, variation.Settings(0.0, 1.0, 0.0, 1.0))
    assert torch.equal(untouched, x.gather(1, parents[..., None].expand(-1, -1, d)))
    if spread == 1.0 and dtype == D:  # otherwise a step may vanish in a rounding of one and not of the other
        assert ((born != untouched) == (expected != untouched)).all()


@pytest.mark.parametrize("dtype", [D, S])
@pytest.mark.parametrize("pairs, d", [(40, 30), (511, 1), (512, 1), (171, 3), (3, 700)])
def test_tiles_join(pairs, d, dtype):
    arguments = *_, low, high, _, _ = case(2, 2, 9, pairs, d, dtype)
    born, expected = children(arguments, HOW), variation.children.reference(*arguments, HOW)
    assert (expected != variation.children.reference(*arguments, HOW._replace(mutation_probability=0.0))).any()
    assert close(born, expected, low, high)


@pytest.mark.parametrize("dtype", [D, S])
def test_a_run_has_the_same_children_alone_and_in_a_batch(dtype):
    arguments = x, parents, low, high, keys, streams = case(5, 4, 50, 51, 11, dtype)
    together = children(arguments, HOW)
    for r in range(4):
        alone = children((x[r : r + 1], parents[r : r + 1], low, high, keys[r : r + 1], streams), HOW)
        assert torch.equal(alone[0], together[r])
    order = torch.arange(50).flip(0)  # rows of points in another place, and in another layout
    turned = x[:, order].mT.contiguous().mT
    assert torch.equal(children((turned, 49 - parents, low, high, keys, streams), HOW), together)


def test_float16_goes_to_the_reference():
    arguments = case(1, 2, 5, 4, 3, torch.float16)
    assert torch.equal(children(arguments, HOW), variation.children.reference(*moved(arguments), HOW).cpu())


def test_no_children():
    x, parents, *others = case(1, 2, 5, 4, 3, D)
    assert children((x, parents[:, :0], *others), HOW).shape == (2, 0, 3)
    assert children((x[..., :0], parents, *(t[:0] for t in others[:2]), *others[2:]), HOW).shape == (2, 8, 0)


def test_parents_that_do_not_exist_give_points_that_failed():
    x, parents, *others = case(4, 1, 6, 3, 4, D)
    expected = children((x, parents, *others), HOW)
    parents[0, 1], parents[0, 5] = -1, 6
    born = children((x, parents, *others), HOW)
    assert born[0, [1, 5]].isnan().any(-1).all()
    assert torch.equal(born[0, [0, 3]], expected[0, [0, 3]])


def test_nothing_waits_for_the_device(without_waiting):
    arguments = case(1, 2, 5, 4, 3, S)
    expected = children(arguments, HOW), philox_cuda.bits(arguments[4].to(DEVICE), 4, 9)
    with without_waiting(variation_cuda, "vary"):
        born = variation_cuda.children(*moved(arguments), HOW)
    with without_waiting(philox_cuda, "fill"):
        words = philox_cuda.bits(arguments[4].to(DEVICE), 4, 9)
    assert torch.equal(born.cpu(), expected[0]) and torch.equal(words, expected[1])


def test_devices_without_a_kernel_draw_by_the_reference():
    assert philox.bits.reference(torch.empty(3, dtype=torch.int64, device="meta"), 1, 6).shape == (3, 6)
    assert philox.uniform.reference(torch.empty(3, dtype=torch.int64, device="meta"), 1, 6, S).dtype == S


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype, aligned, single, one",
    [("fp32", True, False, {"d": 1}), ("fp64", False, False, {}), ("fp64", True, True, {})],
)
def test_children_compile_for_a_gpu(dtype, aligned, single, one, compile_triton):
    """A launch makes a constant of an argument that is 1."""
    tensors = {name: f"*{dtype}" for name in ("x", "low", "high", "out")} | {"parents": "*i64", "keys": "*i64"}
    sizes = dict.fromkeys({"n", "pairs", "d", "tiles"} - set(one), "i32")
    streams = dict.fromkeys(("genes_stream", "pairs_stream", "mutation_stream"), "u64")
    made = compile_triton(
        "moopt.kernels.variation.cuda:vary", {**tensors, **sizes, **streams, **dict.fromkeys(HOW._fields, "fp64")},
        {"MUTATES": True, "ALIGNED": aligned, "SINGLE": single, "TILE": variation_cuda.TILE, **one}, list(tensors),
        enable_fp_fusion=False,
    )  # fmt: skip
    assert made["spilled"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["i64", "fp32", "fp64"])
def test_numbers_compile_for_a_gpu(dtype, compile_triton):
    signature = {"keys": "*i64", "out": f"*{dtype}", "n": "i32", "stream": "u64"}
    constants = {"TILE": philox_cuda.TILE, "tiles": 1}
    made = compile_triton("moopt.kernels.philox.cuda:fill", signature, constants, ["keys", "out"])
    assert made["spilled"] == 0


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [D, S])
def test_many_children_on_a_gpu(dtype):
    arguments = *_, low, high, _, _ = case(2, 31, 400, 200, 30, dtype)
    born, expected = children(arguments, HOW), variation.children.reference(*arguments, HOW)
    assert close(born, expected, low, high)
    given_arguments = moved(arguments)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = variation_cuda.children(*given_arguments, HOW)
    graph.replay()
    assert torch.equal(found.cpu(), born)
