"""Problems of the literature on expensive evaluations: values of BoTorch and pymoo, a printed design, noise."""

import math

import numpy as np
import pytest
import torch
from botorch.test_functions import multi_objective as theirs

import moopt
from moopt.core.random import Rng
from moopt.indicators import hypervolume
from moopt.selection import nondominated_mask

# name -> BoTorch's class, and the sign of its answers in our minimised sense
SAME = {
    "branincurrin": (theirs.BraninCurrin, {}, {}),
    "vehiclesafety": (theirs.VehicleSafety, {}, {}),
    "carsideimpact": (theirs.CarSideImpact, {}, {}),
    "penicillin": (theirs.Penicillin, {}, {}),
    "c2dtlz2": (theirs.C2DTLZ2, {"n_var": 4, "n_obj": 2}, {"dim": 4, "num_objectives": 2}),
    "mw7": (theirs.MW7, {"n_var": 8}, {"dim": 8}),
}


def points(problem, n, seed=0):
    u = torch.rand(n, problem.n_var, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return problem.space.sample(u)


@pytest.mark.parametrize("name", SAME)
def test_values_are_botorchs(name):
    cls, ours, others = SAME[name]
    problem, peer = moopt.problem(name, **ours), cls(**others)
    x = points(problem, 30)
    answer = problem.evaluate(x)
    torch.testing.assert_close(answer.f, peer.evaluate_true(x), rtol=1e-9, atol=1e-9)
    if problem.n_con:
        slack = peer.evaluate_slack_true(x)
        assert torch.equal(answer.g <= 0, slack >= 0)
        torch.testing.assert_close(answer.g, -slack, rtol=1e-9, atol=1e-9)
    reference = torch.tensor(peer._ref_point, dtype=torch.float64)
    torch.testing.assert_close(problem.reference_point, reference)


@pytest.mark.parametrize("number", range(1, 15))
def test_mw_is_pymoos(number):
    from pymoo.problems import get_problem

    problem, peer = moopt.problem(f"mw{number}"), get_problem(f"mw{number}")
    assert problem.n_var == peer.n_var and (problem.n_obj, problem.n_con) == (peer.n_obj, peer.n_ieq_constr)
    x = points(problem, 40)
    answer, found = problem.evaluate(x), peer.evaluate(x.numpy(), return_as_dictionary=True)
    np.testing.assert_allclose(answer.f.numpy(), found["F"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(answer.g.numpy(), found["G"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["branincurrin", "vehiclesafety", "carsideimpact", "penicillin"])
def test_noise_has_the_deviation_that_is_declared(name):
    exact, noisy = moopt.problem(name), moopt.problem(name, noise=0.1)
    assert noisy.stochastic and not exact.stochastic
    x = points(exact, 1).expand(500, -1)
    difference = noisy.evaluate(x, Rng(3)).f - exact.evaluate(x).f
    spread = torch.tensor(exact.spread, dtype=torch.float64)
    torch.testing.assert_close(difference.std(0) / spread, torch.full_like(spread, 0.1), rtol=0.12, atol=0)
    assert (difference.mean(0).abs() < 4 * 0.1 * spread / math.sqrt(500)).all()
    with pytest.raises(ValueError, match="noise: expected a finite number from 0"):
        moopt.problem(name, noise=-1.0)


def beam(weld, material, h, l, t, b):  # noqa: E741 (the paper's)
    """Deb and Goyal (1996), one design at a time, lengths in inches."""
    load, length = 6000.0, 14.0
    of_weld, of_beam, strength, e, g = {
        "steel": (0.1047, 0.0481, 30e3, 30e6, 12e6), "cast iron": (0.0489, 0.0224, 8e3, 14e6, 6e6),
        "aluminium": (0.5235, 0.2405, 5e3, 10e6, 4e6), "brass": (0.5584, 0.2566, 8e3, 16e6, 10e6),
    }[material]  # fmt: skip
    two = [(l, (h + t) / 2)]  # length of a pair of welds, distance from the middle
    pairs = two + ([(t, (h + l) / 2)] if weld == "four sides" else [])
    throat = h / math.sqrt(2)
    area = sum(2 * throat * long for long, _ in pairs)
    inertia = sum(2 * throat * long * (long**2 / 12 + far**2) for long, far in pairs)
    reach = max(math.hypot(long / 2, far) for long, far in pairs)
    direct, turning = load / area, load * (length + l / 2) * reach / inertia
    shear = math.sqrt(direct**2 + turning**2 + 2 * direct * turning * (l / 2) / reach)
    cost = (1 + of_weld) * h * h * sum(long for long, _ in pairs) + of_beam * t * b * (length + l)
    buckling = 4.013 * t * b**3 * math.sqrt(e * g) / 6 / length**2 * (1 - t / 4 / length * math.sqrt(e / g))
    bending = 6 * load * length / (t * t * b)
    used = shear / (0.577 * strength) - 1, bending / strength - 1, h / b - 1, 1 - buckling / load
    return (cost, 4 * load * length**3 / (e * t**3 * b)), used


def test_welded_beams_one_by_one():
    problem = moopt.problem("weldedbeam")
    x = points(problem, 60)
    answer = problem.evaluate(x)
    for row, f, g in zip(problem.space.decode(x), answer.f, answer.g, strict=True):
        sizes = {"h": row["h"] / 16, "l": row["l"], "t": row["t"], "b": row["b"] / 16}
        objectives, constraints = beam(row["weld"], row["material"], **sizes)
        assert f.tolist() == pytest.approx(objectives, rel=1e-12)
        assert g.tolist() == pytest.approx(constraints, rel=1e-9, abs=1e-12)


def test_welded_beam_of_the_paper():
    """GeneAS's best design costs 1.9422, deflects 0.25 - 0.2346 and leaves 380.17 psi of bending strength, 402.05 lb of
    buckling load."""
    problem = moopt.problem("weldedbeam")
    x = problem.space.encode({"weld": "four sides", "material": "steel", "h": 3, "l": 1.6849, "t": 8.25, "b": 4})
    answer = problem.evaluate(x[None])
    assert answer.f[0, 0].item() == pytest.approx(1.9422, abs=5e-4)
    assert answer.f[0, 1].item() == pytest.approx(0.0154, abs=3e-4)
    assert -answer.g[0, 1].item() * 30_000 == pytest.approx(380.17, abs=0.5)
    assert -answer.g[0, 3].item() * 6000 == pytest.approx(402.05, abs=0.5)


@pytest.mark.parametrize("settled", [{"weld": "four sides", "material": "brass"}, {"material": "cast iron"}])
def test_a_settled_choice_is_no_variable(settled):
    whole, part = moopt.problem("weldedbeam"), moopt.problem("weldedbeam", **settled)
    assert part.n_var == whole.n_var - len(settled)
    x = points(part, 20)
    rows = torch.stack([whole.space.encode(settled | row) for row in part.space.decode(x)])
    f, g = part.evaluate(x).f, part.evaluate(x).g
    assert torch.equal(f, whole.evaluate(rows).f) and torch.equal(g, whole.evaluate(rows).g)
    with pytest.raises(ValueError, match="material: expected one of steel, .*did you mean 'steel'"):
        moopt.problem("weldedbeam", material="stel")


@pytest.mark.parametrize("name", ["branincurrin", "penicillin", "weldedbeam", "vehiclesafety"])
def test_ideal_and_nadir_hold_what_a_search_finds(name):
    problem = moopt.problem(name)
    front = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=60), 3000, seed=1, progress=False).front
    width = problem.nadir - problem.ideal
    assert (front.f >= problem.ideal - 0.01 * width).all()
    assert (problem.nadir <= problem.reference_point).all() or name == "penicillin"


def test_mw5_as_in_the_study_of_egbo():
    """Its notebook has the distance of MW7: then values differ, and only then."""
    plain, other = moopt.problem("mw5", n_var=8), moopt.problem("mw5", n_var=8, distance="g3")
    x = points(plain, 5)
    assert not torch.allclose(plain.evaluate(x).f, other.evaluate(x).f)
    assert plain.reference_point.tolist() == [1.2, 1.2]
    with pytest.raises(ValueError, match="distance"):
        moopt.problem("mw5", distance="g9")


@pytest.mark.parametrize("number", range(1, 15))
def test_fronts_of_mw_have_no_holes(number):
    """Against all that is not dominated at many more positions: nothing of it is far away, no volume is lost."""
    problem = moopt.problem(f"mw{number}")
    dense = problem._at(problem._lattice(20_000 if problem.n_obj == 3 else 5_000))
    dense = dense[nondominated_mask(dense)]
    front = problem.pareto_front(1000)
    assert nondominated_mask(front).all() and 40 <= len(front) <= 1100
    width = problem.nadir - problem.ideal
    gap = torch.cdist(dense / width, front / width).amin(1).max()
    if number != 5:  # whose front is points that a grid of positions misses
        ideal = 1 / 1000 if problem.n_obj == 2 else 0.5 / 1000**0.5
        assert gap < 4 * ideal
    reference = problem.nadir + 0.1 * width
    volumes = [hypervolume(points, reference) for points in (front, dense)]
    assert volumes[0] > volumes[1] * (1 - (1e-3 if problem.n_obj == 2 else 0.02))


def test_the_front_of_mw5_is_where_its_regions_touch_the_circle():
    """sin(6 t^3) = 0, t = pi/2 - 2 |angle - pi/4|: single points at a radius of 1, besides the ends."""
    front = moopt.problem("mw5").pareto_front(500)
    angle = torch.atan2(front[:, 1], front[:, 0])
    t = (torch.arange(1, 8, dtype=torch.float64) * torch.pi / 6) ** (1 / 3)
    touching = torch.pi / 4 + (torch.pi / 2 - t[t < torch.pi / 2]) / 2
    for wanted in (*touching, *(torch.pi / 2 - touching)):
        nearest = (angle - wanted).abs().argmin()
        assert (angle[nearest] - wanted).abs() < 1e-4 and (front[nearest].norm() - 1).abs() < 1e-3


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 8, 12])
def test_fronts_of_mw_are_pymoos(number):
    """Those that pymoo computes; it spaces about a hundred points evenly. Each is near one of ours, and ours are where
    its are."""
    from pymoo.problems import get_problem

    problem = moopt.problem(f"mw{number}")
    with np.errstate(divide="ignore"):
        theirs = torch.from_numpy(get_problem(f"mw{number}").pareto_front())
    width = problem.nadir - problem.ideal
    apart = torch.cdist(theirs / width, problem.pareto_front(2000) / width)
    near, spacing = (0.002, 0.02) if problem.n_obj == 2 else (0.03, 0.15)
    assert apart.amin(1).max() < near and apart.amin(0).max() < spacing
