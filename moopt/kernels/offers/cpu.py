"""Numba versions, for the CPU, of `best_offer` and `replacement`.

The same answers, but for PBI's distance: on the CPU torch's square root may be off by one rounding, Numba's is not.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.offers import reference
from moopt.kernels.shared.arithmetic import length
from moopt.kernels.shared.compiled import entry, inner

TCHEBYCHEFF, WEIGHTED_SUM, PBI = range(3)
FUNCTIONS = {"tchebycheff": TCHEBYCHEFF, "weighted_sum": WEIGHTED_SUM, "pbi": PBI}



def best_offer(target: Tensor, violation: Tensor, value: Tensor, n_targets: int) -> tuple[Tensor, Tensor, Tensor]:
    """`best_offer` for float32 and float64, in one pass over the offers."""
    if violation.dtype not in (torch.float32, torch.float64) or value.dtype != violation.dtype:
        return reference.best_offer.reference(target, violation, value, n_targets)
    *batch, q = target.shape
    number = torch.full((*batch, n_targets), q, dtype=torch.int64)
    least_violation, least_value = (violation.new_full(number.shape, torch.inf) for _ in range(2))
    given = (t.detach().reshape(math.prod(batch), q).contiguous().numpy() for t in (target, violation, value))
    found = (t.view(math.prod(batch), n_targets).numpy() for t in (number, least_violation, least_value))
    if not _best_offer(*given, *found):
        raise IndexError(f"target: expected numbers from 0 to {n_targets - 1}, got others")
    return number, least_violation, least_value


def replacement(
    f: Tensor, violation: Tensor, target: Tensor, held: Tensor, held_violation: Tensor, weights: Tensor, function: str,
    theta: float,
) -> Tensor:  # fmt: skip
    """`replacement` for float32 and float64, without a table of all offers: they would fill new memory in every
    call, which costs more than the values in it."""
    tensors = (f, violation, held, held_violation, weights)
    if any(t.dtype not in (torch.float32, torch.float64) or t.dtype != f.dtype for t in tensors):
        return reference.replacement.reference(f, violation, target, held, held_violation, weights, function, theta)
    *batch, n, m = f.shape
    if function == "pbi":
        weights = weights / length(weights)[..., None]
    runs, k, size = math.prod(batch), len(weights), target.shape[-1]
    shapes = (runs, n, m), (runs, n), (runs, k, m), (runs, k), (k, m), (runs, n, size)
    points, excess, own, own_excess, directions, targets = (
        t.detach().reshape(shape).contiguous().numpy()
        for t, shape in zip((f, violation, held, held_violation, weights, target), shapes, strict=True)
    )
    out, penalty = torch.empty(*batch, k, dtype=torch.int64), points.dtype.type(theta)
    which = FUNCTIONS[function]
    if not _replacement(
        points, excess, targets, own, own_excess, directions, which, penalty, out.view(runs, k).numpy()
    ):
        raise IndexError(f"target: expected numbers from 0 to {k - 1}, got others")
    return out


@entry
def _best_offer(target, violation, value, number, least_violation, least_value):
    for r in range(len(target)):
        q = target.shape[1]
        for i in range(q):
            to, excess, v = target[r, i], violation[r, i], value[r, i]
            if to < 0 or to >= number.shape[1]:
                return False
            if np.isnan(excess):
                excess = np.inf
            if np.isnan(v):
                v = np.inf
            held = least_violation[r, to]
            if excess < held or (excess == held and (v < least_value[r, to] or number[r, to] == q)):
                number[r, to], least_violation[r, to], least_value[r, to] = i, excess, v
    return True


@inner
def _values(point, weights, chosen, function, theta, out):
    """Scalarised objectives of one point under the chosen weight vectors (for PBI of length 1); infinite, not NaN."""
    m = len(point)
    for t in range(len(chosen)):
        j = chosen[t]
        if function == TCHEBYCHEFF:
            value, undefined = abs(point[0]) * weights[j, 0], False
            for i in range(m):
                v = abs(point[i]) * weights[j, i]
                undefined |= np.isnan(v)
                value = v if v > value else value  # without a branch
            value = np.inf if undefined else value
        else:
            value = point[0] * weights[j, 0]
            for i in range(1, m):
                value += point[i] * weights[j, i]
            if function == PBI:
                square = (point[0] - value * weights[j, 0]) ** 2
                for i in range(1, m):
                    square += (point[i] - value * weights[j, i]) ** 2
                value = abs(value) + theta * np.sqrt(square)
        out[t] = np.inf if np.isnan(value) else value


@entry
def _replacement(f, violation, target, held, held_violation, weights, function, theta, out):
    runs, n, size = target.shape
    k = len(weights)
    own = np.empty(1, np.int64)
    least, least_violation, value = np.empty(k, f.dtype), np.empty(k, f.dtype), np.empty(size, f.dtype)
    for r in range(runs):
        for j in range(k):
            excess, own[0], out[r, j] = held_violation[r, j], j, n + j
            _values(held[r, j], weights, own, function, theta, least[j:])
            least_violation[j] = np.inf if np.isnan(excess) else excess
        for i in range(n):
            excess = np.inf if np.isnan(violation[r, i]) else violation[r, i]
            for t in range(size):
                if target[r, i, t] < 0 or target[r, i, t] >= k:
                    return False
            _values(f[r, i], weights, target[r, i], function, theta, value)
            for t in range(size):
                j = target[r, i, t]
                if excess > least_violation[j]:
                    continue
                if excess < least_violation[j] or value[t] < least[j] or (value[t] == least[j] and out[r, j] >= n):
                    out[r, j], least_violation[j], least[j] = i, excess, value[t]
    return True
