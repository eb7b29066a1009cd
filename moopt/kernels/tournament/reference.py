"""Winners of binary tournaments, as a readable torch reference that runs on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel, int64_like


def _tournament(u: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """Winners int64[..., k] by draws u[..., k, 2] and keys [..., n]; see `moopt.selection.tournament`."""
    n = keys[0].shape[-1]
    first, second = (u * n).long().clamp_max(n - 1).unbind(-1)
    second_wins = torch.zeros_like(first, dtype=torch.bool)
    for key in reversed(keys):
        if key.is_floating_point():
            key = key.nan_to_num(torch.inf, torch.inf, -torch.inf)
        a, b = key.gather(-1, first), key.gather(-1, second)
        second_wins = (b < a) | ((b == a) & second_wins)
    return torch.where(second_wins, second, first)


tournament = Kernel(
    _tournament,
    "(Tensor u, Tensor[] keys) -> Tensor",
    lambda u, keys: int64_like(u, *u.shape[:-1]),
    cpu="cpu",
    pack=lambda u, keys: (u, list(keys)),
)
