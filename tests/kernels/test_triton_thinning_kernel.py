"""Thinning by Triton against the torch reference: compiled where a GPU is, interpreted elsewhere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moopt.kernels.archive import keepers
from moopt.kernels.thinning import reference
from moopt.kernels.thinning import thin as thin_kernel

thinning_cuda = pytest.importorskip("moopt.kernels.thinning.cuda", exc_type=ImportError)

INF, NAN = float("inf"), float("nan")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    """Several tiles and jumps for few points, because the interpreter is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinning_cuda, "TILE", 32)
        patch.setattr(thinning_cuda, "HOPS", 3)
        yield


def agree(f, valid, capacity):
    before = valid.clone()
    found = thinning_cuda.thin(f.to(DEVICE), valid.to(DEVICE), capacity).cpu()
    expected = thin_kernel.reference(f, valid, capacity)
    assert found.dtype == torch.bool and torch.equal(valid, before)
    assert torch.equal(found, expected), (found, expected)
    return found


@settings(max_examples=10, deadline=None)
@given(
    st.data(), st.integers(0, 14), st.integers(1, 4), st.integers(0, 7), st.sampled_from(sorted(DTYPES)),
    st.sampled_from([[0.0, 1.0, 2.0], [0.0, -0.0, 1.0, INF, -INF, NAN, 1e300, -1e300], None]),
)  # fmt: skip
def test_what_stays_is_what_the_reference_leaves(data, n, m, capacity, dtype, values):
    elements = st.floats(-4.0, 4.0, width=16) if values is None else st.sampled_from(values)
    f = torch.from_numpy(data.draw(hnp.arrays(float, (2, n, m), elements=elements))).to(DTYPES[dtype])
    agree(f, torch.from_numpy(data.draw(hnp.arrays(bool, (2, n)))), capacity)


@pytest.mark.parametrize("m, capacity", [(2, 0), (3, 13), (5, 1)])
def test_many_points_in_batches(m, capacity):
    rng = np.random.default_rng(m)
    f = torch.from_numpy(rng.random((2, 1, 40, m)))
    f[1, 0] = (f[1, 0] * 3).floor()  # ties and copies
    valid = torch.from_numpy(rng.random((2, 1, 40)) < 0.95)
    found = agree(f, valid, capacity)
    assert (found.sum(-1) == valid.sum(-1).clamp_max(capacity)).all() and not (found & ~valid).any()


@pytest.mark.parametrize("backwards", [False, True])
def test_chains_as_long_as_the_set(backwards):
    """Equal gaps: each point's nearest is the one with the lower row, and all hang on the first pair."""
    n = 33  # gaps of 1/32, which are equal to the last bit
    f = torch.arange(n, dtype=torch.float64)
    f = torch.stack((f, n - f), -1)
    f, every = f.flip(0) if backwards else f, torch.ones(n, dtype=torch.bool)
    curve = torch.arange(n).flip(0) if backwards else torch.arange(n)
    partner, _ = reference._nearest(reference.unit_box(f, every), every, [curve])
    steps, at = 0, n - 1
    while int(partner[partner[at]]) != at:
        steps, at = steps + 1, int(partner[at])
    assert steps == n - 2
    agree(f, every, 17)


def test_nothing_waits_for_the_device(monkeypatch):
    """No value is read on the host: neither item() nor a tensor as a condition."""
    f = torch.from_numpy(np.random.default_rng(3).random((2, 30, 3)))
    valid = torch.ones(2, 30, dtype=torch.bool)
    expected = agree(f, valid, 11)

    def waits(*_):
        raise AssertionError("it waits for the device")

    with monkeypatch.context() as patch:
        for name in ("item", "tolist", "nonzero", "__bool__", "__int__"):
            patch.setattr(torch.Tensor, name, waits)
        for kernel in ("_look", "_start", "_jump", "_go"):
            patch.setattr(thinning_cuda, kernel, Launch())
        thinning_cuda.thin(f.to(DEVICE), valid.to(DEVICE), 11)
    assert torch.equal(expected, agree(f, valid, 11))


class Launch:
    """Stands for a kernel: the interpreter reads values where a device does not."""

    def __getitem__(self, grid):
        return lambda *arguments, **options: None


def test_an_archive_on_a_gpu_thins_by_it(monkeypatch):
    f = torch.from_numpy(np.random.default_rng(4).random((1, 40, 2)))
    f[..., 1] = 1 - f[..., 0]
    calls = []
    version = thin_kernel.version
    monkeypatch.setattr(thin_kernel, "version", lambda device: calls.append(device) or version(device))
    index, counts = keepers.reference(f, torch.zeros(1, 40).double(), 9)
    assert calls == ["cpu"] and counts.all() and index.shape == (1, 9)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["_look", "_start", "_jump", "_go"])
def test_thinning_compiles_for_a_gpu(kernel, compile_triton):
    flags = {"end": "*i1", "goes": "*i1", "alive": "*i1", "going": "*i1"}
    numbers = dict.fromkeys(("curve", "left", "partner", "state", "following", "pair"), "*i64")
    types = {"y": "*fp64", "square": "*fp64", "n": "i32", "m": "i32", **flags, **numbers}
    constants = {"FIRST": False, "WINDOW": 3, "HOPS": 15, "TILE": 128}
    names = getattr(thinning_cuda, kernel).arg_names
    signature = {name: types[name] for name in names if name in types}
    made = compile_triton(
        f"moopt.kernels.thinning.cuda:{kernel}", signature, {k: v for k, v in constants.items() if k in names},
        [name for name in signature if signature[name].startswith("*")], enable_fp_fusion=False,
    )  # fmt: skip
    assert made["spilled"] == 0
    if kernel == "_look":
        assert not any(line.startswith("DFMA") for line in made["sass"])  # squares are rounded as in the reference


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
def test_many_points_on_a_gpu(monkeypatch):
    monkeypatch.setattr(thinning_cuda, "TILE", 128)
    monkeypatch.setattr(thinning_cuda, "HOPS", 15)
    f = torch.rand(2, 20_000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    agree(f, torch.ones(2, 20_000, dtype=torch.bool), 7_000)
