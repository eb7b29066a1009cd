"""ZDT, DTLZ and RE against a second implementation, published points, closed forms and their contract."""

import math
import re
import subprocess
import sys
from itertools import pairwise

import moocore
import pytest
import torch

from moopt import catalogue, problems
from moopt.core.random import Rng
from moopt.kernels.shared.arithmetic import power
from moopt.problems.engineering import re as re_suite
from moopt.problems.synthetic._base import simplex_lattice

NAMES = [name for name in catalogue.table("problems") if re.fullmatch(r"(zdt|dtlz|re)\d+", name)]
RE = [name for name in NAMES if name.startswith("re")]
CASES = [
    (name, options)
    for name in NAMES
    for options in ([{"n_obj": m} for m in (2, 3, 5, 9)] if name.startswith("dtlz") else [{}])
]


# R. Tanabe, H. Ishibuchi (2020), "An easy-to-use real-world multi-objective optimization problem suite", Applied Soft
# Computing 89, 106078, supplement; sizes of the lists of discrete values in place of their ends
BOUNDS = {
    "re21": [(1, 3), (2**0.5, 3), (2**0.5, 3), (1, 3)], "re23": [(1, 100), (1, 100), (10, 200), (10, 240)],
    "re24": [(0.5, 4), (0.5, 50)], "re25": [(1, 70), (0.6, 3), (0, 18)], "re31": [(1e-5, 100), (1e-5, 100), (1, 3)],
    "re32": [(0.125, 5), (0.1, 10), (0.1, 10), (0.125, 5)], "re33": [(55, 80), (75, 110), (1000, 3000), (11, 20)],
    "re34": [(1, 3)] * 5,
    "re35": [(2.6, 3.6), (0.7, 0.8), (17, 28), (7.3, 8.3), (7.3, 8.3), (2.9, 3.9), (5, 5.5)],
    "re36": [(12, 60)] * 4, "re37": [(0, 1)] * 4,
    "re41": [(0.5, 1.5), (0.45, 1.35), (0.5, 1.5), (0.5, 1.5), (0.875, 2.625), (0.4, 1.2), (0.4, 1.2)],
    "re42": [(150, 274.32), (20, 32.31), (13, 25), (10, 11.71), (14, 18), (0.63, 0.75)],
    "re61": [(0.01, 0.45), (0.01, 0.1), (0.01, 0.1)],
    "re91": [(0.5, 1.5), (0.45, 1.35), (0.5, 1.5), (0.5, 1.5), (0.875, 2.625), (0.4, 1.2), (0.4, 1.2)],
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNDS)
def test_re_is_searched_where_it_was_published(name):
    space = make(name).space
    found = list(zip(space.low.tolist(), space.high.tolist(), strict=True))
    assert found == [pytest.approx(bounds, rel=1e-12) for bounds in BOUNDS[name]]


def make(name, **options):
    return getattr(problems, name.upper())(**options)


def points(problem, n, seed=5):
    return problem.space.sample(Rng(seed).uniform(n, problem.n_var)[0])


# The second implementation: one point of plain numbers, each formula as its paper writes it.


def zdt(number, x):
    tail = x[1:]
    f1 = 1 - math.exp(-4 * x[0]) * math.sin(6 * math.pi * x[0]) ** 6 if number == 6 else x[0]
    if number == 4:
        g = 1 + 10 * len(tail) + sum(v * v - 10 * math.cos(4 * math.pi * v) for v in tail)
    elif number == 6:
        g = 1 + 9 * (sum(tail) / len(tail)) ** 0.25
    else:
        g = 1 + 9 * sum(tail) / len(tail)
    ratio = f1 / g
    h = {2: 1 - ratio**2, 6: 1 - ratio**2}.get(number, 1 - math.sqrt(ratio))
    if number == 3:
        h -= ratio * math.sin(10 * math.pi * f1)
    return [f1, g * h]


def dtlz(number, x, m):
    position, tail = x[: m - 1], x[m - 1 :]
    if number in (1, 3):
        g = 100 * (len(tail) + sum((v - 0.5) ** 2 - math.cos(20 * math.pi * (v - 0.5)) for v in tail))
    elif number == 6:
        g = sum(v**0.1 for v in tail)
    elif number == 7:
        g = 1 + 9 * sum(tail) / len(tail)
        h = m - sum(f / (1 + g) * (1 + math.sin(3 * math.pi * f)) for f in position)
        return [*position, (1 + g) * h]
    else:
        g = sum((v - 0.5) ** 2 for v in tail)
    if number == 4:
        position = [v**100 for v in position]
    angles = [v * math.pi / 2 for v in position]
    if number in (5, 6):
        angles[1:] = [math.pi / (4 * (1 + g)) * (1 + 2 * g * v) for v in position[1:]]
    f = []
    for i in range(m):
        if number == 1:
            value = 0.5 * (1 + g) * math.prod(position[: m - 1 - i])
            value *= 1 - position[m - 1 - i] if i else 1
        else:
            value = (1 + g) * math.prod(math.cos(a) for a in angles[: m - 1 - i])
            value *= math.sin(angles[m - 1 - i]) if i else 1
        f.append(value)
    return f


def missed(*slack):
    return sum(max(-g, 0.0) for g in slack)


def re21(x1, x2, x3, x4):
    force, length, modulus, root = 10, 200, 2e5, 2**0.5
    f1 = length * (2 * x1 + root * x2 + x3**0.5 + x4)
    return f1, force * length / modulus * (2 / x1 + 2 * root / x2 - 2 * root / x3 + 2 / x4)


def re22(x1, x2, x3):
    return 29.4 * x1 + 0.6 * x2 * x3, missed(x1 * x3 - 7.735 * x1 * x1 / x2 - 180, 4 - x3 / x2)


def re23(n1, n2, x3, x4):
    x1, x2 = n1 * 0.0625, n2 * 0.0625
    f1 = 0.6224 * x1 * x3 * x4 + 1.7781 * x2 * x3**2 + 3.1661 * x1**2 * x4 + 19.84 * x1**2 * x3
    volume = math.pi * x3**2 * x4 + 4 / 3 * math.pi * x3**3
    return f1, missed(x1 - 0.0193 * x3, x2 - 0.00954 * x3, volume - 1296000)


def re24(x1, x2):
    e = 700000
    bending, shear, deflection = 4500 / (x1 * x2), 1800 / x2, 56.2e4 / (e * x1 * x2**2)
    buckling = e * x1**2 / 100
    return x1 + 120 * x2, missed(
        1 - bending / 700, 1 - shear / 450, 1 - deflection / 1.5, 1 - bending / buckling
    )


def re25(x1, x2, x3):
    c = x2 / x3
    cf = (4 * c - 1) / (4 * c - 4) + 0.615 * x3 / x2
    k = 11.5e6 * x3**4 / (8 * x1 * x2**3)
    free = 1000 / k + 1.05 * (x1 + 2) * x3
    return math.pi**2 * x2 * x3**2 * (x1 + 2) / 4, missed(
        189000 - 8 * cf * 1000 * x2 / (math.pi * x3**3),
        14 - free,
        c - 3,
        6 - 300 / k,
        free - 300 / k - 700 / k - 1.05 * (x1 + 2) * x3,
        1.25 - 700 / k,
    )


def re31(x1, x2, x3):
    f1 = x1 * math.sqrt(16 + x3**2) + x2 * math.sqrt(1 + x3**2)
    f2 = 20 * math.sqrt(16 + x3**2) / (x3 * x1)
    return f1, f2, missed(0.1 - f1, 1e5 - f2, 1e5 - 80 * math.sqrt(1 + x3**2) / (x3 * x2))


def re32(x1, x2, x3, x4):
    p, span, e, g = 6000, 14, 30e6, 12e6
    m = p * (span + x2 / 2)
    r = math.sqrt(x2**2 / 4 + ((x1 + x3) / 2) ** 2)
    j = 2 * math.sqrt(2) * x1 * x2 * (x2**2 / 12 + ((x1 + x3) / 2) ** 2)
    t1, t2 = p / (math.sqrt(2) * x1 * x2), m * r / j
    tau = math.sqrt(t1**2 + 2 * t1 * t2 * x2 / (2 * r) + t2**2)
    pc = 4.013 * e * math.sqrt(x3**2 * x4**6 / 36) / span**2 * (1 - x3 / (2 * span) * math.sqrt(e / (4 * g)))
    return (
        1.10471 * x1**2 * x2 + 0.04811 * x3 * x4 * (14 + x2),
        4 * p * span**3 / (e * x4 * x3**3),
        missed(13600 - tau, 30000 - 6 * p * span / (x4 * x3**2), x4 - x1, pc - p),
    )


def re33(x1, x2, x3, x4):
    area, cubes = x2**2 - x1**2, x2**3 - x1**3
    return (
        4.9e-5 * area * (x4 - 1),
        9.82e6 * area / (x3 * x4 * cubes),
        missed(
            x2 - x1 - 20,
            0.4 - x3 / (3.14 * area),
            1 - 2.22e-3 * x3 * cubes / area**2,
            2.66e-2 * x3 * x4 * cubes / area - 900,
        ),
    )


def polynomial(terms, *x):
    """Terms as "coefficient variables": "-0.3695 1 4" is -0.3695 x1 x4."""
    return sum(
        float(c) * math.prod(x[int(i) - 1] for i in variables)
        for c, *variables in map(str.split, terms.split(","))
    )


def re34(*x):
    return (
        polynomial("1640.2823, 2.3573285 1, 2.3220035 2, 4.5688768 3, 7.7213633 4, 4.4559504 5", *x),
        polynomial(
            "6.5856, 1.15 1, -1.0427 2, 0.9738 3, 0.8364 4, -0.3695 1 4, 0.0861 1 5, 0.3628 2 4,"
            "-0.1106 1 1, -0.3437 3 3, 0.1764 4 4",
            *x,
        ),
        polynomial(
            "-0.0551, 0.0181 1, 0.1024 2, 0.0421 3, -0.0073 1 2, 0.024 2 3, -0.0118 2 4, -0.0204 3 4,"
            "-0.008 3 5, -0.0241 2 2, 0.0109 4 4",
            *x,
        ),
    )


def re35(x1, x2, x3, x4, x5, x6, x7):
    f1 = (
        0.7854 * x1 * x2**2 * (10 * x3**2 / 3 + 14.933 * x3 - 43.0934)
        - 1.508 * x1 * (x6**2 + x7**2)
        + 7.477 * (x6**3 + x7**3)
        + 0.7854 * (x4 * x6**2 + x5 * x7**2)
    )
    f2 = math.sqrt((745 * x4 / (x2 * x3)) ** 2 + 1.69e7) / (0.1 * x6**3)
    other = math.sqrt((745 * x5 / (x2 * x3)) ** 2 + 1.575e8) / (0.1 * x7**3)
    return f1, f2, missed(
        1 / 27 - 1 / (x1 * x2**2 * x3),
        1 / 397.5 - 1 / (x1 * x2**2 * x3**2),
        1 / 1.93 - x4**3 / (x2 * x3 * x6**4),
        1 / 1.93 - x5**3 / (x2 * x3 * x7**4),
        40 - x2 * x3,
        12 - x1 / x2,
        x1 / x2 - 5,
        x4 - 1.5 * x6 - 1.9,
        x5 - 1.1 * x7 - 1.9,
        1300 - f2,
        1100 - other,
    )


def re36(x1, x2, x3, x4):
    f1 = abs(6.931 - x3 / x1 * x4 / x2)
    return f1, max(x1, x2, x3, x4), missed(0.5 - f1 / 6.931)


def re37(*x):
    return (
        polynomial(
            "0.692, 0.477 1, -0.687 2, -0.08 3, -0.065 4, -0.167 1 1, -0.0129 2 1, 0.0796 2 2, -0.0634 3 1,"
            "-0.0257 3 2, 0.0877 3 3, -0.0521 4 1, 0.00156 4 2, 0.00198 4 3, 0.0184 4 4",
            *x,
        ),
        polynomial(
            "0.153, -0.322 1, 0.396 2, 0.424 3, 0.0226 4, 0.175 1 1, 0.0185 2 1, -0.0701 2 2, -0.251 3 1,"
            "0.179 3 2, 0.015 3 3, 0.0134 4 1, 0.0296 4 2, 0.0752 4 3, 0.0192 4 4",
            *x,
        ),
        polynomial(
            "0.37, -0.205 1, 0.0307 2, 0.108 3, 1.019 4, -0.135 1 1, 0.0141 2 1, 0.0998 2 2, 0.208 3 1,"
            "-0.0301 3 2, -0.226 3 3, 0.353 4 1, -0.0497 4 3, -0.423 4 4, 0.202 2 1 1, -0.281 3 1 1,"
            "-0.342 2 2 1, -0.245 2 2 3, 0.281 3 3 2, -0.184 4 4 1, -0.281 2 1 3",
            *x,
        ),
    )


def re41(*x):
    f1 = polynomial("1.98, 4.9 1, 6.67 2, 6.98 3, 4.01 4, 1.78 5, 0.00001 6, 2.73 7", *x)
    f2 = polynomial("4.72, -0.5 4, -0.19 2 3", *x)
    pillar = polynomial("10.58, -0.674 1 2, -0.67275 2", *x)
    door = polynomial("16.45, -0.489 3 7, -0.843 5 6", *x)
    return f1, f2, 0.5 * (pillar + door), missed(
        1 - polynomial("1.16, -0.3717 2 4, -0.0092928 3", *x),
        0.32 - polynomial("0.261, -0.0159 1 2, -0.06486 1, -0.019 2 7, 0.0144 3 5, 0.0154464 6", *x),
        0.32
        - polynomial(
            "0.214, 0.00817 5, -0.045195 1, -0.0135168 1, 0.03099 2 6, -0.018 2 7, 0.007176 3, 0.023232 3,"
            "-0.00364 5 6, -0.018 2 2",
            *x,
        ),
        0.32 - polynomial("0.74, -0.61 2, -0.031296 3, -0.031872 7, 0.227 2 2", *x),
        32 - polynomial("28.98, 3.818 3, -4.2 1 2, 1.27296 6, -2.68065 7", *x),
        32 - polynomial("33.86, 2.95 3, -5.057 1 2, -3.795 2, -3.4431 7, 1.45728", *x),
        32 - polynomial("46.36, -9.9 2, -4.4505 1", *x),
        4 - f2,
        9.9 - pillar,
        15.7 - door,
    )


def re42(length, beam, depth, draft, knots, cb):
    displacement = 1.025 * length * beam * draft * cb
    froude = 0.5144 * knots / (9.8065 * length) ** 0.5
    a = 4977.06 * cb**2 - 8105.61 * cb + 4456.51
    b = -10847.2 * cb**2 + 12817 * cb - 6960.32
    p = displacement ** (2 / 3) * knots**3 / (a + b * froude)
    ws = 0.034 * length**1.7 * beam**0.7 * depth**0.4 * cb**0.5
    wo = length**0.8 * beam**0.6 * depth**0.3 * cb**0.1
    light = ws + wo + 0.17 * p**0.9
    dwt = displacement - light
    sea = 5000 / 24 * knots
    daily = 0.19 * p * 24 / 1000 + 0.2
    cargo = dwt - daily * (sea + 5) - 2 * dwt**0.5
    rtpa = 350 / (sea + 2 * (cargo / 8000 + 0.5))
    capital = 0.2 * 1.3 * (2000 * ws**0.85 + 3500 * wo + 2400 * p**0.8)
    annual = capital + 40000 * dwt**0.3 + (1.05 * daily * sea * 100 + 6.3 * dwt**0.8) * rtpa
    metacentric = (0.085 * cb - 0.002) * beam**2 / (draft * cb)
    return annual / (cargo * rtpa), light, -cargo * rtpa, missed(
        length / beam - 6,
        15 - length / depth,
        19 - length / draft,
        0.45 * dwt**0.31 - draft,
        0.7 * depth + 0.7 - draft,
        dwt - 3000,
        500000 - dwt,
        0.32 - froude,
        0.53 * draft + metacentric - (1 + 0.52 * depth) - 0.07 * beam,
    )


def re61(x1, x2, x3):
    return (
        106780.37 * (x2 + x3) + 61704.67,
        3000 * x1,
        305700 * 2289 * x2 / (0.06 * 2289) ** 0.65,
        250 * 2289 * math.exp(-39.75 * x2 + 9.9 * x3 + 2.74),
        25 * (1.39 / (x1 * x2) + 4940 * x3 - 80),
        missed(
            1 - 0.00139 / (x1 * x2) - 4.94 * x3 + 0.08,
            1 - 0.000306 / (x1 * x2) - 1.082 * x3 + 0.0986,
            50000 - 12.307 / (x1 * x2) - 49408.24 * x3 - 4051.02,
            16000 - 2.098 / (x1 * x2) - 8046.33 * x3 + 696.71,
            10000 - 2.138 / (x1 * x2) - 7883.39 * x3 + 705.04,
            2000 - 0.417 * x1 * x2 - 1721.26 * x3 + 136.54,
            550 - 0.164 / (x1 * x2) - 631.13 * x3 + 54.48,
        ),
    )


def re91(x1, x2, x3, x4, x5, x6, x7, draws=(0, 0, 0, 0)):
    x8, x9 = 0.345 + 0.006 * draws[0], 0.192 + 0.006 * draws[1]
    x = (x1, x2, x3, x4, x5, x6, x7, x8, x9, 10 * draws[2], 10 * draws[3])
    ribs = (
        "28.98, 3.818 3, -4.2 1 2, 0.0207 5 10, 6.63 6 9, -7.77 7 8, 0.32 9 10",
        "33.86, 2.95 3, 0.1792 10, -5.057 1 2, -11 2 8, -0.0215 5 10, -9.98 7 8, 22 8 9",
        "46.36, -9.9 2, -12.9 1 8, 0.1107 3 10",
    )
    loads = (
        ("1.16, -0.3717 2 4, -0.00931 2 10, -0.484 3 9, 0.01343 6 10", 1),
        (
            "0.261, -0.0159 1 2, -0.188 1 8, -0.019 2 7, 0.0144 3 5, 0.87570001 5 10, 0.08045 6 9,"
            "0.00139 8 11, 0.00001575 10 11",
            0.32,
        ),
        (
            "0.214, 0.00817 5, -0.131 1 8, -0.0704 1 9, 0.03099 2 6, -0.018 2 7, 0.0208 3 8, 0.121 3 9,"
            "-0.00364 5 6, 0.0007715 5 10, -0.0005354 6 10, 0.00121 8 11, 0.00184 9 10, -0.018 2 2",
            0.32,
        ),
        ("0.74, -0.61 2, -0.163 3 8, 0.001232 3 10, -0.166 7 9, 0.227 2 2", 0.32),
        (", ".join(ribs), 3 * 32),
        ("4.72, -0.5 4, -0.19 2 3, -0.0122 4 10, 0.009325 6 10, 0.000191 11 11", 4),
        ("10.58, -0.674 1 2, -1.95 2 8, 0.02054 3 10, -0.0198 4 10, 0.028 6 10", 9.9),
        ("16.45, -0.489 3 7, -0.843 5 6, 0.0432 9 10, -0.0556 9 11, -0.000786 11 11", 15.7),
    )
    weight = 1.98 + 4.9 * x1 + 6.67 * x2 + 6.98 * x3 + 4.01 * x4 + 1.75 * x5 + 0.00001 * x6 + 2.73 * x7
    return weight, *(max(0.0, polynomial(load, *x) / limit) for load, limit in loads)


def scalar(name, x, m):
    suite, number = re.fullmatch(r"([a-z]+)(\d+)", name).groups()
    if suite == "re":
        return list(globals()[name](*x))
    return zdt(int(number), x) if suite == "zdt" else dtlz(int(number), x, m)


# In the paper's units; RE from the authors' code (with 3.10 in RE22's list), ZDT and DTLZ from pymoo 0.6.2.
VALUES = {
    "zdt1": ([0.31, 0.07, 0.43, 0.9], [0.31, 3.93035438015]),
    "zdt2": ([0.31, 0.07, 0.43, 0.9], [0.31, 5.18151923077]),
    "zdt3": ([0.31, 0.07, 0.43, 0.9], [0.31, 4.02614964841]),
    "zdt4": ([0.31, -3.7, 0.43, 4.1], [0.31, 55.986737736]),
    "zdt6": ([0.31, 0.07, 0.43, 0.9], [0.998275822185, 8.32055730346]),
    "dtlz1": ([0.13, 0.71, 0.42, 0.93, 0.07, 0.58, 0.31], [7.60259409, 10.49882041, 7.3935355, 170.62005]),
    "dtlz2": (
        [0.13, 0.71, 0.42, 0.93, 0.07, 0.58, 0.31],
        [0.480743489124, 0.372902874584, 1.24193296122, 0.286396497232],
    ),
    "dtlz3": (
        [0.13, 0.71, 0.42, 0.93, 0.07, 0.58, 0.31],
        [133.514139162, 103.564182184, 344.914936897, 79.5392608577],
    ),
    "dtlz4": (
        [0.97, 0.995, 0.985, 0.93, 0.07, 0.58, 0.31],
        [0.768860503895, 0.277637814753, 1.14684529955, 0.105394109326],
    ),
    "dtlz5": (
        [0.13, 0.71, 0.42, 0.93, 0.07, 0.58, 0.31],
        [0.644175253086, 0.59856408681, 1.06739290501, 0.286396497232],
    ),
    "dtlz6": (
        [0.13, 0.71, 0.42, 0.93, 0.07, 0.58, 0.31],
        [1.75073845052, 1.4363680982, 3.88895213744, 0.931955525197],
    ),
    "dtlz7": ([0.13, 0.71, 0.42, 0.93, 0.07, 0.58, 0.31], [0.13, 0.71, 0.42, 23.6518773212]),
    "re21": ([1.3, 2.2, 1.9, 2.7], [1957.93494249, 0.0207620511714]),
    "re22": ([3.1, 7.3, 28.1], [214.218, 103.072650685]),
    "re23": ([13, 7, 42.1, 176.6], [6059.11973986, 96.5259696362]),
    "re24": ([0.6, 1.9], [228.6, 6.31077694236]),
    "re25": ([9, 0.71, 0.283], [1.54334727328, 0.491166077739]),
    "re31": ([0.013, 0.027, 1.7], [0.109753739804, 3933.26946825, 0.00975373980442]),
    "re32": ([0.31, 4.7, 6.1, 0.43], [2.8587646767, 0.0224913815653, 1499.40938607]),
    "re33": ([72.3, 81.9, 2310.0, 14.2], [0.957470976, 2.58526337151, 10.4969660545]),
    "re34": ([1.2, 2.7, 1.9, 2.3, 1.4], [1682.05883572, 9.835201, 0.120824]),
    "re35": ([3.3, 0.74, 19, 7.9, 8.1, 3.2, 5.3], [3459.04554973, 1261.05283458, 0.540540540541]),
    "re36": ([53, 47, 14, 23], [6.80173464472, 53.0, 0.481349681824]),
    "re37": ([0.23, 0.81, 0.37, 0.64], [0.215081578, 0.61508394, 0.8320005]),
    "re41": ([0.7, 1.1, 0.9, 1.3, 1.7, 0.6, 1.05], [30.134506, 3.8819, 12.224515, 0.35465]),
    "re42": (
        [231.0, 27.3, 17.9, 10.7, 15.2, 0.69],
        [-771.28043737, 11215.7853159, 6746.53142274, 3.41815054856],
    ),
    "re61": (
        [0.013, 0.012, 0.093],
        [72916.60885, 39.0, 342416.275793, 13811763.8213, 232241.910256, 41785.0058183],
    ),
    "re91": (
        [0.7, 1.1, 0.9, 1.3, 1.7, 0.6, 1.05],
        [
            30.083506, 0.5448338, 0.66471825, 0.5885266875, 0.8112278125, 0.893485192708, 0.970475,
            0.941514646465, 0.96356910828,
        ],
    ),
}

# Columns of x that hold a number in an ordered list, and the list.
LISTS = {"re22": (0, re_suite._BAR_AREAS), "re25": (2, re_suite._WIRE_DIAMETERS)}


def to_units(name, row):
    if name in LISTS:
        column, values = LISTS[name]
        row[column] = values[int(row[column])]
    return row


def from_units(name, row):
    if name in LISTS:
        column, values = LISTS[name]
        row = [*row]
        row[column] = values.index(row[column])
    return row


@pytest.mark.parametrize("name", NAMES)
def test_fixed_points(name):
    x, expected = VALUES[name]
    options = {"zdt": {"n_var": 4}, "dtl": {"n_var": 7, "n_obj": 4}}.get(name[:3], {})
    problem = make(name, **options)
    f = problem.evaluate([from_units(name, x)]).f[0]
    torch.testing.assert_close(f, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12)
    assert scalar(name, [float(v) for v in x], len(expected)) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name, options", CASES)
def test_second_implementation(name, options):
    problem = make(name, **options)
    x = points(problem, 300)
    expected = [scalar(name, to_units(name, row), problem.n_obj) for row in x.tolist()]
    expected = torch.tensor(expected, dtype=torch.float64)
    # a sum of violations carries the rounding of its largest terms
    scale = 1e-9 if name.startswith("re") else 1e-14
    torch.testing.assert_close(problem.evaluate(x).f, expected, rtol=1e-11, atol=scale)


@pytest.mark.parametrize("name", NAMES)
def test_dimensions(name):
    problem = make(name)
    if name.startswith("re"):
        n_var = dict(
            re21=4, re22=3, re23=4, re24=2, re25=3, re31=3, re32=4, re33=4, re34=5, re35=7, re36=4, re37=4,
            re41=7, re42=6, re61=3, re91=7,
        )[name]  # fmt: skip
        assert (problem.n_obj, problem.n_var) == (int(name[2]), n_var)
    elif name.startswith("zdt"):
        assert (problem.n_obj, problem.n_var) == (2, 10 if name in ("zdt4", "zdt6") else 30)
    else:
        assert (problem.n_obj, problem.n_var) == (3, 2 + {"dtlz1": 5, "dtlz7": 20}.get(name, 10))
        assert make(name, n_obj=8).n_var == 7 + problem.k
    assert problem.name == name and problem.n_con == 0 and problem.space.n_var == problem.n_var
    assert problem.ideal.dtype == problem.nadir.dtype == problem.reference_point.dtype == torch.float64
    assert (problem.ideal < problem.nadir).all() and (problem.nadir < problem.reference_point).all()
    assert problem == make(name) and hash(problem) == hash(make(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_point_is_worth_the_same_in_any_batch(name, dtype):
    problem = make(name)
    x = points(problem, 3 * 67).to(dtype)
    before = x.clone()
    f = problem.evaluate(x).f
    assert f.dtype == dtype and torch.equal(x, before)
    for i in range(len(x)):
        assert torch.equal(f[i], problem.evaluate(x[i : i + 1]).f[0])
    assert torch.equal(problem.evaluate(x.view(3, 67, -1)).f, f.view(3, 67, -1))
    assert torch.equal(problem.evaluate(x.flip(0)).f, f.flip(0))
    assert problem.evaluate(x.to("meta")).f.device.type == "meta"  # nothing is made on another device
    if dtype == torch.float32:
        exact = problem.evaluate(before.double()).f
        assert ((f - exact).abs() <= 2e-3 * (problem.nadir - problem.ideal) + 1e-4 * exact.abs()).all()


@pytest.mark.parametrize("name", NAMES)
def test_derivatives(name):
    problem = make(name)
    if not problem.differentiable:
        assert name in ("re22", "re23", "re25", "re35", "re36")
        return
    low, high = problem.space.low, problem.space.high
    x = (low + (high - low) * (0.1 + 0.8 * Rng(3).uniform(6, problem.n_var)[0])).requires_grad_()
    weights = 1.0 / (problem.nadir - problem.ideal)
    total = lambda z: (problem._evaluate(z) * weights).sum(-1)  # noqa: E731
    (gradient,) = torch.autograd.grad(total(x).sum(), x)
    for j in range(problem.n_var):
        step = torch.zeros_like(x)
        step[:, j] = 1e-6 * (high - low)[j]
        slope = (total(x + step) - total(x - step)) / (2 * step[:, j])
        torch.testing.assert_close(gradient[:, j], slope.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("exponent", [0.1, 0.25, 2 / 3, 1.7, 100.0])
def test_power(exponent):
    x = torch.tensor([0.0, 1.0, 0.37, 2.9, 0.999], dtype=torch.float64, requires_grad=True)
    y = power(x, exponent)
    torch.testing.assert_close(y, x**exponent, rtol=1e-13, atol=0.0)
    assert y[0] == 0 and y[1] == 1 and torch.isnan(power(torch.tensor([-1.0]), exponent)).all()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient[0] == 0
    torch.testing.assert_close(gradient[1:], (exponent * x ** (exponent - 1))[1:].detach())


# Fronts of ZDT and DTLZ


def from_pareto_set(problem, u):
    """Points of the published Pareto set at places u[n, m-1] in [0, 1]."""
    tail = {"zdt": 0.0, "dtl": 0.5}[problem.name[:3]]
    tail = 0.0 if problem.name in ("dtlz6", "dtlz7") else tail
    x = torch.full((len(u), problem.n_var), tail, dtype=torch.float64)
    x[:, : u.shape[-1]] = u
    return x


def off_front(name, f):
    """How far objectives are from the equation of the front, [n]."""
    f1, last = f[:, 0], f[:, -1]
    if name in ("zdt1", "zdt4"):
        return last - (1 - f1.sqrt())
    if name in ("zdt2", "zdt6"):
        return last - (1 - f1**2)
    if name == "zdt3":
        return last - (1 - f1.sqrt() - f1 * torch.sin(10 * math.pi * f1))
    if name == "dtlz1":
        return f.sum(-1) - 0.5
    if name == "dtlz7":
        others = f[:, :-1]
        return last - (2 * f.shape[-1] - (others * (1 + torch.sin(3 * math.pi * others))).sum(-1))
    radius = (f**2).sum(-1) - 1
    if name in ("dtlz5", "dtlz6") and f.shape[-1] > 2:
        m = f.shape[-1]
        middle = f[:, 1:-1] - f1[:, None] * 2.0 ** (torch.arange(m - 2, dtype=torch.float64) / 2)
        return torch.maximum(radius.abs(), middle.abs().amax(-1))
    return radius


@pytest.mark.parametrize("name, options", [case for case in CASES if case[0] not in RE])
def test_front(name, options):
    problem = make(name, **options)
    m = problem.n_obj
    # the Pareto set lies on the front's equation, and every point of the front is attained
    f = problem.evaluate(from_pareto_set(problem, Rng(1).uniform(200, m - 1)[0])).f
    assert off_front(name, f).abs().max() < 1e-13
    front = problem.pareto_front(600)
    assert front.dtype == torch.float64 and 300 <= len(front) <= 620 and front.shape[-1] == m
    assert off_front(name, front).abs().max() < 1e-13
    assert moocore.is_nondominated(front.numpy(), keep_weakly=False).all()
    torch.testing.assert_close(front.amin(0), problem.ideal, rtol=0, atol=1e-15)
    torch.testing.assert_close(front.amax(0), problem.nadir, rtol=0, atol=1e-15)
    # nothing near the Pareto set dominates it
    x = from_pareto_set(problem, Rng(2).uniform(800, m - 1)[0])
    near = problem.evaluate(problem.space.repair(x + 0.02 * Rng(3).normal(800, problem.n_var)[0])).f
    better = (near[:, None] <= front - 1e-12).all(-1)
    assert not better.any()


@pytest.mark.parametrize("name", ["zdt3", "dtlz7"])
def test_fronts_with_gaps_leave_out_what_is_dominated(name):
    problem = make(name, **({"n_obj": 2} if name == "dtlz7" else {}))
    f1 = torch.linspace(0, 1, 4001, dtype=torch.float64)
    f = problem.evaluate(from_pareto_set(problem, f1[:, None])).f
    best = f1[torch.from_numpy(moocore.is_nondominated(f.numpy()))]
    front = problem.pareto_front(4000)[:, 0].sort().values
    apart = (front[:, None] - best).abs()
    assert apart.amin(0).max() < 5e-4 and apart.amin(1).max() < 5e-4
    for places in (best, front):
        assert (places.diff() > 0.05).sum() == {"zdt3": 4, "dtlz7": 1}[name]


SPHERE = {m: math.pi ** (m / 2) / (2**m * math.gamma(m / 2 + 1)) for m in (2, 3, 4)}


@pytest.mark.parametrize(
    "name, m, reference, volume",
    [
        ("zdt1", 2, 1.1, 1.1**2 - 1 + 2 / 3),
        ("zdt2", 2, 1.1, 1.1**2 - 2 / 3),
        ("zdt3", 2, 11.0, 128.7781161307),  # BoTorch's test_functions
        ("zdt4", 2, 11.0, 120 + 2 / 3),
        ("zdt6", 2, 1.1, 0.507878),  # reference values to six digits
        ("dtlz1", 2, 1.1, 1.1**2 - 0.5**2 / 2),
        ("dtlz1", 3, 1.1, 1.1**3 - 0.5**3 / 6),
        ("dtlz2", 2, 1.1, 1.1**2 - SPHERE[2]),
        ("dtlz3", 3, 1.1, 1.1**3 - SPHERE[3]),
        ("dtlz4", 4, 1.1, 1.1**4 - SPHERE[4]),
    ],
)
def test_hypervolume_of_the_front(name, m, reference, volume):
    problem = make(name, **({"n_obj": m} if name.startswith("dtlz") else {}))
    front = problem.pareto_front({2: 40_000, 3: 20_000, 4: 3_000}[m])
    measured = moocore.hypervolume(front.numpy(), ref=[reference] * m)
    assert -{2: 2e-4, 3: 1e-2, 4: 1.5e-1}[m] * volume < measured - volume < 1e-6


def test_hypervolume_of_dtlz5_and_dtlz7():
    # DTLZ5, m = 3: at height f_3 the curve dominates a square with the corner sqrt((1 - f_3^2) / 2)
    steps = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    exact = ((1.1 - torch.sqrt((1 - steps**2) / 2)) ** 2).mean() + 0.1 * 1.1**2
    measured = moocore.hypervolume(make("dtlz5").pareto_front(4000).numpy(), ref=[1.1] * 3)
    assert 0 <= exact - measured < 1e-3
    # DTLZ7, m = 2: the best f_2 so far, integrated over f_1
    f1 = steps * 1.1
    best = torch.cummin(torch.where(f1 <= 1, 4 - f1 * (1 + torch.sin(3 * math.pi * f1)), torch.inf), 0).values
    exact = ((4.5 - best) * 1.1).mean()
    measured = moocore.hypervolume(make("dtlz7", n_obj=2).pareto_front(20_000).numpy(), ref=[1.1, 4.5])
    assert -1e-5 <= exact - measured < 1e-3


@pytest.mark.parametrize(
    "m, size", [(2, 10_000), (3, 9870), (5, 8855), (8, 6435), (10, 7007), (15, 6120)]
)
def test_lattice_sizes(m, size):
    # sizes of PlatEMO's UniformPoint(10000, m)
    lattice = simplex_lattice(10_000, m)
    assert lattice.shape == (size, m)
    assert (lattice.sum(-1) - 1).abs().max() < 1e-14 and lattice.min() >= 0
    corners = torch.eye(m, dtype=torch.float64)
    assert torch.cdist(corners, lattice).amin() == 0
    assert len(simplex_lattice(1, m)) == m


@pytest.mark.parametrize(
    "name, m, n, distance",
    [
        ("dtlz1", 3, 91, 2.0556e-2),
        ("dtlz1", 5, 210, 5.2710e-2),
        ("dtlz2", 3, 91, 5.4464e-2),
        ("dtlz2", 8, 156, 3.1488e-1),
    ],
)
def test_igd_of_a_small_lattice(name, m, n, distance):
    problem = make(name, n_obj=m)
    few, many = problem.pareto_front(n), problem.pareto_front(10_000)
    assert len(few) == n
    assert torch.cdist(many, few).amin(-1).mean().item() == pytest.approx(distance, rel=2e-4)


# Published facts on RE


@pytest.mark.parametrize(
    "name, x, ideal, nadir",
    [
        # corners whose objectives are entries of the published ideal and nadir points
        ("re21", [1.0, 2**0.5, 2**0.5, 1.0], [0], [1]),
        ("re21", [3.0, 3.0, 2**0.5, 3.0], [1], [0]),
        ("re22", [0.2, 20.0, 0.0], [0], [1]),
        ("re23", [1, 1, 10.0, 10.0], [0], [1]),
        ("re24", [0.5, 0.5], [0], [1]),
        ("re25", [1, 0.6, 0.092], [0], [1]),
        ("re31", [1e-5, 1e-5, 1.0], [0], [1, 2]),
        ("re32", [0.125, 0.1, 0.1, 0.125], [0], [1, 2]),
        ("re32", [0.125, 0.1, 10.0, 5.0], [1], []),
        ("re33", [80.0, 75.0, 1000.0, 20.0], [0], []),
        ("re34", [1.0, 1.0, 1.0, 1.0, 1.0], [0], []),
        ("re34", [1.0, 3.0, 3.0, 1.0, 1.0], [1], [2]),
        ("re34", [1.0, 1.0, 3.0, 3.0, 3.0], [2], [0, 1]),
        ("re36", [12, 12, 12, 12], [1], [0, 2]),
        ("re36", [16, 19, 43, 49], [0], []),
        ("re41", [0.5, 0.45, 0.5, 0.5, 0.875, 0.4, 0.4], [0], [1, 2]),
        ("re61", [0.01, 0.01, 0.01], [0, 1, 2], []),
        ("re91", [0.5, 0.45, 0.5, 0.5, 0.875, 0.4, 0.4], [0], []),
    ],
)
def test_corners_have_the_published_values(name, x, ideal, nadir):
    problem = make(name)
    f = problem.evaluate([from_units(name, x)]).f[0]
    torch.testing.assert_close(f[ideal], problem.ideal[ideal], rtol=2e-9, atol=1e-12)
    torch.testing.assert_close(f[nadir], problem.nadir[nadir], rtol=2e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name, x, cost, slack",
    [
        ("re23", [12, 6, 38.8601, 221.36547], 5850.370, 5.0),  # pressure vessel with L <= 240
        ("re35", [3.5, 0.7, 17, 7.3, 7.71532, 3.350541, 5.286655], 2994.424, 1e-3),  # speed reducer
    ],
)
def test_known_optima_of_the_original_problems(name, x, cost, slack):
    f = make(name).evaluate([x]).f[0]
    assert f[0].item() == pytest.approx(cost, rel=1e-4)
    assert f[-1] < slack


@pytest.mark.parametrize("name", RE)
def test_no_search_undercuts_the_published_ideal(name):
    problem = make(name)
    space, m, n = problem.space, problem.n_obj, 60
    low, width = space.low, space.high - space.low
    own = torch.arange(m)
    merit = lambda x: problem.evaluate(space.repair(x)).f[own, :, own].nan_to_num(torch.inf, torch.inf)  # noqa: E731
    rng = Rng(range(m))
    x = low + width * rng.uniform(n, problem.n_var)
    value = merit(x)
    for step in range(150):  # differential evolution, one population for each objective
        draw = rng.fold(step)
        a, b, c = (torch.take_along_dim(x, draw.fold(k).permutation(n)[..., None], 1) for k in range(3))
        best = torch.take_along_dim(x, value.argmin(-1)[:, None, None], 1)
        base = torch.where(draw.fold(3).uniform(n, 1) < 0.3, best, a)
        trial = base + (0.4 + 0.5 * draw.fold(4).uniform(n, 1)) * (b - c)
        trial = torch.where(draw.fold(5).uniform(n, problem.n_var) < 0.8, trial, x).clamp(low, low + width)
        new = merit(trial)
        x = torch.where((new <= value)[..., None], trial, x)
        value = torch.minimum(new, value)
    excess = (value.amin(-1) - problem.ideal) / (problem.nadir - problem.ideal)
    assert (excess > -1e-7).all()
    if name == "re91":  # published with noise
        excess = excess[:1]
    assert excess.max() < 2e-2


def test_front_of_the_gear_train():
    problem = make("re36")
    teeth = torch.arange(12.0, 61.0, dtype=torch.float64)
    pairs = torch.combinations(teeth, 2, with_replacement=True)
    k = len(pairs)
    x = torch.cat((pairs.repeat(k, 1), pairs.repeat_interleave(k, 0)), -1)
    f = problem.evaluate(x).f
    sizes = [f[f[:, 1] == size].amin(0) for size in teeth]
    front = [b for i, b in enumerate(sizes) if not i or b[0] < min(a[0] for a in sizes[:i])]
    assert len(front) == 28  # as many as the published front has
    torch.testing.assert_close(f.amin(0), problem.ideal, rtol=1e-9, atol=1e-12)
    assert front[-1][1] == 49
    assert [round(v, 6) for v in front[10].tolist()] == [3.569889, 22.0, 0.015061]


def test_discrete_lists():
    areas, wires = re_suite._BAR_AREAS, re_suite._WIRE_DIAMETERS
    assert all(a < b for values in (areas, wires) for a, b in pairwise(values))
    assert (len(areas), areas[0], areas[-1], 3.1 in areas, 10.0 in areas) == (76, 0.2, 15.0, True, False)
    assert (len(wires), wires[0], wires[-1]) == (19, 0.092, 0.5)
    beam = make("re22")
    x = torch.tensor([[33.4, 5.0, 20.0], [33.0, 5.0, 20.0], [99.0, 5.0, 20.0], [75.0, 5.0, 20.0]])
    f = beam.evaluate(x).f
    assert torch.equal(f[0], f[1]) and torch.equal(f[2], f[3])
    failed = beam.evaluate([[3.0, 0.0, 20.0], [math.nan, 5.0, 20.0], [3.0, 5.0, 20.0]]).failed
    assert failed.tolist() == [True, True, False]


def test_integers_are_rounded():
    for name, columns in (("re23", [0, 1]), ("re25", [0, 2]), ("re35", [2]), ("re36", [0, 1, 2, 3])):
        problem = make(name)
        x = points(problem, 20)
        moved = x.clone()
        moved[:, columns] += 0.3
        assert torch.equal(problem.evaluate(moved).f, problem.evaluate(x).f)


def test_noise_of_the_car_cab():
    still, noisy = make("re91"), make("re91", noise=True)
    assert not still.stochastic and noisy.stochastic
    x = points(still, 40).repeat(3, 1, 1)
    rng = Rng([7, 8, 9]).fold(2)
    f = noisy.evaluate(x, rng).f
    draws = rng.normal(4, 40)
    for r, i in ((0, 3), (1, 17), (2, 39)):
        expected = re91(*x[r, i].tolist(), draws=draws[r, :, i].tolist())
        assert f[r, i].tolist() == pytest.approx(expected, rel=1e-11, abs=1e-12)
    assert torch.equal(f, noisy.evaluate(x, rng).f)
    assert torch.equal(f[1], noisy.evaluate(x[1], rng.take(torch.tensor([1]))).f)
    assert torch.equal(f[..., 0], still.evaluate(x).f[..., 0])
    assert (f[0] != f[1])[:, 3:].all()
    assert noisy.evaluate(x.float(), rng).f.dtype == torch.float32
    with pytest.raises(ValueError, match="noise: expected True or False, got 1"):
        make("re91", noise=1)


@pytest.mark.parametrize(
    "name, options, sentence",
    [
        ("zdt1", {"n_var": 1}, "n_var: expected a whole number of at least 2, got 1"),
        ("zdt4", {"n_var": 2.5}, "n_var: expected a whole number"),
        ("dtlz2", {"n_obj": 1}, "n_obj: expected a whole number of at least 2, got 1"),
        ("dtlz2", {"n_obj": 4, "n_var": 3}, "n_var: expected a whole number of at least 4, got 3"),
    ],
)
def test_bad_options(name, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(name, **options)


def test_bounds():
    assert make("zdt4", n_var=3).space.low.tolist() == [0, -5, -5]
    assert make("zdt4", n_var=3).space.high.tolist() == [1, 5, 5]
    assert make("re24").space.low.tolist() == [0.5, 0.5]
    assert make("re42").space.high.tolist() == [274.32, 32.31, 25, 11.71, 18, 0.75]
    with pytest.raises(ValueError, match="n: expected a whole number"):
        make("zdt1").pareto_front(0)


def test_catalogue_is_lazy():
    code = """
import sys
import moopt.problems as problems
assert not any(m.startswith("moopt.problems.") for m in sys.modules), "imported before asked for"
assert {"ZDT1", "DTLZ7", "RE91", "CATALOGUE"} <= set(dir(problems))
from moopt.problems import DTLZ2
assert "moopt.problems.synthetic.dtlz" in sys.modules and "moopt.problems.engineering.re" not in sys.modules
try:
    problems.ZDT5
except AttributeError as error:
    assert "ZDT5" in str(error)
else:
    raise SystemExit("expected an AttributeError")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
