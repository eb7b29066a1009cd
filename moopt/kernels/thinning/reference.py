"""Thinning a set of points so that none of it is left without company, as a readable torch reference.

The rule of truncation in SPEA2 (Zitzler, Laumanns, Thiele 2001, section 3.2), who is nearest to another one goes first,
in rounds instead of one by one: a point goes only if its nearest neighbour stays in that round, so that whatever goes
is as near to what stays as it was to its neighbour. Neighbours are looked for along two curves through the unit
box in Morton's order, one shifted against the other (Chan 2002, "Closest-point problems simplified on the RAM").
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel
from moopt.kernels.shared.sorting import lexsort

CURVES = 2
SHIFT = 1 / 3  # of the box: no cell's edge is then one of another curve
FLAT = 2  # objectives up to which one curve will do: along a front, both put its points in one order
WINDOW = 3  # points looked at before and after each along a curve
BITS = 52  # of a place on a curve, which is exact in float64
FINEST = 10  # bits of one objective
AT_ONCE = 8  # so many rounds for a capacity's worth, at most: a round for each last point gains no hypervolume


def _thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """Which of the valid[..., n] points f[..., n, m] stay: bool[..., n]; see `moopt.selection.thin`."""
    n = f.shape[-2]
    if n <= capacity:
        return valid.clone()
    row = torch.arange(n, device=f.device).expand(valid.shape)
    unusable = valid & f.isnan().any(-1)
    alive = valid & ~leading(unusable, (valid.sum(-1, keepdim=True) - capacity).clamp_min(0), row.flip(-1))
    y = unit_box(f, alive & ~unusable)
    end = extremes(y, alive & ~unusable)
    if f.shape[-1] <= FLAT:
        curves = [lexsort(list(y.unbind(-1)))]
    else:
        curves = [place(y, curve * SHIFT).argsort(dim=-1, stable=True) for curve in range(CURVES)]
    for _ in range(rounds(n, capacity)):
        partner, square = _nearest(y, alive & ~unusable, curves)
        going = _going(partner, end) & alive & ~unusable
        count = alive.sum(-1, keepdim=True)
        surplus = (count - capacity).clamp_min(0)
        at_once = torch.maximum(surplus - surplus // 4, surplus.clamp_max(capacity // AT_ONCE))
        found = going.sum(-1, keepdim=True)
        at_once = torch.minimum(at_once, (found + 1) // 2)
        alive = alive & ~leading(going, at_once, square, torch.minimum(row, partner), torch.maximum(row, partner))
    return alive & leading(alive, torch.full_like(alive.sum(-1, keepdim=True), capacity), ~end, row)


def rounds(n: int, capacity: int) -> int:
    """So many rounds at most; what is too much then goes at once."""
    return 2 * (n - capacity).bit_length() + 8 if n > capacity else 0


def unit_box(f: Tensor, among: Tensor) -> Tensor:
    """Objectives of f[..., n, m] by the range of the finite ones `among`[..., n]: float64[..., n, m] in [-1, 2]."""
    f = f.double()
    counted = among[..., None] & f.isfinite()
    low = f.masked_fill(~counted, torch.inf).amin(-2, keepdim=True)
    high = f.masked_fill(~counted, -torch.inf).amax(-2, keepdim=True)
    scale = torch.where((high - low).isinf(), 0.5, 1.0)  # no overflow
    width = high * scale - low * scale
    y = (f * scale - low * scale) / width
    return torch.where(width > 0, y, 0.0).nan_to_num(0.0).clamp(-1.0, 2.0)


def extremes(y: Tensor, among: Tensor) -> Tensor:
    """The first point with the least and with the greatest value of each objective: bool[..., n]."""
    end = torch.zeros_like(among)
    for column in y.unbind(-1):
        for sign in (1.0, -1.0):
            at = (sign * column).masked_fill(~among, torch.inf).argmin(-1, keepdim=True)
            end = end.scatter(-1, at, True)
    return end & among


def place(y: Tensor, shift: float) -> Tensor:
    """Where on the shifted curve the points y[..., n, m] lie: int64[..., n], the bits of their cells interleaved."""
    y = y[..., :BITS]
    m = y.shape[-1]
    bits = min(FINEST, BITS // m)
    cell = ((y + 1.0 + shift) / 4.0 * 2.0**bits).long()
    spread = torch.zeros_like(cell)
    for bit in range(bits):
        spread |= (cell >> bit & 1) << bit * m
    return (spread << torch.arange(m, device=y.device)).sum(-1)


def _nearest(y: Tensor, alive: Tensor, curves: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The nearest alive[..., n] neighbour of each and the square of its distance; itself and infinity for none.

    Of equal distances the pair with the smaller rows counts as nearer, so that the nearest neighbours of neighbours
    lead to pairs that are each other's.
    """
    row = torch.arange(y.shape[-2], device=y.device).expand(alive.shape)
    partner, square = row, y.new_full(alive.shape, torch.inf)
    count = alive.sum(-1, keepdim=True)
    for curve in curves:
        order = curve.gather(-1, (~alive.gather(-1, curve)).byte().argsort(dim=-1, stable=True))
        points = torch.take_along_dim(y, order[..., None], -2)
        position = torch.arange(y.shape[-2], device=y.device)
        best, near = order, torch.full_like(square, torch.inf)
        for step in (*range(1, WINDOW + 1), *range(-1, -WINDOW - 1, -1)):
            exists = (position + step >= 0) & (position + step < count) & (position < count)
            other = order.roll(-step, -1)
            distance = _square(points, points.roll(-step, -2)).masked_fill(~exists, torch.inf)
            closer = exists & _closer(order, distance, other, near, best)
            best, near = torch.where(closer, other, best), torch.where(closer, distance, near)
        best, near = (torch.empty_like(t).scatter(-1, order, t) for t in (best, near))
        closer = (best != row) & _closer(row, near, best, square, partner)
        partner, square = torch.where(closer, best, partner), torch.where(closer, near, square)
    return partner, square


def _square(a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros_like(a[..., 0])
    for u, v in zip(a.unbind(-1), b.unbind(-1), strict=True):
        total = total + (u - v) * (u - v)
    return total


def _closer(row: Tensor, distance: Tensor, other: Tensor, best: Tensor, partner: Tensor) -> Tensor:
    """Whether `other` is nearer than `partner`, both of `row`; a row that is its own partner has none."""
    low, high = torch.minimum(row, other), torch.maximum(row, other)
    least, most = torch.minimum(row, partner), torch.maximum(row, partner)
    same = (distance == best) & ((low < least) | ((low == least) & (high < most)))
    return (distance < best) | same | (partner == row)


def _going(partner: Tensor, end: Tensor) -> Tensor:
    """Who goes, if all may: of a pair of nearest neighbours the later one; any other, if its partner stays."""
    row = torch.arange(partner.shape[-1], device=partner.device).expand(partner.shape)
    mutual = (partner.gather(-1, partner) == row) & ~end.gather(-1, partner)
    fixed = end | mutual
    going = mutual & ~end & (row > partner)
    source, odd = torch.where(fixed, row, partner), ~fixed
    for _ in range(partner.shape[-1].bit_length()):
        odd, source = odd ^ odd.gather(-1, source), source.gather(-1, source)
    return going.gather(-1, source) ^ odd


def leading(among: Tensor, n: Tensor, *keys: Tensor) -> Tensor:
    """The n[..., 1] first `among`[..., k] by the keys: bool[..., k]."""
    order = lexsort([~among, *keys])
    position = torch.arange(among.shape[-1], device=among.device).expand(among.shape)
    return among & torch.zeros_like(among).scatter(-1, order, position < n)


thin = Kernel(
    _thin,
    "(Tensor f, Tensor valid, int capacity) -> Tensor",
    lambda f, valid, capacity: torch.empty_like(valid),
    cpu="cpu",
    cuda="cuda",
)
