"""RE: sixteen engineering design problems.

R. Tanabe, H. Ishibuchi (2020), "An easy-to-use real-world multi-objective optimization problem suite",
Applied Soft Computing 89, 106078; formulas (S.1) to (S.175) of its supplement (29 May 2021). RE2-4-1 is RE21
and so on: objectives, then a running number. Constraints of the original problems are summed into the last
objective, as max(-g, 0) of each g >= 0; that one is called "violation".

`ideal` and `nadir` are the published ones. No ideal point is undercut by more than 1e-7 of the distance to
the nadir. The nadir points are not always the front's own: the published fronts reach beyond them in RE33,
RE35, RE37, RE41, RE42, RE61 and RE91, and end before them in RE32 and RE36 (f_2 = 49, by enumeration).

Variables are in the supplement's order and units. Integers are searched as such (the original code rounds
reals). RE22's bar area and RE25's wire diameter come from ordered lists and are searched as the number in the
list, from 0: neighbours in the list are neighbours in the design.

Sources disagree; where they do, what gives the published fronts stands here:
- RE21, RE25: E, G, ideal and nadir are those corrected in 2020. The authors' repository keeps the corrected
  nadir points as "bug_nadir_point" and the superseded ones, (2086, 0.0034) for RE21, as "nadir_point"; jMetal
  has the corrected.
- RE22: the list's "3, 10" is a misprint of 3.10.
- RE24: the beam height goes from 0.5 as in the code and the published front, not from 4.
- RE25: the coil's diameter ends at 3 and wires are at least 0.092 thick, not 30 and 0.009. The sixth
  constraint asks for at most 1.25 inches of deflection under load; (S.24) and Sandgren's original ask for at
  least 1.25. The fifth (S.23) is identically 0 by (S.28) and left out.
- RE42: sea days are 5000 / 24 times the speed (S.129), not divided by it; deadweight is limited to 500,000.
- RE91: the door beam weighs 1.75 x5, not 1.78 (S.156), and objectives are loads divided by their limits 1,
  0.32, 0.32, 0.32, 32, 4, 9.9, 15.7, cut at 0, not violations (S.157 to S.164).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.noisy import NoisyForm
from moopt.core.problem import Draw
from moopt.core.published import Published
from moopt.core.space import Integer, Real, Space, Variable
from moopt.kernels.shared.arithmetic import power


@dataclass(frozen=True, kw_only=True)
class _RE(Published):
    """A problem without options; subclasses name their variables and published points."""

    variables: ClassVar[Mapping[str, Variable]]
    differentiable = True

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        return Space(self.variables)


def _violation(*slack: Tensor) -> Tensor:
    """How far the conditions g >= 0 are missed, summed."""
    total = torch.relu(-slack[0])
    for g in slack[1:]:
        total = total + torch.relu(-g)
    return total


def _listed(values: tuple[float, ...], number: Tensor) -> Tensor:
    """The value with this number in the list, NaN for NaN."""
    place = number.round().clamp(0, len(values) - 1)
    picked = number.new_tensor(values)[place.nan_to_num().long()]
    return torch.where(number.isnan(), number, picked)


class RE21(_RE):
    """Four bar truss (Cheng and Li 1999): volume [cm^3] and displacement of the joint [cm]; areas in cm^2."""

    n_obj = 2
    objective_titles = ("volume", "displacement")
    variables = {
        "area1": Real(1.0, 3.0),
        "area2": Real(math.sqrt(2.0), 3.0),
        "area3": Real(math.sqrt(2.0), 3.0),
        "area4": Real(1.0, 3.0),
    }
    # attained with every bar at its least and, but for the third, greatest area
    _ideal = (1237.8414230005742, 0.002761423749158419)
    _nadir = (2886.3695604236013, 0.04)

    def _evaluate(self, x: Tensor) -> Tensor:
        area1, area2, area3, area4 = x.unbind(-1)
        force, modulus, length = 10.0, 2e5, 200.0  # kN, kN/cm^2, cm
        root2 = math.sqrt(2.0)
        volume = length * (2.0 * area1 + root2 * area2 + torch.sqrt(area3) + area4)
        bending = 2.0 / area1 + 2.0 * root2 / area2 - 2.0 * root2 / area3 + 2.0 / area4
        return torch.stack((volume, force * length / modulus * bending), -1)


# Areas of the reinforcement of RE22 in square inches.
_BAR_AREAS = (
    0.2, 0.31, 0.4, 0.44, 0.6, 0.62, 0.79, 0.8, 0.88, 0.93, 1.0, 1.2, 1.24, 1.32, 1.4, 1.55, 1.58, 1.6,
    1.76, 1.8, 1.86, 2.0, 2.17, 2.2, 2.37, 2.4, 2.48, 2.6, 2.64, 2.79, 2.8, 3.0, 3.08, 3.1, 3.16, 3.41,
    3.52, 3.6, 3.72, 3.95, 3.96, 4.0, 4.03, 4.2, 4.34, 4.4, 4.65, 4.74, 4.8, 4.84, 5.0, 5.28, 5.4, 5.53,
    5.72, 6.0, 6.16, 6.32, 6.6, 7.11, 7.2, 7.8, 7.9, 8.0, 8.4, 8.69, 9.0, 9.48, 10.27, 11.0, 11.06, 11.85,
    12.0, 13.0, 14.0, 15.0,
)


class RE22(_RE):
    """Reinforced concrete beam (Amir and Hasegawa 1989): cost and violation; inches.

    `bar` is the number in the list of reinforcement areas. A width of 0 has no finite violation: the point
    fails.
    """

    n_obj = 2
    objective_titles = ("cost", "violation")
    differentiable = False
    variables = {"bar": Integer(0, len(_BAR_AREAS) - 1), "width": Real(0.0, 20.0), "depth": Real(0.0, 40.0)}
    _ideal = (5.88, 0.0)
    _nadir = (361.262944647, 180.01547)

    def _evaluate(self, x: Tensor) -> Tensor:
        bar, width, depth = x.unbind(-1)
        area = _listed(_BAR_AREAS, bar)
        strength = area * depth - 7.735 * area**2 / width - 180.0
        return torch.stack((29.4 * area + 0.6 * width * depth, _violation(strength, 4.0 - depth / width)), -1)


class RE23(_RE):
    """Pressure vessel (Kannan and Kramer 1994): cost and violation; inches.

    Thicknesses are in sixteenths of an inch, the plate's steps.
    """

    n_obj = 2
    objective_titles = ("cost", "violation")
    differentiable = False
    variables = {
        "shell": Integer(1, 100),
        "head": Integer(1, 100),
        "radius": Real(10.0, 200.0),
        "length": Real(10.0, 240.0),
    }
    _ideal = (15.9018007813, 0.0)
    _nadir = (5852.05896876, 1288669.78054)

    def _evaluate(self, x: Tensor) -> Tensor:
        shell, head, radius, length = x.unbind(-1)
        shell, head = 0.0625 * shell.round(), 0.0625 * head.round()
        material = 0.6224 * shell * radius * length + 1.7781 * head * radius**2
        welding = (3.1661 * length + 19.84 * radius) * shell**2
        volume = math.pi * radius**2 * length + 4.0 / 3.0 * math.pi * radius**3
        violation = _violation(shell - 0.0193 * radius, head - 0.00954 * radius, volume - 1_296_000.0)
        return torch.stack((material + welding, violation), -1)


class RE24(_RE):
    """Hatch cover (Amir and Hasegawa 1989): weight and violation; cm and kg."""

    n_obj = 2
    objective_titles = ("weight", "violation")
    variables = {"flange": Real(0.5, 4.0), "height": Real(0.5, 50.0)}
    _ideal = (60.5, 0.0)
    _nadir = (481.608088535, 44.2819047619)

    def _evaluate(self, x: Tensor) -> Tensor:
        flange, height = x.unbind(-1)
        modulus = 700_000.0
        bending_stress = 4500.0 / (flange * height)
        shear_stress = 1800.0 / height
        deflection = 56.2e4 / (modulus * flange * height**2)
        buckling_stress = modulus * flange**2 / 100.0
        loads = (
            bending_stress / 700.0,
            shear_stress / 450.0,
            deflection / 1.5,
            bending_stress / buckling_stress,
        )
        return torch.stack((flange + 120.0 * height, _violation(*(1.0 - load for load in loads))), -1)


# Diameters of the wire of RE25 in inches, from the thinnest that the original code's bound 0.09 reaches.
_WIRE_DIAMETERS = (
    0.092, 0.105, 0.12, 0.135, 0.148, 0.162, 0.177, 0.192, 0.207, 0.225, 0.244, 0.263, 0.283, 0.307,
    0.331, 0.362, 0.394, 0.4375, 0.5,
)


class RE25(_RE):
    """Coil compression spring (Lampinen and Zelinka 1999): volume of the wire and violation; inches and
    pounds.

    `wire` is the number in the list of wire diameters.
    """

    n_obj = 2
    objective_titles = ("volume", "violation")
    differentiable = False
    variables = {
        "coils": Integer(1, 70),
        "diameter": Real(0.6, 3.0),
        "wire": Integer(0, len(_WIRE_DIAMETERS) - 1),
    }
    _ideal = (0.037591349242869145, 0.0)
    _nadir = (0.4039703897022513, 2224669.4424175746)

    def _evaluate(self, x: Tensor) -> Tensor:
        coils, diameter, wire = x.unbind(-1)
        coils, wire = coils.round(), _listed(_WIRE_DIAMETERS, wire)
        greatest_force, preload = 1000.0, 300.0
        ratio = diameter / wire
        curvature = (4.0 * ratio - 1.0) / (4.0 * ratio - 4.0) + 0.615 / ratio  # Wahl's factor of the stress
        stiffness = 11.5e6 * wire * wire**3 / (8.0 * coils * diameter**3)
        solid_length = 1.05 * (coils + 2.0) * wire
        violation = _violation(
            189_000.0 - 8.0 * curvature * greatest_force * diameter / (math.pi * wire**3),
            14.0 - greatest_force / stiffness - solid_length,
            ratio - 3.0,
            6.0 - preload / stiffness,
            1.25 - (greatest_force - preload) / stiffness,
        )
        return torch.stack((math.pi**2 * diameter * wire**2 * (coils + 2.0) / 4.0, violation), -1)


class RE31(_RE):
    """Two bar truss (Coello Coello and Pulido 2005): volume, stress and violation; areas and height."""

    n_obj = 3
    objective_titles = ("volume", "stress", "violation")
    variables = {"area1": Real(1e-5, 100.0), "area2": Real(1e-5, 100.0), "height": Real(1.0, 3.0)}
    _ideal = (5.53731918799e-05, 0.333333333333, 0.0)
    _nadir = (500.002668442, 8246211.25124, 19359919.7502)

    def _evaluate(self, x: Tensor) -> Tensor:
        area1, area2, height = x.unbind(-1)
        length1, length2 = torch.sqrt(16.0 + height**2), torch.sqrt(1.0 + height**2)
        volume = area1 * length1 + area2 * length2
        stress1, stress2 = 20.0 * length1 / (area1 * height), 80.0 * length2 / (area2 * height)
        return torch.stack((volume, stress1, _violation(0.1 - volume, 1e5 - stress1, 1e5 - stress2)), -1)


class RE32(_RE):
    """Welded beam (Ray and Liew 2002): cost, deflection of the end and violation; inches and pounds."""

    n_obj = 3
    objective_titles = ("cost", "deflection", "violation")
    variables = {
        "weld_height": Real(0.125, 5.0),
        "weld_length": Real(0.1, 10.0),
        "depth": Real(0.1, 10.0),
        "width": Real(0.125, 5.0),
    }
    _ideal = (0.010205496875, 0.00043904, 0.0)
    _nadir = (37.7831517014, 17561.6, 425062976.628)

    def _evaluate(self, x: Tensor) -> Tensor:
        weld_height, weld_length, depth, width = x.unbind(-1)
        load, overhang, modulus, shear_modulus = 6000.0, 14.0, 30e6, 12e6
        cost = 1.10471 * weld_height**2 * weld_length + 0.04811 * depth * width * (14.0 + weld_length)
        deflection = 4.0 * load * overhang**3 / (modulus * width * depth**3)

        throat = math.sqrt(2.0) * weld_height * weld_length
        moment = load * (overhang + weld_length / 2.0)
        half = (weld_height + depth) / 2.0
        radius = torch.sqrt(weld_length**2 / 4.0 + half**2)
        direct = load / throat
        twisting = moment * radius / (2.0 * throat * (weld_length**2 / 12.0 + half**2))
        shear_stress = torch.sqrt(direct**2 + direct * twisting * weld_length / radius + twisting**2)
        bending_stress = 6.0 * load * overhang / (width * depth**2)
        # sqrt(depth^2 width^6 / 36) of (S.49) is depth width^3 / 6
        slenderness = depth / (2.0 * overhang) * math.sqrt(modulus / (4.0 * shear_modulus))
        buckling_load = 4.013 * modulus * depth * width**3 / 6.0 / overhang**2 * (1.0 - slenderness)
        violation = _violation(
            13_600.0 - shear_stress, 30_000.0 - bending_stress, width - weld_height, buckling_load - load
        )
        return torch.stack((cost, deflection, violation), -1)


class RE33(_RE):
    """Disc brake (Ray and Liew 2002): mass [kg], stopping time [s] and violation; radii in mm, force in N.

    Discs of equal inner and outer radius have no finite violation: the point fails.
    """

    n_obj = 3
    objective_titles = ("mass", "time", "violation")
    variables = {
        "inner": Real(55.0, 80.0),
        "outer": Real(75.0, 110.0),
        "force": Real(1000.0, 3000.0),
        "surfaces": Real(11.0, 20.0),
    }
    _ideal = (-0.721525, 1.13907203907, 0.0)
    _nadir = (5.3067, 3.12833430979, 25.0)

    def _evaluate(self, x: Tensor) -> Tensor:
        inner, outer, force, surfaces = x.unbind(-1)
        squares = outer**2 - inner**2
        # (outer^3 - inner^3) / (outer^2 - inner^2), which is defined for equal radii as well
        reach = (outer**2 + outer * inner + inner**2) / (outer + inner)
        violation = _violation(
            outer - inner - 20.0,
            0.4 - force / (3.14 * squares),
            1.0 - 2.22e-3 * force * reach / squares,
            2.66e-2 * force * surfaces * reach - 900.0,
        )
        mass, time = 4.9e-5 * squares * (surfaces - 1.0), 9.82e6 / (force * surfaces * reach)
        return torch.stack((mass, time, violation), -1)


class RE34(_RE):
    """Vehicle crashworthiness (Liao et al. 2008): mass, acceleration, toe-board intrusion; plates in mm."""

    n_obj = 3
    objective_titles = ("mass", "acceleration", "intrusion")
    variables = {f"thickness{i}": Real(1.0, 3.0) for i in range(1, 6)}
    _ideal = (1661.7078225, 6.14280000608, 0.0394)
    _nadir = (1695.2002035, 10.7454, 0.26399999965)

    def _evaluate(self, x: Tensor) -> Tensor:
        t1, t2, t3, t4, t5 = x.unbind(-1)
        mass = 1640.2823 + 2.3573285 * t1 + 2.3220035 * t2 + 4.5688768 * t3 + 7.7213633 * t4 + 4.4559504 * t5
        acceleration = (
            6.5856
            + t1 * (1.15 - 0.1106 * t1 - 0.3695 * t4 + 0.0861 * t5)
            + t2 * (0.3628 * t4 - 1.0427)
            + t3 * (0.9738 - 0.3437 * t3)
            + t4 * (0.8364 + 0.1764 * t4)
        )
        intrusion = (
            t1 * (0.0181 - 0.0073 * t2)
            + t2 * (0.1024 - 0.0241 * t2 + 0.024 * t3 - 0.0118 * t4)
            + t3 * (0.0421 - 0.0204 * t4 - 0.008 * t5)
            + 0.0109 * t4**2
            - 0.0551
        )
        return torch.stack((mass, acceleration, intrusion), -1)


class VehicleSafety(NoisyForm):
    """RE34 with the reference point of BoTorch's test function, of which hypervolumes are published; option `noise`."""

    inner = RE34()
    spread = (42.8, 5.7, 0.27)

    @property
    def reference_point(self) -> Tensor:
        return torch.tensor((1864.72022, 11.81993945, 0.2903999384), dtype=torch.float64)


class RE35(_RE):
    """Speed reducer (Farhang-Mehr and Azarm 2002): volume, stress in the first shaft and violation; cm."""

    n_obj = 3
    objective_titles = ("volume", "stress", "violation")
    differentiable = False
    variables = {
        "face_width": Real(2.6, 3.6),
        "module": Real(0.7, 0.8),
        "teeth": Integer(17, 28),
        "length1": Real(7.3, 8.3),
        "length2": Real(7.3, 8.3),
        "shaft1": Real(2.9, 3.9),
        "shaft2": Real(5.0, 5.5),
    }
    _ideal = (2352.34611145, 694.233587469, 0.0)
    _nadir = (6634.56208, 1695.96387746, 397.358927317)

    def _evaluate(self, x: Tensor) -> Tensor:
        face_width, module, teeth, length1, length2, shaft1, shaft2 = x.unbind(-1)
        teeth = teeth.round()
        volume = (
            0.7854 * face_width * module**2 * (10.0 * teeth**2 / 3.0 + 14.933 * teeth - 43.0934)
            - 1.508 * face_width * (shaft1**2 + shaft2**2)
            + 7.477 * (shaft1**3 + shaft2**3)
            + 0.7854 * (length1 * shaft1**2 + length2 * shaft2**2)
        )
        pitch = module * teeth  # diameter of the pinion
        stress1 = torch.sqrt((745.0 * length1 / pitch) ** 2 + 1.69e7) / (0.1 * shaft1**3)
        stress2 = torch.sqrt((745.0 * length2 / pitch) ** 2 + 1.575e8) / (0.1 * shaft2**3)
        violation = _violation(
            1.0 / 27.0 - 1.0 / (face_width * module * pitch),
            1.0 / 397.5 - 1.0 / (face_width * pitch**2),
            1.0 / 1.93 - length1**3 / (pitch * shaft1 * shaft1**3),
            1.0 / 1.93 - length2**3 / (pitch * shaft2 * shaft2**3),
            40.0 - pitch,
            12.0 - face_width / module,
            face_width / module - 5.0,
            length1 - 1.5 * shaft1 - 1.9,
            length2 - 1.1 * shaft2 - 1.9,
            1300.0 - stress1,
            1100.0 - stress2,
        )
        return torch.stack((volume, stress1, violation), -1)


class RE36(_RE):
    """Gear train (Deb and Srinivasan 2006): error of the ratio, size of the largest gear, violation."""

    n_obj = 3
    objective_titles = ("error", "size", "violation")
    differentiable = False
    variables = {f"teeth{i}": Integer(12, 60) for i in range(1, 5)}
    _ideal = (7.89473684213e-05, 12.0, 0.0)
    _nadir = (5.931, 56.0, 0.355720675227)

    def _evaluate(self, x: Tensor) -> Tensor:
        teeth = x.round()
        first, second, third, fourth = teeth.unbind(-1)
        wanted = 6.931
        error = (wanted - third * fourth / (first * second)).abs()
        return torch.stack((error, teeth.amax(-1), _violation(0.5 - error / wanted)), -1)


class RE37(_RE):
    """Rocket injector (Goel et al. 2007): scaled temperature of the face, distance from the inlet where
    combustion is complete, temperature of the post tip.

    Scaled hydrogen flow angle, hydrogen area, oxygen area and post tip thickness.
    """

    n_obj = 3
    objective_titles = ("face_temperature", "combustion_length", "tip_temperature")
    variables = {name: Real(0.0, 1.0) for name in ("angle", "hydrogen", "oxygen", "tip")}
    _ideal = (0.00889341391106, 0.00488, -0.431499999825)
    _nadir = (0.98949120096, 0.956587924661, 0.987530948586)

    def _evaluate(self, x: Tensor) -> Tensor:
        angle, hydrogen, oxygen, tip = x.unbind(-1)
        face = (
            0.692
            + angle * (0.477 - 0.167 * angle - 0.0129 * hydrogen - 0.0634 * oxygen - 0.0521 * tip)
            + hydrogen * (0.0796 * hydrogen - 0.0257 * oxygen + 0.00156 * tip - 0.687)
            + oxygen * (0.0877 * oxygen + 0.00198 * tip - 0.08)
            + tip * (0.0184 * tip - 0.065)
        )
        length = (
            0.153
            + angle * (0.175 * angle + 0.0185 * hydrogen - 0.251 * oxygen + 0.0134 * tip - 0.322)
            + hydrogen * (0.396 - 0.0701 * hydrogen + 0.179 * oxygen + 0.0296 * tip)
            + oxygen * (0.424 + 0.015 * oxygen + 0.0752 * tip)
            + tip * (0.0226 + 0.0192 * tip)
        )
        linear = 0.37 - 0.205 * angle + 0.0307 * hydrogen + 0.108 * oxygen + 1.019 * tip
        quadratic = (
            angle * (0.0141 * hydrogen + 0.208 * oxygen + 0.353 * tip - 0.135 * angle)
            + hydrogen * (0.0998 * hydrogen - 0.0301 * oxygen)
            - oxygen * (0.226 * oxygen + 0.0497 * tip)
            - 0.423 * tip**2
        )
        cubic = (
            angle**2 * (0.202 * hydrogen - 0.281 * oxygen)
            - hydrogen**2 * (0.342 * angle + 0.245 * oxygen)
            + 0.281 * oxygen**2 * hydrogen
            - 0.184 * tip**2 * angle
            - 0.281 * angle * hydrogen * oxygen
        )
        return torch.stack((face, length, linear + quadratic + cubic), -1)


_SIDE_IMPACT = {
    "pillar_inner": Real(0.5, 1.5),
    "pillar_reinforcement": Real(0.45, 1.35),
    "floor_inner": Real(0.5, 1.5),
    "cross_members": Real(0.5, 1.5),
    "door_beam": Real(0.875, 2.625),
    "beltline": Real(0.4, 1.2),
    "roof_rail": Real(0.4, 1.2),
}


class RE41(_RE):
    """Car side impact (Jain and Deb 2014): weight, pubic force, mean velocity of the pillar and violation.

    Thicknesses in mm.
    """

    n_obj = 4
    objective_titles = ("weight", "pubic_force", "velocity", "violation")
    variables = _SIDE_IMPACT
    _ideal = (15.576004, 3.58525, 10.61064375, 0.0)
    _nadir = (39.2905121788, 4.42725, 13.09138125, 9.49401929991)

    def _evaluate(self, x: Tensor) -> Tensor:
        x1, x2, x3, x4, x5, x6, x7 = x.unbind(-1)
        weight = 1.98 + 4.9 * x1 + 6.67 * x2 + 6.98 * x3 + 4.01 * x4 + 1.78 * x5 + 1e-5 * x6 + 2.73 * x7
        pubic_force = 4.72 - 0.5 * x4 - 0.19 * x2 * x3
        pillar_velocity = 10.58 - x2 * (0.674 * x1 + 0.67275)
        door_velocity = 16.45 - 0.489 * x3 * x7 - 0.843 * x5 * x6
        abdomen = 1.16 - 0.3717 * x2 * x4 - 0.0092928 * x3
        upper_viscous = (
            0.261 - 0.0159 * x1 * x2 - 0.06486 * x1 - 0.019 * x2 * x7 + 0.0144 * x3 * x5 + 0.0154464 * x6
        )
        middle_viscous = (
            0.214 - 0.0587118 * x1 + x2 * (0.03099 * x6 - 0.018 * x7 - 0.018 * x2) + 0.030408 * x3
            + x5 * (0.00817 - 0.00364 * x6)
        )
        lower_viscous = 0.74 + x2 * (0.227 * x2 - 0.61) - 0.031296 * x3 - 0.031872 * x7
        upper_rib = 28.98 + 3.818 * x3 - 4.2 * x1 * x2 + 1.27296 * x6 - 2.68065 * x7
        middle_rib = 35.31728 + 2.95 * x3 - x2 * (5.057 * x1 + 3.795) - 3.4431 * x7
        lower_rib = 46.36 - 9.9 * x2 - 4.4505 * x1
        violation = _violation(
            1.0 - abdomen,
            0.32 - upper_viscous,
            0.32 - middle_viscous,
            0.32 - lower_viscous,
            32.0 - upper_rib,
            32.0 - middle_rib,
            32.0 - lower_rib,
            4.0 - pubic_force,
            9.9 - pillar_velocity,
            15.7 - door_velocity,
        )
        return torch.stack((weight, pubic_force, 0.5 * (pillar_velocity + door_velocity), violation), -1)


class CarSideImpact(NoisyForm):
    """RE41 with the reference point of BoTorch's test function, of which hypervolumes are published; option `noise`."""

    inner = RE41()
    spread = (25.0, 1.2, 3.5, 25.0)

    @property
    def reference_point(self) -> Tensor:
        return torch.tensor((45.4872, 4.5114, 13.3394, 10.3942), dtype=torch.float64)


class RE42(_RE):
    """Conceptual ship (Parsons and Scott 2004): transport cost, light ship weight, negative annual cargo,
    violation.

    Metres, tonnes, knots.
    """

    n_obj = 4
    objective_titles = ("transport_cost", "light_weight", "negative_cargo", "violation")
    variables = {
        "length": Real(150.0, 274.32),
        "beam": Real(20.0, 32.31),
        "depth": Real(13.0, 25.0),
        "draft": Real(10.0, 11.71),
        "speed": Real(14.0, 18.0),
        "block": Real(0.63, 0.75),
    }
    _ideal = (-2756.2590400638524, 3962.557843228888, 1947.880856925791, 0.0)
    _nadir = (-1010.5229595219643, 13827.138456300128, 2611.9668107424536, 12.437669929732023)

    def _evaluate(self, x: Tensor) -> Tensor:
        length, beam, depth, draft, speed, block = x.unbind(-1)
        displacement = 1.025 * length * beam * draft * block
        froude = 0.5144 * speed / torch.sqrt(9.8065 * length)
        a = 4977.06 * block**2 - 8105.61 * block + 4456.51
        b = -10847.2 * block**2 + 12817.0 * block - 6960.32
        engine = power(displacement, 2.0 / 3.0) * speed**3 / (a + b * froude)

        steel = 0.034 * power(length, 1.7) * power(beam, 0.7) * power(depth, 0.4) * torch.sqrt(block)
        outfit = power(length, 0.8) * power(beam, 0.6) * power(depth, 0.3) * power(block, 0.1)
        light_weight = steel + outfit + 0.17 * power(engine, 0.9)
        deadweight = displacement - light_weight

        sea_days = 5000.0 / 24.0 * speed
        daily_fuel = 0.19 * engine * 24.0 / 1000.0 + 0.2
        cargo = deadweight - daily_fuel * (sea_days + 5.0) - 2.0 * torch.sqrt(deadweight)
        port_days = 2.0 * (cargo / 8000.0 + 0.5)
        trips = 350.0 / (sea_days + port_days)

        ship = 1.3 * (2000.0 * power(steel, 0.85) + 3500.0 * outfit + 2400.0 * power(engine, 0.8))
        voyage = 1.05 * daily_fuel * sea_days * 100.0 + 6.3 * power(deadweight, 0.8)
        annual_cost = 0.2 * ship + 40_000.0 * power(deadweight, 0.3) + voyage * trips
        annual_cargo = cargo * trips

        buoyancy, gravity = 0.53 * draft, 1.0 + 0.52 * depth
        metacentric = (0.085 * block - 0.002) * beam**2 / (draft * block)
        violation = _violation(
            length / beam - 6.0,
            15.0 - length / depth,
            19.0 - length / draft,
            0.45 * power(deadweight, 0.31) - draft,
            0.7 * depth + 0.7 - draft,
            deadweight - 3000.0,
            500_000.0 - deadweight,
            0.32 - froude,
            buoyancy + metacentric - gravity - 0.07 * beam,
        )
        return torch.stack((annual_cost / annual_cargo, light_weight, -annual_cargo, violation), -1)


class RE61(_RE):
    """Water resources (Ray, Tai and Seow 2001): costs of drainage, storage and treatment, expected flood
    damage, expected loss by floods, violation.
    """

    n_obj = 6
    objective_titles = ("drainage", "storage", "treatment", "flood_damage", "flood_loss", "violation")
    variables = {"storage": Real(0.01, 0.45), "treatment": Real(0.01, 0.1), "overflow": Real(0.01, 0.1)}
    _ideal = (63840.2774, 30.0, 285346.896494, 183749.967061, 7.22222222222, 0.0)
    _nadir = (80896.9128355, 1350.0, 2853468.96494, 7076861.67064, 87748.6339553, 2.50994535821)

    def _evaluate(self, x: Tensor) -> Tensor:
        storage, treatment, overflow = x.unbind(-1)
        both = storage * treatment
        objectives = (
            106_780.37 * (treatment + overflow) + 61_704.67,
            3000.0 * storage,
            305_700.0 * 2289.0 / (0.06 * 2289.0) ** 0.65 * treatment,
            250.0 * 2289.0 * torch.exp(-39.75 * treatment + 9.9 * overflow + 2.74),
            25.0 * (1.39 / both + 4940.0 * overflow - 80.0),
        )
        violation = _violation(
            1.0 - (0.00139 / both + 4.94 * overflow - 0.08),
            1.0 - (0.000306 / both + 1.082 * overflow - 0.0986),
            50_000.0 - (12.307 / both + 49_408.24 * overflow + 4051.02),
            16_000.0 - (2.098 / both + 8046.33 * overflow - 696.71),
            10_000.0 - (2.138 / both + 7883.39 * overflow - 705.04),
            2000.0 - (0.417 * both + 1721.26 * overflow - 136.54),
            550.0 - (0.164 / both + 631.13 * overflow - 54.48),
        )
        return torch.stack((*objectives, violation), -1)


@dataclass(frozen=True, kw_only=True)
class RE91(_RE):
    """Car cab (Deb and Jain 2014): weight, and eight loads of a side impact as shares of their limits, at
    least 0.

    The pillar's and the floor's material, the barrier's height and where it hits vary about their means. With
    `noise` they are drawn anew for every point, as published, and the problem is stochastic; without it (the
    default) they stay at their means. The published ideal and nadir come from noisy searches: without noise
    the ideal is attained in the weight only, and the nadir of `upper_viscous`, 112, is far away.
    """

    noise: bool = False

    n_obj = 9
    objective_titles = (
        "weight", "abdomen", "upper_viscous", "middle_viscous", "lower_viscous", "ribs", "pubic_force",
        "pillar_velocity", "door_velocity",
    )
    variables = _SIDE_IMPACT
    _ideal = (
        15.549754, 0.0, 0.0, 0.0907242296262, 0.367459287472, 0.527364946723, 0.735415465187, 0.618676033791,
        0.660886967497,
    )
    _nadir = (
        39.6023250742, 1.00188125422, 112.487885728, 0.79017024474, 1.42304666576, 1.08576907833,
        1.1215181762, 0.993535488298, 1.01068662645,
    )

    def __post_init__(self) -> None:
        checks.truth("noise", self.noise)

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        return self.noise

    def _evaluate(self, x: Tensor, draw: Draw | None = None) -> Tensor:
        x1, x2, x3, x4, x5, x6, x7 = x.unbind(-1)
        if draw is None:
            draws = x.new_zeros(4, *x.shape[:-1])
        else:
            n = x.shape[:-1].numel() // draw.rng.runs
            draws = torch.stack([z.reshape(x.shape[:-1]) for z in draw.rng.normal(4, n).to(x).unbind(1)])
        pillar, floor = 0.345 + 0.006 * draws[0], 0.192 + 0.006 * draws[1]
        height, place = 10.0 * draws[2], 10.0 * draws[3]

        weight = 1.98 + 4.9 * x1 + 6.67 * x2 + 6.98 * x3 + 4.01 * x4 + 1.75 * x5 + 1e-5 * x6 + 2.73 * x7
        abdomen = 1.16 - 0.3717 * x2 * x4 - 0.484 * x3 * floor + height * (0.01343 * x6 - 0.00931 * x2)
        upper_viscous = (
            0.261 - x1 * (0.0159 * x2 + 0.188 * pillar) - 0.019 * x2 * x7 + 0.0144 * x3 * x5
            + 0.08045 * x6 * floor + height * (0.87570001 * x5 + 0.00001575 * place)
            + 0.00139 * pillar * place
        )
        middle_viscous = (
            0.214 - x1 * (0.131 * pillar + 0.0704 * floor) + x2 * (0.03099 * x6 - 0.018 * x7 - 0.018 * x2)
            + x3 * (0.0208 * pillar + 0.121 * floor) + x5 * (0.00817 - 0.00364 * x6)
            + height * (0.0007715 * x5 - 0.0005354 * x6 + 0.00184 * floor) + 0.00121 * pillar * place
        )
        lower_viscous = (
            0.74 + x2 * (0.227 * x2 - 0.61) + x3 * (0.001232 * height - 0.163 * pillar) - 0.166 * x7 * floor
        )
        upper_rib = (
            28.98 + 3.818 * x3 - 4.2 * x1 * x2 + 6.63 * x6 * floor - 7.77 * x7 * pillar
            + height * (0.0207 * x5 + 0.32 * floor)
        )
        middle_rib = (
            33.86 + 2.95 * x3 - x2 * (5.057 * x1 + 11.0 * pillar) + pillar * (22.0 * floor - 9.98 * x7)
            + height * (0.1792 - 0.0215 * x5)
        )
        lower_rib = 46.36 - 9.9 * x2 - 12.9 * x1 * pillar + 0.1107 * x3 * height
        pubic_force = (
            4.72 - 0.5 * x4 - 0.19 * x2 * x3 + height * (0.009325 * x6 - 0.0122 * x4) + 0.000191 * place**2
        )
        pillar_velocity = (
            10.58 - x2 * (0.674 * x1 + 1.95 * pillar) + height * (0.02054 * x3 - 0.0198 * x4 + 0.028 * x6)
        )
        door_velocity = (
            16.45 - 0.489 * x3 * x7 - 0.843 * x5 * x6 + floor * (0.0432 * height - 0.0556 * place)
            - 0.000786 * place**2
        )
        loads = (
            abdomen,
            upper_viscous / 0.32,
            middle_viscous / 0.32,
            lower_viscous / 0.32,
            (upper_rib + middle_rib + lower_rib) / 96.0,
            pubic_force / 4.0,
            pillar_velocity / 9.9,
            door_velocity / 15.7,
        )
        return torch.stack((weight, *(load.clamp(min=0) for load in loads)), -1)
