"""Pareto ranks by Triton against the torch reference: compiled where a GPU is, interpreted elsewhere."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moopt.kernels.archive import keepers
from moopt.kernels.ranking import reference as dominance
from moopt.kernels.ranking import survivors

dominance_cuda = pytest.importorskip("moopt.kernels.ranking.cuda", exc_type=ImportError)

INF, NAN = float("inf"), float("nan")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = {"float16": torch.float16, "float32": torch.float32, "float64": torch.float64}


@pytest.fixture(scope="module", autouse=True)
def small_blocks():
    """Several blocks and windows for few points, because the interpreter is slow."""
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("BLOCK", 8), ("ROWS", 8), ("WINDOW", 16)):
            patch.setattr(dominance_cuda, name, size)
        yield


def rank(f, violation, n_keep):
    """By Triton, on the device that is here."""
    found = dominance_cuda.rank(f.to(DEVICE), None if violation is None else violation.to(DEVICE), n_keep)
    return found.cpu()


def agree(f, violation, n_keep):
    found, expected = rank(f, violation, n_keep), dominance.rank.reference(f, violation, n_keep)
    assert found.dtype == torch.int64 and torch.equal(found, expected), (found, expected)


def sample(kind, n, m, seed):
    rng = np.random.default_rng(seed)
    f = rng.random((n, m))
    if kind == "grid":  # ties and copies
        f = np.floor(f * 3)
    if kind == "chain":
        f = np.sort(f, axis=0)[rng.permutation(n)]
    if kind == "antichain":  # one front, if m > 1
        f[:, -1] = 1 - f[:, 0]
    return torch.from_numpy(f)


# 1e-310, 1e-40 and 6e-8 are subnormal in float64, float32 and float16
awkward = [0.0, -0.0, 1.0, 1.5, -2.0, INF, -INF, 1e-310, 2e-310, -1e-310, 1e-40, 2e-40, 6e-8, 1.2e-7, 60000.0]


@settings(max_examples=60, deadline=None)
@given(
    st.data(), st.integers(0, 34), st.integers(1, 20), st.sampled_from(sorted(DTYPES)), st.booleans(),
    st.sampled_from([awkward, [*awkward, NAN], [0.0, 1.0], None]),
)  # fmt: skip
def test_ranks_are_those_of_the_reference(data, n, m, dtype, constrained, values):
    elements = st.floats(-4.0, 4.0, width=16) if values is None else st.sampled_from(values)
    f = torch.from_numpy(data.draw(hnp.arrays(float, (2, n, m), elements=elements))).to(DTYPES[dtype])
    levels = st.sampled_from([0.0, 0.0, 0.0, -1.0, 0.5, 2.0, INF, NAN])
    violation = torch.from_numpy(data.draw(hnp.arrays(float, (2, n), elements=levels))).to(f.dtype)
    for n_keep in {min(1, n), data.draw(st.integers(0, n))}:
        agree(f, violation if constrained else None, n_keep)


@pytest.mark.parametrize("m", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 17, 33])
def test_edges_of_blocks(n, m):
    f = torch.stack([sample(kind, n, m, n) for kind in ("uniform", "grid", "chain", "antichain")])
    for n_keep in (1, n // 2, n):
        agree(f, None, n_keep)


@pytest.mark.parametrize("kind", ["uniform", "grid", "chain", "antichain"])
def test_blocks_of_the_size_in_use(kind, monkeypatch):
    monkeypatch.undo()
    with monkeypatch.context() as patch:
        for name, size in (("BLOCK", 64), ("ROWS", 16), ("WINDOW", 64)):
            patch.setattr(dominance_cuda, name, size)
        for n_keep in (1, 150):
            agree(sample(kind, 150, 3, 4), None, n_keep)


def test_infinitely_bad_and_best_points_have_their_places():
    f = torch.tensor([[INF, -INF], [INF, 0.0], [-INF, INF], [0.0, -0.0], [-0.0, 0.0], [INF, INF], [NAN, -INF]])
    assert rank(f, None, 7).tolist() == [0, 1, 0, 0, 0, 2, 3]
    violation = torch.tensor([0.0, 0.0, 3.0, 1.0, 0.0, 1.0, 0.0])
    assert rank(f, violation, 7).tolist() == [0, 1, 3, 2, 0, 2, 4]
    assert rank(f, violation, 1).tolist() == [0, 1, 1, 1, 0, 1, 1]


def test_copies_share_the_rank_of_the_first():
    f = torch.tensor([[1.0, 1.0, 1.0]] * 20 + [[2.0, 1.0, 1.0]] * 20 + [[0.0, 1.0, 2.0]] * 9)
    order = torch.randperm(49, generator=torch.Generator().manual_seed(3))
    assert rank(f[order], None, 49).tolist() == [1 if 20 <= i < 40 else 0 for i in order.tolist()]


@pytest.mark.parametrize("m", [1, 2, 4])
def test_batches_equal_single_sets(m):
    kinds = ["uniform", "grid", "chain", "antichain", "uniform", "grid"]
    f = torch.stack([sample(kind, 21, m, i) for i, kind in enumerate(kinds)]).view(2, 3, 21, m)
    f[0, 1, 4:15] = f[0, 1, 3]  # fewer distinct points, fewer blocks
    violation = sample("grid", 21, 6, 3).T.reshape(2, 3, 21)
    for v, n_keep in ((None, 21), (violation, 13), (violation, 1)):
        together = rank(f, v, n_keep)
        assert together.shape == (2, 3, 21)
        for i, j in ((0, 1), (1, 2)):
            assert torch.equal(together[i, j], rank(f[i, j], None if v is None else v[i, j], n_keep))
        assert torch.equal(rank(f.mT.contiguous().mT, v, n_keep), together)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_empty_and_single_sets(m):
    assert rank(torch.empty(2, 0, m), None, 0).shape == (2, 0)
    assert rank(torch.empty(0, 4, m), None, 4).shape == (0, 4)
    assert rank(torch.full((1, m), NAN), None, 1).tolist() == [0]
    assert rank(torch.zeros(3, m), None, 0).tolist() == [0, 0, 0]


WAITING = """
import multiprocessing, time, torch
from moopt.kernels.ranking import reference as dominance
from moopt.kernels.ranking import cuda as dominance_cuda
from moopt.kernels.shared.sorting import lexsort

f = torch.rand(1, 48, 3, generator=torch.Generator().manual_seed(1))
f = f.gather(1, lexsort(list(f.unbind(-1)))[..., None].expand_as(f))
expected, points = dominance.rank.reference(f, None, 48), f.mT.contiguous()
count, ranks, started = torch.tensor([48]).int(), torch.full((1, 48), -1).int(), torch.tensor([1]).int()
for t in (points, count, ranks, started):
    t.share_memory_()  # the interpreter works on the memory of CPU tensors itself

def launch(programs, started):
    dominance_cuda.rank_blocks[(programs,)](points, count, ranks, started, 1, 48, 3, 16, 16)

others = multiprocessing.get_context("fork").Process(target=launch, args=(2, started))
others.start()
while started.item() == 1:
    time.sleep(0.01)
time.sleep(0.5)
alive, waiting = others.is_alive(), (ranks == -1).all().item() and started.item() == 2
launch(1, torch.tensor([0]).int())
others.join(30)
print(alive, waiting, others.exitcode, torch.equal(ranks.long(), expected))
"""


def test_a_program_waits_for_earlier_ones():
    """The first block is left to somebody slower: the second does not go on without its ranks."""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WAITING], env=environment, capture_output=True, text=True, check=True, timeout=90
    )
    assert done.stdout.split() == ["True", "True", "0", "True"]


@pytest.mark.parametrize("m, n_keep", [(1, 9), (2, 9), (3, 40), (3, 1)])
def test_nothing_waits_for_the_device(m, n_keep, without_waiting):
    f, violation = sample("uniform", 40, m, 5)[None], sample("grid", 40, 1, 6).T
    with without_waiting(dominance_cuda, "rank_blocks", "find_dominated"):
        found = dominance_cuda.rank(f, violation, n_keep)
        with pytest.raises(AssertionError, match="aten.equal.default waits for the device"):
            dominance.rank.reference(f, violation, 9)
    assert torch.equal(found, dominance.rank.reference(f, violation, n_keep))


def test_survivors_and_keepers_rank_by_it(without_waiting, monkeypatch):
    """Their references, which are what runs on a GPU, take the fastest ranks of the device."""
    f, violation = sample("uniform", 40, 3, 5)[None], sample("grid", 40, 1, 6).T
    expected = survivors(f, violation, 9), keepers(f, violation, 6)
    monkeypatch.setattr(dominance.rank, "_versions", {"cpu": dominance_cuda.rank})
    with without_waiting(dominance_cuda, "rank_blocks", "find_dominated"):
        found = survivors.reference(f, violation, 9), keepers.reference(f, violation, 6)
    for some, others in zip(found, expected, strict=True):
        assert all(map(torch.equal, some, others))


SIGNATURES = {
    "rank_blocks": {"count": "*i32", "ranks": "*i32", "started": "*i32", "runs": "i32", "width": "i32"},
    "find_dominated": {
        "count": "*i32", "found": "*i32", "runs": "i32", "width": "i32", "stride": "i32", "window": "i32"
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kernel", SIGNATURES)
@pytest.mark.parametrize("m, dtype, runs", [(3, "fp32", {"runs": 1}), (20, "fp64", {})])
def test_it_compiles_for_a_gpu(kernel, m, dtype, runs, compile_triton):
    """A launch makes a constant of an argument that is 1."""
    signature = {name: kind for name, kind in SIGNATURES[kernel].items() if name not in runs}
    signature["points"] = f"*{dtype}"
    multiples = [name for name in signature if name not in ("runs", "window")]
    constants = {"M": m, "BLOCK": 64, "ROWS": 16, **runs}
    made = compile_triton(f"moopt.kernels.ranking.cuda:{kernel}", signature, constants, multiples, num_warps=1)
    assert made["spilled"] == 0 and made["registers"] <= 168  # at least three warps for each scheduler
    if kernel == "rank_blocks":  # ranks are read past the caches and written at once
        assert "ld.volatile.global" in made["ptx"] and "atom.global.gpu.relaxed.exch" in made["ptx"]


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("m", [1, 2, 3, 8])
def test_many_points_on_a_gpu(m, monkeypatch):
    for name, size in (("BLOCK", 64), ("ROWS", 16), ("WINDOW", 4096)):
        monkeypatch.setattr(dominance_cuda, name, size)
    f = torch.stack([sample(kind, 30_000, m, 7) for kind in ("uniform", "grid", "chain", "antichain")])
    for points in (f, f.float()):
        for n_keep in (1, 30_000):
            expected = dominance.rank(points, None, n_keep)
            for _ in range(5):
                assert torch.equal(rank(points, None, n_keep), expected)


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("n_keep", [1, 500, 1000])
def test_a_cuda_graph_holds_it(n_keep):
    sets = [torch.stack([sample("uniform", 1000, 3, seed), sample("grid", 1000, 3, seed)]) for seed in range(3)]
    f, side = sets[0].cuda(), torch.cuda.Stream()
    with torch.cuda.stream(side):
        dominance_cuda.rank(f, None, n_keep)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = dominance_cuda.rank(f, None, n_keep)
    for other in sets:
        f.copy_(other)
        graph.replay()
        assert torch.equal(found.cpu(), dominance.rank(other, None, n_keep))
