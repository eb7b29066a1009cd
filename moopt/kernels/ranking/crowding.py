"""Crowding distances, as a readable torch reference that runs on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.ranking.reference import lexsort


def crowding(f: Tensor, rank: Tensor | None) -> Tensor:
    """Crowding distances of f[..., n, m] within each front of rank[..., n]: [..., n] in the precision of f,
    computed in float64. The conventions stand at `moopt.selection.crowding_distance`."""
    n, m = f.shape[-2:]
    front = torch.zeros(f.shape[:-1], device=f.device) if rank is None else rank
    columns = [column + 0.0 for column in f.double().unbind(-1)]  # -0.0 becomes 0.0, see dominance
    order = lexsort([front, *columns])
    front, *columns = (t.gather(-1, order) for t in (front, *columns))

    copies = front[..., 1:] == front[..., :-1]
    for column in columns:
        copies = copies & (column[..., 1:] == column[..., :-1])
    left_out = torch.stack(columns).isnan().any(0)
    left_out[..., 1:] |= copies

    total = torch.zeros_like(columns[0])
    position = torch.arange(n, device=f.device).expand_as(order)
    for column in columns:
        at = lexsort([left_out, front, column])  # what is left out comes last, as one segment of no interest
        segment, out, v = front.gather(-1, at), left_out.gather(-1, at), column.gather(-1, at)
        starts = torch.ones_like(out)
        starts[..., 1:] = (segment[..., 1:] != segment[..., :-1]) | (out[..., 1:] != out[..., :-1])
        ends = starts.roll(-1, -1)
        first = torch.where(starts, position, 0).cummax(-1).values
        last = torch.where(ends, position, n).flip(-1).cummin(-1).values.flip(-1)
        low, high = v.gather(-1, first), v.gather(-1, last)
        before, after = v.roll(1, -1), v.roll(-1, -1)
        gap = torch.where(after > before, after - before, 0.0)
        share = torch.where(gap == torch.inf, 1.0, gap / (high - low)).masked_fill(gap == 0, 0.0)
        share = share.masked_fill(starts | ends, torch.inf).masked_fill(low == high, 0.0)
        share = share.masked_fill(first == last, torch.inf).masked_fill(out, 0.0)
        total = total.scatter_add(-1, at, share)
    return torch.empty_like(total).scatter(-1, order, total).to(f.dtype)
