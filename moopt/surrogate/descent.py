"""Many small smooth problems at once, within bounds: BFGS, each problem with its own matrix and its own steps.

J. Nocedal, S. J. Wright (2006), "Numerical Optimization", sections 3.5 and 6.1; D. P. Bertsekas (1982), "Projected
Newton Methods for Optimization Problems with Simple Constraints", SIAM Journal on Control and Optimization 20(2),
221-246 (variables at a bound that want to leave it outwards stay out of the matrix; steps are clipped).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

ENOUGH = 1e-4  # of the descent that the slope promises
SHORTENINGS = 12
TINY = 1e-300


def descend(
    function: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    low: Tensor | float,
    high: Tensor | float,
    steps: int,
    tolerance: float = 1e-8,
) -> tuple[Tensor, Tensor]:
    """Minimises function(x[b, p], asked[b]) -> [b], each row by its own x only: where it got, and the values.

    Rows that are not `asked` have ended, or a step: what is said of them is ignored, and need not be computed.
    A problem ends where no variable can move down, or where a step gains less than `tolerance`, relative where the
    value is above 1. What is not a number counts as infinitely bad; a row that starts there stays.
    """

    def evaluate(x: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        value = function(x, asked)
        (slope,) = torch.autograd.grad(value.sum(), x)
        usable = value.isfinite() & slope.isfinite().all(-1)
        return value.detach().masked_fill(~usable, torch.inf), slope.nan_to_num(0.0, 0.0, 0.0)

    def at_bound(x: Tensor) -> Tensor:
        return (x <= low) | (x >= high)

    low, high = (torch.as_tensor(bound, dtype=x.dtype, device=x.device).expand_as(x) for bound in (low, high))
    eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    x = x.clamp(low, high)
    value, slope = evaluate(x, torch.ones_like(x[:, 0], dtype=torch.bool))
    matrix = eye.expand(len(x), -1, -1)
    fresh, running = torch.ones_like(value, dtype=torch.bool), value.isfinite()  # fresh: nothing learned yet
    for _ in range(steps):
        free = ~(((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0)))
        direction = _direction(matrix, slope, free)
        running = running & (-(direction * slope).sum(-1) > 0.1 * tolerance * value.abs().clamp_min(1.0))
        if not bool(running.any()):
            break
        # a first step goes a tenth of the way between the bounds, or 1 where there are none or nothing between them
        reach = torch.where((high > low) & (high - low).isfinite(), 0.1 * (high - low), 1.0)
        step = torch.where(fresh, (direction.abs() / reach).amax(-1).clamp_min(TINY).reciprocal().clamp_max(1.0), 1.0)
        room = torch.where(direction > 0, high - x, low - x) / torch.where(direction == 0, torch.nan, direction)
        bends = room.nan_to_num(torch.inf, torch.inf).amin(-1)
        new, new_value, new_slope, waiting = x, value, slope, running
        for _ in range(SHORTENINGS):
            tried = (x + step[:, None] * direction).clamp(low, high)
            its_value, its_slope = evaluate(tried, waiting)
            promised = ((tried - x) * slope).sum(-1)
            good = waiting & (its_value <= value + ENOUGH * promised)
            new, new_slope = (torch.where(good[:, None], *pair) for pair in ((tried, new), (its_slope, new_slope)))
            new_value, waiting = torch.where(good, its_value, new_value), waiting & ~good
            if not bool(waiting.any()):
                break
            parabola = -0.5 * promised / (its_value - value - promised)  # its minimum, as a share of the step
            shorter = step * parabola.nan_to_num(0.1).clamp(0.1, 0.5)
            bend = torch.where(bends < step, bends, 0.0)  # where the clipped path leaves the line, if it does
            step = torch.where(waiting, torch.maximum(shorter, bend), step)
        moved, turned, gained = new - x, new_slope - slope, value - new_value
        curvature = (moved * turned).sum(-1)
        learns = running & ~waiting & (curvature > 1e-10 * moved.square().sum(-1))
        scale = (turned.square().sum(-1) / curvature)[:, None, None]
        base = torch.where(fresh[:, None, None], scale * eye, matrix)
        matrix = torch.where(learns[:, None, None], _updated(base, moved, turned), matrix)
        # where no step fits, one more try from the plain slope
        matrix = torch.where(waiting[:, None, None], eye, matrix)
        settled = (gained <= tolerance * value.abs().clamp_min(1.0)) & ~(at_bound(new) & ~at_bound(x)).any(-1)
        running = running & ~torch.where(waiting, fresh, settled)
        fresh = ~learns & (fresh | waiting)
        x, value, slope = new, new_value, new_slope
    return x, value


def _direction(matrix: Tensor, slope: Tensor, free: Tensor) -> Tensor:
    """Newton's among the free variables, or the plain slope's where that goes up."""
    both = free[:, :, None] & free[:, None, :]
    among = torch.where(both, matrix, torch.diag_embed((~free).to(matrix.dtype)))
    downhill = slope * free
    solved, failed = torch.linalg.solve_ex(among, downhill[..., None])
    newton = -solved[..., 0]
    useless = (failed != 0) | ~((newton * downhill).sum(-1) < 0)
    return torch.where(useless[:, None], -downhill, newton)


def _updated(matrix: Tensor, moved: Tensor, turned: Tensor) -> Tensor:
    """BFGS: Nocedal and Wright, equation 6.19."""
    product = (matrix @ moved[..., None])[..., 0]
    down = product[:, :, None] * product[:, None, :] / (product * moved).sum(-1)[:, None, None]
    up = turned[:, :, None] * turned[:, None, :] / (turned * moved).sum(-1)[:, None, None]
    return matrix - down + up
