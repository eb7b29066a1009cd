"""The contract of an indicator: a number for every set, whose sense is that of its row in the table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moopt.core.random import Rng
from moopt.indicators.table import Indicator
from moopt.testing.contract import equal, require


def check_indicator(indicator: Indicator, *, n_obj: int = 3, seed: int = 1) -> None:
    """Checks that an indicator keeps its contract, on sets of `n_obj` objectives scaled to between 0 and 1.

    float64[...] of f[..., n, m]; a set alone has the bits that it has in a batch; failed rows (NaN) and the order of
    points change nothing but rounding, float32 nothing but the precision of what is given; points are unmodified; a
    front nearer to the ideal scores better, and no point at all worst. Raises ContractError.
    """
    who = getattr(indicator.function, "__name__", "the indicator")
    draws = Rng([seed]).uniform(7, 12, n_obj)[0] + 0.05
    f, front = draws[:6].reshape(2, 3, 12, n_obj), draws[6] / draws[6].sum(-1, keepdim=True)
    given: dict[str, Any] = {"reference point": torch.full((n_obj,), 2.0).double(), "front": front, "scale": None}
    needed = given[indicator.needs]

    def score(points: Tensor) -> Tensor:
        return indicator.function(points, needed)

    before = f.clone()
    together = score(f)
    require(torch.equal(f, before), f"{who}: changes the points it is given")
    got = (together.dtype, *together.shape)
    require(got == (torch.float64, 2, 3), f"{who}: expected float64 of shape [2, 3], got {got}")
    alone = torch.stack([score(one) for one in f.reshape(6, 12, n_obj)]).reshape(2, 3)
    require(equal(alone, together), f"{who}: a set alone scores otherwise than in a batch")
    best = torch.cat([front, front[:1] * 0.01])  # as good as can be, if they were believed
    failed = best.index_fill(-1, torch.tensor([0]), torch.nan).expand(2, 3, 13, n_obj)
    more = score(torch.cat([failed, f], -2))  # sums of more numbers may be rounded otherwise
    require(torch.allclose(more, together, rtol=1e-12), f"{who}: a failed row changes the score")
    require(torch.allclose(score(f.flip(-2)), together, rtol=1e-9), f"{who}: the order of points changes the score")
    single = score(f.float())
    require(single.dtype == torch.float64, f"{who}: expected float64 for float32 points, got {single.dtype}")
    require(torch.allclose(single, together, rtol=1e-3, atol=1e-5), f"{who}: float32 points score otherwise")
    near, far, none = (float(score(points)) for points in (front + 0.1, front + 0.3, front[:0]))
    sign = 1 if indicator.higher_is_better else -1
    require(sign * near > sign * far, f"{who}: the nearer front does not score better")
    require(sign * far > sign * none, f"{who}: no point at all does not score worst")
