"""A welded beam with a choice of weld and material: cost against deflection, with numbers of every kind.

K. Deb, M. Goyal (1996), "A Combined Genetic Adaptive Search (GeneAS) for Engineering Design", Computer Science and
Informatics 26(4), 30-45 (weld, material and plate sizes as variables; its best design, four welds on steel with
h = 0.1875, l = 1.6849, t = 8.25, b = 0.25, costs 1.9422), mechanics of G. V. Reklaitis, A. Ravindran, K. M. Ragsdell
(1983), "Engineering Optimization: Methods and Applications"; the deflection as an objective and the reference point
(40, 0.015) as in K. Deb, A. Pratap, T. Meyarivan (2001) and in BoTorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.problem import Problem
from moopt.core.space import Choice, Integer, Real, Space

LOAD, LENGTH = 6000.0, 14.0  # lb, in
# cost of weld and of beam ($ / in^3), yield stress, moduli of elasticity and shear (psi)
MATERIALS = {
    "steel": (0.1047, 0.0481, 3.0e4, 3.0e7, 1.2e7),
    "cast iron": (0.0489, 0.0224, 8.0e3, 1.4e7, 6.0e6),
    "aluminium": (0.5235, 0.2405, 5.0e3, 1.0e7, 4.0e6),
    "brass": (0.5584, 0.2566, 8.0e3, 1.6e7, 1.0e7),
}
SIXTEENTH = 1.0 / 16.0  # in


WELDS = ("two sides", "four sides")


@dataclass(frozen=True)
class WeldedBeam(Problem):
    """Weld and material, thickness h of the weld and b of the beam in sixteenths of an inch, length l of the weld and
    width t of the beam in inches. Constraints, as shares of what is allowed: shear and bending stress, the weld no
    thicker than the beam, buckling load.

    Options `weld` and `material` settle a choice, which is then no variable. Raises ValueError for another word.
    """

    weld: str | None = None
    material: str | None = None

    n_obj = 2
    n_con = 4
    objective_names = ("cost", "deflection")
    constraint_names = ("shear", "bending", "weld", "buckling")

    def __post_init__(self) -> None:
        for name, options in self._choices.items():
            if (given := getattr(self, name)) is not None and given not in options:
                near = checks.nearest(str(given), options)
                raise InputError(f"{name}: expected one of {', '.join(options)}, got {given!r}{near}")

    @property
    def _choices(self) -> dict[str, list[str]]:
        return {"weld": list(WELDS), "material": list(MATERIALS)}

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        searched = {name: Choice(options) for name, options in self._choices.items() if getattr(self, name) is None}
        return Space({
            **searched, "h": Integer(1, 32), "l": Real(0.1, 10.0), "t": Real(2.0, 20.0), "b": Integer(1, 32),
        })  # fmt: skip

    @property
    def ideal(self) -> Tensor:
        """Of the best points that three searches of 200,000 evaluations found."""
        return torch.tensor((1.9874, 0.0001371), dtype=torch.float64)

    @property
    def nadir(self) -> Tensor:
        """As `ideal`."""
        return torch.tensor((27.216, 0.01438), dtype=torch.float64)

    @property
    def reference_point(self) -> Tensor:
        return torch.tensor((40.0, 0.015), dtype=torch.float64)

    def _evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        *chosen, h, l, t, b = x.unbind(-1)  # noqa: E741 (the paper's)
        codes = iter(chosen)
        weld, material = (
            next(codes) if getattr(self, name) is None else torch.full_like(h, options.index(getattr(self, name)))
            for name, options in self._choices.items()
        )
        h, b, four = h * SIXTEENTH, b * SIXTEENTH, weld > 0.5
        table = torch.tensor(list(MATERIALS.values()), dtype=torch.float64).to(x)
        of_weld, of_beam, strength, e, g = table[material.long()].unbind(-1)
        cost = (1.0 + of_weld) * (torch.where(four, t, 0.0) + l) * h.square() + of_beam * t * b * (LENGTH + l)
        deflection = 4.0 * LOAD * LENGTH**3 / (e * t.pow(3) * b)
        throat = math.sqrt(2.0) * h
        along, across = ((h + t).square() / 4.0 + l.square() / 12.0, (h + l).square() / 4.0 + t.square() / 12.0)
        area = throat * torch.where(four, l + t, l)
        inertia = throat * (l * along + torch.where(four, t * across, 0.0))
        reach = (l.square() + (h + t).square()).sqrt() / 2.0
        reach = torch.where(four, torch.maximum(reach, (t.square() + (h + l).square()).sqrt() / 2.0), reach)
        direct, turning = LOAD / area, LOAD * (LENGTH + l / 2.0) * reach / inertia
        shear = (direct.square() + turning.square() + direct * turning * l / reach).sqrt()
        bending = 6.0 * LOAD * LENGTH / (t.square() * b)
        slender = 1.0 - t / (4.0 * LENGTH) * (e / g).sqrt()
        buckling = 4.013 * t * b.pow(3) * (e * g).sqrt() / (6.0 * LENGTH**2) * slender
        used = (shear / (0.577 * strength) - 1.0, bending / strength - 1.0, h / b - 1.0, 1.0 - buckling / LOAD)
        return torch.stack((cost, deflection), -1), torch.stack(used, -1)
