"""The Triton kernels for CUDA against brute force. Without a GPU they run in Triton's interpreter, on CPU tensors."""

import itertools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moopt import Rng
from moopt.indicators import hypervolume_contributions
from moopt.selection import nondominated_mask

pytest.importorskip("triton")

from moopt.kernels.directions import cuda as association_cuda  # noqa: E402
from moopt.kernels.distances import cuda as nearest_cuda  # noqa: E402
from moopt.kernels.distances import reference as nearest  # noqa: E402
from moopt.kernels.hypervolume import cuda as hypervolume_cuda  # noqa: E402
from moopt.kernels.offers import cuda as offers_cuda  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INF, NAN = float("inf"), float("nan")
KINDS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    """So that few points already fill several tiles."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in (
            (association_cuda, "POINTS", 4), (association_cuda, "DIRECTIONS", 4), (offers_cuda, "OFFERS", 8),
            (hypervolume_cuda, "COLUMNS", 4), (nearest_cuda, "POINTS", 4), (nearest_cuda, "OTHERS", 4),
        ):  # fmt: skip
            patch.setattr(module, name, size)
        yield


def table(data, values, *shape, dtype=torch.float64):
    size = math.prod(shape)
    drawn = data.draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
    return torch.tensor(drawn, dtype=dtype).reshape(shape)


def here(*tensors):
    return [t.to(DEVICE) for t in tensors]


def draws(*shape, seed=5, dtype=torch.float64):
    return Rng([seed], dtype=dtype).uniform(*shape)[0]


# association


def by_brute_force(f, unit):
    """The first of the directions with the greatest product, which is added in the order of the objectives."""
    value = f[..., :, None, 0] * unit[..., None, :, 0]
    for j in range(1, f.shape[-1]):
        value = value + f[..., :, None, j] * unit[..., None, :, j]
    return torch.from_numpy(value.numpy().argmax(-1)), value.amax(-1)  # numpy's argmax is the first one


@KINDS
@few
@given(st.data())
def test_the_nearest_direction_is_the_first_of_the_nearest(dtype, data):
    runs, n, k, m = (data.draw(st.integers(1, most)) for most in (2, 9, 9, 10))
    f = table(data, [0.0, 0.3, 1.0, 2.0, 7.7], runs, n, m, dtype=dtype)
    unit = table(data, [0.0, 0.6, 0.8, 1.0], *data.draw(st.sampled_from([(), (1,), (runs,)])), k, m, dtype=dtype)
    niche, along = (t.cpu() for t in association_cuda.nearest_direction(*here(f, unit)))
    expected, most = by_brute_force(f, unit.expand(runs, k, m))
    assert niche.dtype == torch.int64 and torch.equal(niche, expected) and torch.equal(along, most)


@KINDS
def test_association_of_many_points_in_any_shape(dtype):
    f, unit = draws(2, 3, 13, 4, dtype=dtype), draws(3, 21, 4, seed=6, dtype=dtype)
    unit /= unit.norm(dim=-1, keepdim=True)
    niche, along = (t.cpu() for t in association_cuda.nearest_direction(*here(f, unit)))
    expected, most = by_brute_force(f, unit.expand(2, 3, 21, 4))
    assert torch.equal(niche, expected) and torch.equal(along, most) and len(set(niche.flatten().tolist())) > 10
    none, nothing = association_cuda.nearest_direction(*here(f[:, :, :0], unit))
    assert none.shape == nothing.shape == (2, 3, 0)
    turned = f.transpose(0, 1).contiguous().transpose(0, 1)  # not contiguous
    assert torch.equal(association_cuda.nearest_direction(*here(turned, unit))[0].cpu(), niche)


# offers


def best_by_brute_force(target, violation, value, n_targets):
    q = len(target)
    clean = [tuple(INF if math.isnan(v) else v for v in pair) for pair in zip(violation, value, strict=True)]
    best = [min([(*clean[i], i) for i in range(q) if target[i] == j], default=(INF, INF, q)) for j in range(n_targets)]
    return [b[2] for b in best], [b[0] for b in best], [b[1] for b in best]


@KINDS
@few
@given(st.data())
def test_the_best_offer_has_the_least_violation_then_value_then_number(dtype, data):
    runs, q, n_targets = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 20)), data.draw(st.integers(1, 5))
    target = table(data, range(n_targets), runs, q, dtype=torch.int64)
    violation = table(data, [0.0, -0.0, 0.1, 3.0, INF, NAN], runs, q, dtype=dtype)
    value = table(data, [-2.5, -0.0, 0.0, 1e-30, 0.1, -INF, INF, NAN], runs, q, dtype=dtype)
    answer = [t.cpu() for t in offers_cuda.best_offer(*here(target, violation, value), n_targets)]
    assert [t.dtype for t in answer] == [torch.int64, dtype, dtype]
    for i in range(runs):
        expected = best_by_brute_force(*(t[i].tolist() for t in (target, violation, value)), n_targets)
        assert tuple(t[i].tolist() for t in answer) == expected


def test_offers_of_any_shape():
    target = torch.tensor([[[2, 2, 0]], [[1, 0, 1]]])
    value = torch.tensor([[[-1.0, -3.0, 9.0]], [[4.0, 2.0, 4.0]]])
    offer, violation, least = offers_cuda.best_offer(*here(target, torch.zeros_like(value), value), 3)
    assert offer.tolist() == [[[2, 3, 1]], [[1, 0, 3]]]
    assert violation.tolist() == [[[0.0, INF, 0.0]], [[0.0, 0.0, INF]]]
    assert least.tolist() == [[[9.0, INF, -3.0]], [[2.0, 4.0, INF]]]
    assert offers_cuda.best_offer(*here(target[:0], value[:0], value[:0]), 3)[0].shape == (0, 1, 3)


# hypervolume contributions


def by_cells(f, reference, high):
    """Counts the unit cells that one point alone dominates; whole coordinates below `high`."""
    n, m = f.shape
    cells = np.array(list(itertools.product(range(-1, high), repeat=m)))
    covers = np.array([(p <= cells).all(-1) & (p < reference).all() & (cells < reference).all(-1) for p in f])
    return (covers & (covers.sum(0) == 1)).sum(-1) if n else np.zeros(0)


@pytest.mark.parametrize("m", [2, 3])
@few
@given(st.data())
def test_contributions_count_what_one_point_alone_dominates(m, data):
    """Exactly: with dominated points, copies, points outside and without value, in axes of any size."""
    runs, n = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 9))
    f = table(data, [-1, 0, 1, 2, 3, 4, 5, NAN, INF] if n < 5 else [-1, 0, 1, 2, 3, 4], runs, n, m)
    reference = table(data, [3, 4, 5], runs, m)
    size = torch.tensor([3.0, 0.25, 2.0**-700], dtype=torch.float64)[:m]
    value = hypervolume_cuda.contributions(*here(f * size, reference * size)).cpu()
    for i in range(runs):
        assert (value[i] / size.prod()).tolist() == by_cells(f[i].numpy(), reference[i].numpy(), 5).tolist()


@pytest.mark.parametrize("m", [2, 3])
def test_contributions_agree_with_moocore(m):
    f = draws(2, 40, m) + 0.05
    f[0] /= f[0].norm(dim=-1, keepdim=True)  # a front of 40 points
    f, reference = f * torch.tensor([3.0, 1e5, 0.01])[:m], torch.tensor([3.3, 0.9e5, 0.011]).double()[:m]
    value = hypervolume_cuda.contributions(*here(f, reference)).cpu()
    for i in range(2):
        front = nondominated_mask(f[i])
        alone = hypervolume_cuda.contributions(*here(f[i][front], reference)).cpu()
        expected = hypervolume_contributions(f[i][front], reference, ignore_dominated=True)
        assert torch.allclose(alone, expected, rtol=1e-10, atol=1e-14 * float(reference.prod()))
        assert (value[i][front] <= alone * (1 + 1e-12)).all() and (value[i][~front] == 0).all()


@pytest.mark.parametrize("m", [2, 3])
def test_contributions_have_the_same_bits_alone_and_in_any_order(m):
    f, reference = draws(3, 21, m) * 1e3, torch.tensor([990.0, 800.0, 1e3]).double()[:m]
    f[1] = f[1].sort(0).values.flip(0) * torch.tensor([1.0, -1.0, 1.0])[:m]
    whole = hypervolume_cuda.contributions(*here(f, reference))
    order = torch.randperm(21, generator=torch.Generator().manual_seed(3))
    assert torch.equal(hypervolume_cuda.contributions(*here(f[:, order], reference)), whole[:, order.to(DEVICE)])
    for i in range(3):
        assert torch.equal(hypervolume_cuda.contributions(*here(f[i], reference)), whole[i])
    assert (whole > 0).sum() > 3


def test_contributions_of_many_sizes_are_found_to_full_precision():
    """Steps of a staircase that grow from 2^-64 to 1: each owns what it has beyond the last one."""
    height = 2.0 ** -torch.arange(64.0, -8.0, -8.0, dtype=torch.float64)
    f = torch.stack((torch.arange(9.0).double(), -height, torch.zeros_like(height)), -1)
    value = hypervolume_cuda.contributions(*here(f, torch.tensor([9.0, 0.0, 1.0]).double())).cpu()
    assert torch.equal(value, height.diff(prepend=height.new_zeros(1)))


# nearest distances


def nearest_by_brute_force(points, k):
    n, m = points.shape
    square = torch.zeros(n, n, dtype=points.dtype)
    for j in range(m):
        offset = points[:, None, j] - points[None, :, j]
        square = square + offset * offset
    square = torch.where(square.isnan(), INF, square).fill_diagonal_(INF)
    square = torch.cat((square, torch.full((n, k), INF, dtype=points.dtype)), -1)
    return square.sort(-1).values[:, :k].sqrt()


@KINDS
@few
@given(st.data())
def test_nearest_distances_of_ties_copies_and_missing_points(dtype, data):
    runs, n = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 9))
    m, k = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    points = table(data, [0.0, 1.0, 1.7, -3.3, 1e18] + data.draw(st.sampled_from([[], [NAN]])), runs, n, m, dtype=dtype)
    distance = nearest_cuda.nearest_distances(*here(points), k).cpu()
    assert distance.dtype == dtype
    for i in range(runs):
        assert torch.equal(distance[i], nearest_by_brute_force(points[i], k))


@pytest.mark.parametrize("order", ["random", "sorted"])
@pytest.mark.parametrize(("m", "k", "most"), [(3, 5, 63), (2, 12, 4), (17, 2, 63)])
def test_nearest_distances_of_many_points(m, k, most, order, monkeypatch):
    monkeypatch.setattr(nearest_cuda, "MOST", most)  # more than these come from sorted pieces
    monkeypatch.setattr(nearest, "CELLS", 100)
    points = draws(2, 1, 14, m)
    points = points.sort(-2).values if order == "sorted" else points
    distance = nearest_cuda.nearest_distances(*here(points), k).cpu()
    for i in range(2):
        assert torch.equal(distance[i, 0], nearest_by_brute_force(points[i, 0], k))


# all of them


COMPILE = """
import importlib, json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

for module, name, types, constants, options in json.load(sys.stdin):
    function = getattr(importlib.import_module(f"moopt.kernels.{module}.cuda"), name)
    names = [n for n in function.arg_names if n not in constants]
    signature = dict(zip(names, types.split(), strict=True)) | dict.fromkeys(constants, "constexpr")
    signature = {n: signature[n] for n in function.arg_names}
    source = ASTSource(function, signature, {(function.arg_names.index(n),): v for n, v in constants.items()})
    options = {"enable_fp_fusion": False, **options}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    print(name, len(compiled.asm["cubin"]) > 0, "fma.rn" in compiled.asm["ptx"])
"""


def kernels():
    """Every kernel with the types and constants it is launched with."""
    for kind in ("fp32", "fp64"):
        yield "directions", "_nearest_direction", f"*{kind} *{kind} *i64 *{kind} i32 i32 i32", {
            "M": 3, "POINTS": 32, "DIRECTIONS": 32,
        }, {}  # fmt: skip
        for step in (3, 1):
            yield "distances", "_nearest", f"*{kind} *{kind} i32 i32 i32", {
                "M": 3, "STEP": step, "KEPT": 16, "POINTS": 8, "OTHERS": 64,
            }, {"num_warps": 1}  # fmt: skip
        for stage in range(3):
            yield "offers", "_offer", f"*i64 *{kind} *{kind} *i64 *i64 *i64 i32 i32", {
                "STAGE": stage, "OFFERS": 256,
            }, {}  # fmt: skip
        yield "offers", "_read", f"*i64 *i64 *i64 *i64 *{kind} *{kind} i32 i32", {"TARGETS": 256}, {}
    yield "hypervolume", "_sweep", "*fp64 *fp64 *i64 *i64 *fp64 *fp64 *i64 *i64 i32", {
        "COLUMNS": 32, "HIGH": hypervolume_cuda.HIGH, "LOW": hypervolume_cuda.LOW,
    }, {"num_warps": 1}  # fmt: skip


@pytest.mark.slow
def test_every_kernel_compiles_for_a_gpu(tmp_path):
    """For Hopper, without one; and no product is fused with a sum, which would round differently."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False,
        input=json.dumps(list(kernels())),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(list(kernels())) and all(line.endswith("True False") for line in lines), done.stdout
