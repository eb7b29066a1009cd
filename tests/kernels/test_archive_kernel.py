"""What a bounded set keeps: the compiled kernels against the torch references and against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moopt.kernels.archive import cpu as archive_cpu
from moopt.kernels.archive import reference as archive
from moopt.kernels.ranking import cpu as selection_cpu
from moopt.kernels.thinning import cpu as thinning_cpu
from moopt.kernels.thinning import thin as thin_kernel
from moopt.selection import thin

INF, NAN = float("inf"), float("nan")
awkward = st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 3.25, INF, -INF, NAN])


def naive_keepers(f, violation):
    """Rows of one run that no row beats under constraint domination, the first of equal ones; none that failed."""
    failed = np.isnan(f).any(-1) | ~(violation < INF)
    violation = np.maximum(violation, 0.0)

    def beats(i, j):
        if violation[i] != violation[j]:
            return violation[i] < violation[j]
        return violation[i] == 0 and (f[i] <= f[j]).all() and (f[i] < f[j]).any()

    alive = [i for i in range(len(f)) if not failed[i]]
    best = [j for j in alive if not any(beats(i, j) for i in alive)]
    return [j for k, j in enumerate(best) if not any((f[i] == f[j]).all() for i in best[:k])]


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(0, 14), st.integers(1, 5), st.integers(0, 15), st.sampled_from(["float32", "float64"]))
def test_keepers_are_the_first_of_equal_points_that_nothing_beats(data, n, m, capacity, dtype):
    f = torch.tensor(data.draw(hnp.arrays(float, (2, n, m), elements=awkward)), dtype=getattr(torch, dtype))
    levels = st.sampled_from([0.0, 0.0, 0.0, 0.5, 2.0, INF, NAN])
    violation = torch.tensor(data.draw(hnp.arrays(float, (2, n), elements=levels)), dtype=f.dtype)
    expected = archive.keepers.reference(f, violation, capacity)
    found = archive_cpu.keepers(f, violation, capacity)
    assert torch.equal(found[1], expected[1]) and found[0].shape == (2, min(n, capacity))
    for i, counts in enumerate(expected[1]):
        rows = expected[0][i][counts].tolist()
        assert found[0][i][counts].tolist() == rows == sorted(set(rows))
        wanted = naive_keepers(f[i].numpy(), violation[i].numpy())
        assert rows == wanted if len(wanted) <= capacity else len(rows) == capacity and set(rows) <= set(wanted)


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(0, 30), st.integers(1, 4), st.integers(0, 31), st.sampled_from(["float32", "float64"]))
def test_the_compiled_thinning_is_the_reference(data, n, m, capacity, dtype):
    f = torch.tensor(data.draw(hnp.arrays(float, (2, n, m), elements=awkward)), dtype=getattr(torch, dtype))
    valid = torch.tensor(data.draw(hnp.arrays(bool, (2, n))))
    assert torch.equal(thinning_cpu.thin(f, valid, capacity), thin_kernel.reference(f, valid, capacity))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("m", [2, 3, 6])
def test_thinning_of_many_in_batches(m, dtype, monkeypatch):
    """Long enough for radix sort; a run gives the same alone, among others, and on several threads."""
    generator = torch.Generator().manual_seed(m)
    f = torch.randn(3, 1500, m, generator=generator, dtype=torch.float64).abs()
    f = (f / f.norm(dim=-1, keepdim=True)).to(dtype)
    violation = torch.zeros(3, 1500, dtype=dtype)
    index, counts = archive.keepers.reference(f, violation, 400)
    assert counts.all()
    monkeypatch.setattr(selection_cpu, "LEAST", 1)
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert torch.equal(archive.keepers(f, violation, 400)[0], index)
    for i in range(3):
        assert torch.equal(archive_cpu.keepers(f[i], violation[i], 400)[0], index[i])


def test_thinning_in_rounds_by_hand():
    """Eight points down to five: at first two may go at once, then one."""
    x = torch.tensor([0.0, 1.0, 1.5, 4.0, 4.25, 4.75, 7.0, 10.0], dtype=torch.float64)
    f = torch.stack((x, 10.0 - x), -1)
    # nearest pairs: 4.0 and 4.25, of which the later row 4 goes; 1.0 and 1.5, of which row 2 goes; row 5, whose
    # neighbour goes, stays; of the next pair, 4.0 and 4.75, row 5 goes then
    valid = torch.ones(8, dtype=torch.bool)
    assert thin(f, valid, 5).nonzero()[:, 0].tolist() == [0, 1, 3, 6, 7]
    assert thin_kernel.reference(f, valid, 5).nonzero()[:, 0].tolist() == [0, 1, 3, 6, 7]


def front_of(kind, m, n, generator):
    """Points [n', m] that do not dominate one another, on a sphere or (grid, integer) a plane."""
    if kind in ("grid", "integer"):
        k = n - 1 if m == 2 else int((2 * n) ** 0.5)
        steps = np.stack(np.meshgrid(*[np.arange(k + 1)] * (m - 1), indexing="ij"), -1).reshape(-1, m - 1)
        steps = steps[steps.sum(1) <= k]
        points = np.concatenate((steps, k - steps.sum(1, keepdims=True)), 1)
        return points / k if kind == "grid" else points.astype(float)
    if m == 2:
        share = generator.random(n)
        if kind in ("even", "smooth"):
            share = np.linspace(0, 1, n) ** (1 if kind == "even" else 2)
        elif kind == "clustered":
            share[n // 10 :] = 0.3 + 0.01 * share[n // 10 :]
        return np.stack((np.cos(share * np.pi / 2), np.sin(share * np.pi / 2)), -1)
    if kind == "even":
        return (lambda grid: grid / np.linalg.norm(grid, axis=1, keepdims=True))(front_of("grid", m, n, generator))
    points = np.abs(generator.standard_normal((n, m))) ** (2 if kind == "smooth" else 1)
    if kind == "clustered":
        centres = np.abs(generator.standard_normal((3, m)))
        points[n // 10 :] = np.abs(centres[generator.integers(0, 3, n - n // 10)] + 0.03 * points[n // 10 :])
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def farthest_first(f, k):
    """How far any point is from k chosen ones, each the farthest from those before: at most twice what is possible
    (Gonzalez 1985)."""
    distance = np.linalg.norm(f - f[f[:, 0].argmin()], axis=1)
    for _ in range(k - 1):
        distance = np.minimum(distance, np.linalg.norm(f - f[distance.argmax()], axis=1))
    return distance.max()


@pytest.mark.parametrize("order", ["as made", "shuffled"])
@pytest.mark.parametrize("kind", ["even", "smooth", "random", "clustered", "grid", "integer"])
@pytest.mark.parametrize("m", [2, 3])
def test_thinning_tears_no_holes(m, kind, order):
    """No point that went is farther from what stays than 2.5 times what is best."""
    generator = np.random.default_rng(10 * m + (order == "shuffled"))
    f = front_of(kind, m, 2000, generator)
    if order == "shuffled":
        f = generator.permutation(f)
    unit = (f - f.min(0)) / np.ptp(f, axis=0)
    for capacity in (len(f) // 2, len(f) // 10):
        kept = thin(torch.from_numpy(f), torch.ones(len(f), dtype=torch.bool), capacity).numpy()
        assert kept.sum() == capacity
        largest = np.min([np.linalg.norm(unit - row, axis=1) for row in unit[kept]], 0).max()
        assert largest <= 2.5 * farthest_first(unit, capacity)


def test_thinning_of_a_quarter_circle_leaves_even_gaps():
    """What an archive does: it once left a gap of 0.197, where 0.0016 is ideal."""
    angle = torch.linspace(0, np.pi / 2, 2000, dtype=torch.float64)
    f = torch.stack((angle.cos(), angle.sin()), -1)
    kept = f[thin(f, torch.ones(2000, dtype=torch.bool), 1000)]
    assert kept.diff(dim=0).norm(dim=1).max() < 4 * 0.00158


def test_an_archive_that_is_thinned_again_and_again_keeps_its_shape():
    generator = torch.Generator().manual_seed(5)
    kept = torch.empty(0, 2, dtype=torch.float64)
    for _ in range(50):
        angle = torch.rand(300, generator=generator, dtype=torch.float64) * np.pi / 2
        f = torch.cat((kept, torch.stack((angle.cos(), angle.sin()), -1)))
        kept = f[thin(f, torch.ones(len(f), dtype=torch.bool), 200)]
    gaps = kept[kept[:, 0].argsort()].diff(dim=0).norm(dim=1)
    assert len(kept) == 200 and gaps.max() < 3 * np.pi / 2 / 199
