"""Sets of directions: weight vectors on the unit simplex, nonnegative and of sum 1, without chance."""

from __future__ import annotations

import functools
import itertools
import math

import torch
from torch import Tensor

from moopt.core.checks import InputError

RELAXED = 2000  # directions; more are so close together that evening them out is not worth the time
ROUNDS = 100  # of relaxation; four times as many leave 100 directions no farther apart


def das_dennis(n_obj: int, divisions: int) -> Tensor:
    """All vectors with coordinates k / divisions: float64[C(divisions + n_obj - 1, n_obj - 1), n_obj].

    The simplex lattice of Das and Dennis 1998 (SIAM J. Optim. 8(3), normal-boundary
    intersection). Raises ValueError for less than one objective or division.
    """
    if n_obj < 1 or divisions < 1:
        raise InputError(
            f"das_dennis: expected n_obj and divisions of at least 1, got {n_obj} and {divisions}"
        )
    # Stars and bars: n_obj - 1 bars among the places; the coordinates are the gaps between them.
    places = divisions + n_obj - 1
    bars = torch.tensor(list(itertools.combinations(range(places), n_obj - 1)), dtype=torch.int64)
    bars = bars.reshape(math.comb(places, n_obj - 1), n_obj - 1)
    walls = torch.nn.functional.pad(torch.nn.functional.pad(bars, (1, 0), value=-1), (0, 1), value=places)
    return (walls.diff(dim=-1) - 1).double() / divisions


def layered_directions(n_obj: int, outer: int, inner: int) -> Tensor:
    """A lattice of `outer` divisions and one of `inner` drawn halfway to the centre: float64[n, n_obj].

    For many objectives, where a lattice fine enough to have interior points is too large (Deb and Jain 2014,
    part I, figure 4; halfway as in Li et al. 2015, MOEA/DD, with tau 0.5).
    """
    return torch.cat([das_dennis(n_obj, outer), (das_dennis(n_obj, inner) + 1 / n_obj) / 2])


def lattice_of(n: int, n_obj: int) -> Tensor:
    """The smallest Das-Dennis lattice of at least n directions."""
    return das_dennis(n_obj, 1 if n_obj == 1 else _divisions(n - 1, n_obj) + 1)


def directions(n: int, n_obj: int) -> Tensor:
    """Exactly n well-spread directions, the same for every call: float64[n, n_obj].

    A Das-Dennis lattice where one has n points (with two objectives always), else two layers where these do
    and the outer one has no interior point. Otherwise the largest lattice that fits is filled up with a
    low-discrepancy sequence and, for n <= 2000, evened out by mutual repulsion: descent of the Riesz s-energy
    with s = n_obj^2 of Blank, Deb et al. 2021 (IEEE Trans. Evol. Comput. 25(1)), the sum over pairs of
    distance^-s. One direction is the centre, fewer than n_obj are unit vectors. Raises ValueError
    for n or n_obj below 1.
    """
    if n < 1 or n_obj < 1:
        raise InputError(f"directions: expected n and n_obj of at least 1, got {n} and {n_obj}")
    return _directions(n, n_obj).clone()


@functools.lru_cache(maxsize=16)
def directions_on(n: int, n_obj: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`directions`, moved once and kept: the same tensor for every call, not to be written to.

    A copy to a GPU in every generation would make it wait.
    """
    return _directions(n, n_obj).to(device, dtype, copy=True)


@functools.lru_cache(maxsize=16)
def _directions(n: int, n_obj: int) -> Tensor:
    if n == 1 or n_obj == 1:
        return torch.full((n, n_obj), 1 / n_obj, dtype=torch.float64)
    if n < n_obj:
        return torch.eye(n_obj, dtype=torch.float64)[:n]
    divisions = _divisions(n, n_obj)
    if _lattice_size(divisions, n_obj) == n:
        return das_dennis(n_obj, divisions)
    for outer in range(2, min(divisions + 1, n_obj)):
        for inner in range(1, outer):
            if _lattice_size(outer, n_obj) + _lattice_size(inner, n_obj) == n:
                return layered_directions(n_obj, outer, inner)
    lattice = das_dennis(n_obj, divisions)
    filled = torch.cat([lattice, _to_simplex(_low_discrepancy(n - len(lattice), n_obj - 1))])
    return _relaxed(filled) if n <= RELAXED else filled


def _lattice_size(divisions: int, n_obj: int) -> int:
    return math.comb(divisions + n_obj - 1, n_obj - 1)


def _divisions(n: int, n_obj: int) -> int:
    """Divisions of the largest lattice with at most n points, 0 if there is none."""
    divisions = 0
    while _lattice_size(divisions + 1, n_obj) <= n:
        divisions += 1
    return divisions


def _low_discrepancy(n: int, dim: int) -> Tensor:
    """The additive recurrence of the generalised golden ratio (Roberts 2018, "The unreasonable effectiveness
    of quasirandom sequences", R_d): [n, dim] in [0, 1)."""
    ratio = 2.0
    for _ in range(64):  # the root of x^(dim + 1) = x + 1
        ratio = (1 + ratio) ** (1 / (dim + 1))
    steps = ratio ** -torch.arange(1, dim + 1, dtype=torch.float64)
    return (0.5 + torch.arange(1, n + 1, dtype=torch.float64)[:, None] * steps) % 1


def _to_simplex(u: Tensor) -> Tensor:
    """Uniform points of the cube to uniform points of the simplex (Fang and Wang 1994, Number-theoretic
    Methods in Statistics): [n, dim] -> [n, dim + 1]."""
    dim = u.shape[1]
    left = (u ** (1 / torch.arange(dim, 0, -1, dtype=u.dtype))).cumprod(1)
    left = torch.nn.functional.pad(left, (1, 0), value=1.0)
    return torch.cat([left[:, :-1] - left[:, 1:], left[:, -1:]], dim=1)


def _relaxed(w: Tensor) -> Tensor:
    """Moves every direction along the force of its neighbours, by ever shorter steps, and back onto the
    simplex."""
    n, m = w.shape
    for t in range(ROUNDS):
        if t % 10 == 0:  # neighbours seldom change, and with so steep a force the nearest decide
            distance = torch.cdist(w, w, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(
                torch.inf
            )
            neighbours = distance.topk(min(n - 1, 4 * m), largest=False).indices
        offset = w[:, None] - w[neighbours]
        square = offset.square().sum(-1)
        nearest = square.amin(1, keepdim=True)
        # Minus the gradient is sum_j (w_i - w_j) r_ij^-(s + 2); counted in nearest distances nothing
        # overflows.
        force = ((square / nearest).pow(-(m * m + 2) / 2)[..., None] * offset).sum(1)
        length = force.norm(dim=1, keepdim=True).clamp_min(1e-300)
        reach = 0.3 * (1 - t / ROUNDS) * nearest.sqrt()  # a third of the way to the nearest, and then less
        w = _onto_simplex(w + force / length * reach * (length / nearest.sqrt()).tanh())
    return w


def _onto_simplex(v: Tensor) -> Tensor:
    """The nearest points of the simplex (Held, Wolfe and Crowder 1974): [n, m] -> [n, m]."""
    ordered = v.sort(1, descending=True).values
    surplus = (ordered.cumsum(1) - 1) / torch.arange(1, v.shape[1] + 1, dtype=v.dtype)
    support = (ordered > surplus).sum(1, keepdim=True)
    return (v - surplus.gather(1, support - 1)).clamp_min(0)
