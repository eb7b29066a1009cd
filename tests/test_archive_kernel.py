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
from moopt.selection import crowding_distance, thin

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
    assert torch.equal(archive_cpu.thin(f, valid, capacity), archive.thin.reference(f, valid, capacity))


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
    """Eight points down to five: two go by the first distances, then one by those that are left."""
    x = torch.tensor([0.0, 1.0, 1.5, 4.0, 4.25, 4.75, 7.0, 10.0], dtype=torch.float64)
    f = torch.stack((x, 10.0 - x), -1)
    # twice the gaps of neighbours over 10: inf, .30, .60, .55, .15, .55, 1.05, inf; rows 4 and 1 go
    # then inf, -, .80, .65, -, .60, 1.05, inf; row 5 goes
    assert crowding_distance(f).tolist()[1:-1] == pytest.approx([0.3, 0.6, 0.55, 0.15, 0.55, 1.05])
    valid = torch.ones(8, dtype=torch.bool)
    assert thin(f, valid, 5).nonzero()[:, 0].tolist() == [0, 2, 3, 6, 7]
    assert archive.thin.reference(f, valid, 5).nonzero()[:, 0].tolist() == [0, 2, 3, 6, 7]
