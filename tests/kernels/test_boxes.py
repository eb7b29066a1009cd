"""Boxes of what nothing dominates: they fill it, once, in both versions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moopt.indicators import hypervolume
from moopt.kernels.boxes import boxes

VERSIONS = {"torch": boxes.reference, "chosen": boxes}


def drawn(n, m, seed, levels=0):
    """Points in [0, 1]; with levels, on a grid, so that coordinates are often equal."""
    f = torch.rand(n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (f * levels).round() / levels if levels else f


def volume(lower, upper, floor):
    return (upper - lower.clamp_min(floor)).clamp_min(0).prod(-1).sum(-1)


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 12), m=st.integers(1, 4), seed=st.integers(0, 10**6), levels=st.sampled_from([0, 3]))
def test_boxes_fill_what_no_point_dominates(version, n, m, seed, levels):
    f, corner = drawn(n, m, seed, levels), torch.full((m,), 0.9, dtype=torch.float64)
    lower, upper = VERSIONS[version](f, corner)
    assert lower.shape == upper.shape and (upper <= corner).all()
    assert volume(lower, upper, -1.0).item() == pytest.approx(1.9**m - float(hypervolume(f, corner)), rel=1e-12)
    probes = drawn(300, m, seed + 1) * 1.9 - 1.0
    inside = ((lower < probes[:, None]) & (probes[:, None] < upper)).all(-1).sum(-1)
    free = ~(f <= probes[:, None]).all(-1).any(-1)
    assert torch.equal(inside, free.long())


@pytest.mark.parametrize("m, count", [(1, 1), (2, 11), (3, 21)])
def test_points_in_general_position_take_as_many_boxes_as_published(m, count):
    """n + 1 and 2 n + 1 for two and three objectives (Lacour, Klamroth, Fonseca 2017)."""
    f = drawn(10, m, 3)
    f = f / f.norm(dim=-1, keepdim=True) * (0.5 if m > 1 else f.norm(dim=-1, keepdim=True))
    lower, _ = boxes(f, torch.ones(m, dtype=torch.float64))
    assert len(lower) == count


@pytest.mark.parametrize("m", [2, 3, 4])
def test_versions_agree(m):
    """Without ties box by box, in some order; batches are filled up with boxes of no volume."""
    f = torch.stack([drawn(9, m, 1), drawn(9, m, 2) * 2, torch.full((9, m), torch.nan).double()])
    corner = torch.full((m,), 1.0, dtype=torch.float64)
    found = [version(f, corner) for version in VERSIONS.values()]
    assert found[0][0].shape == found[1][0].shape
    for b in range(3):
        rows = [torch.cat([low[b], high[b]], -1) for low, high in found]
        ordered = [row[[i for i, _ in sorted(enumerate(row.tolist()), key=lambda pair: pair[1])]] for row in rows]
        assert torch.equal(*ordered)
    lower, upper = found[1]
    filled = (lower[2] < upper[2]).all(-1)
    assert filled.sum() == 1 and torch.equal(upper[2][filled][0], corner) and lower[2][filled].isinf().all()
