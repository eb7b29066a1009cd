"""One search by one tool in a process of its own: `python benchmarks/tools.py '{"tool": "moopt", ...}'`.

Called by `population.py`, which says what is asked. It prints milliseconds a generation, the hypervolume of the last
population, and the process's peak memory. Only real-valued work that all tools have: ZDT1 and DTLZ2, SBX and polynomial
mutation with index 20.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import torch
from torch import Tensor

WARM = 2  # generations that compile, outside the clock


def directions_near(n: int) -> Any:
    """The lattice of three objectives with at most n points, as pymoo wants it."""
    from pymoo.util.ref_dirs import get_reference_directions

    partitions = 1
    while (partitions + 2) * (partitions + 3) // 2 <= n:
        partitions += 1
    return get_reference_directions("das-dennis", 3, n_partitions=partitions)


def by_moopt(work: dict[str, Any]) -> tuple[float, Tensor]:
    import moopt

    options = {"n_obj": 3, "n_var": 12} if work["problem"] == "dtlz2" else {}
    problem = moopt.problem(work["problem"], **options)
    algorithm = moopt.algorithm(work["algorithm"], pop_size=work["n"])
    settings = {"dtype": work["dtype"], "runs": work["runs"], "progress": False, "device": work["device"]}
    moopt.minimize(problem, algorithm, moopt.Generations(WARM + 1), **settings)  # reference directions are kept, too
    began = time.perf_counter()
    result = moopt.minimize(problem, algorithm, moopt.Generations(work["generations"]), seed=work["seed"], **settings)
    return time.perf_counter() - began, result.runs[0].population.f


def by_pymoo(work: dict[str, Any]) -> tuple[float, Tensor]:
    from pymoo.algorithms.moo.moead import MOEAD
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.algorithms.moo.rvea import RVEA
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    n, name = work["n"], work["algorithm"]
    problem = get_problem("dtlz2", n_obj=3, n_var=12) if work["problem"] == "dtlz2" else get_problem("zdt1")
    operators = {"crossover": SBX(eta=20, prob=0.9 if name == "nsga2" else 1.0), "mutation": PM(eta=20)}
    if name == "nsga2":
        algorithm = NSGA2(pop_size=n, **operators)
    elif name == "moead":
        algorithm = MOEAD(directions_near(n), n_neighbors=20, prob_neighbor_mating=1.0, **operators)
    else:
        algorithm = {"nsga3": NSGA3, "rvea": RVEA}[name](directions_near(n), pop_size=n, **operators)
    began = time.perf_counter()
    result = minimize(problem, algorithm, ("n_gen", work["generations"]), seed=work["seed"])
    return time.perf_counter() - began, torch.tensor(result.pop.get("F"))


def by_pygmo(work: dict[str, Any]) -> tuple[float, Tensor]:
    import pygmo

    n, seed, generations = work["n"], work["seed"], work["generations"] - 1
    problem = pygmo.problem(pygmo.dtlz(2, 12, 3) if work["problem"] == "dtlz2" else pygmo.zdt(1, 30))
    d = problem.get_nx()
    if work["algorithm"] == "nsga2":
        chosen = pygmo.nsga2(gen=generations, cr=0.9, eta_c=20, m=1 / d, eta_m=20, seed=seed)
    else:  # its NSGA-III needs a population that fits its lattice, its grid of weights likewise
        chosen = pygmo.moead_gen(gen=generations, weight_generation="low discrepancy", neighbours=20, seed=seed)
    began = time.perf_counter()
    population = pygmo.population(problem, n, seed=seed)
    population = pygmo.algorithm(chosen).evolve(population)
    return time.perf_counter() - began, torch.tensor(population.get_f())


def by_evox(work: dict[str, Any]) -> tuple[float, Tensor]:
    import evox.algorithms
    from evox.core import Problem
    from evox.problems.numerical import DTLZ2
    from evox.workflows import StdWorkflow

    class ZDT1(Problem):  # EvoX has none
        def evaluate(self, x: Tensor) -> Tensor:
            g = 1.0 + 9.0 * x[:, 1:].mean(-1)
            return torch.stack((x[:, 0], g * (1.0 - torch.sqrt(x[:, 0] / g))), -1)

    torch.manual_seed(work["seed"])
    torch.set_default_device(work["device"])
    name = {"nsga2": "NSGA2", "nsga3": "NSGA3", "moead": "MOEAD", "rvea": "RVEA", "hype": "HypE"}[work["algorithm"]]
    m, d, problem = (3, 12, DTLZ2(d=12, m=3)) if work["problem"] == "dtlz2" else (2, 30, ZDT1())
    low, high = torch.zeros(d), torch.ones(d)
    algorithm = getattr(evox.algorithms, name)(work["n"], m, low, high)
    workflow = StdWorkflow(algorithm, problem)
    workflow.init_step()
    step = torch.compile(workflow.step) if work["compiled"] else workflow.step
    for _ in range(WARM if work["compiled"] or work["generations"] > WARM + 1 else 0):
        step()
        work["generations"] -= 1
    began = time.perf_counter()
    for _ in range(work["generations"] - 1):
        step()
    if work["device"] == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) * work["generations"] / max(1, work["generations"] - 1)
    return seconds, algorithm.fit.double().cpu()


def main() -> None:
    work = {"runs": 1, "seed": 1, "dtype": "float64", "device": "cpu", "compiled": False, "threads": 1}
    work |= json.loads(sys.argv[1])
    torch.set_num_threads(work["threads"])
    generations = work["generations"]
    seconds, f = {"moopt": by_moopt, "pymoo": by_pymoo, "pygmo": by_pygmo, "evox": by_evox}[work["tool"]](work)
    from moopt.indicators import hypervolume

    answer = {
        "ms": 1e3 * seconds / (work["generations"] if work["tool"] == "evox" else generations) / work["runs"],
        "hypervolume": float(hypervolume(f[~f.isnan().any(-1)], [work["reference"]] * f.shape[-1])),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__" and not any(argument.startswith("--") for argument in sys.argv[1:]):
    main()
