"""Your own algorithm: a (mu + lambda) evolution strategy that keeps the nondominated, in fifty lines."""

import sys
from dataclasses import dataclass

import torch

import moopt
from moopt.selection import best, crowding_distance, nondominated_rank
from moopt.testing import check_algorithm


@dataclass(frozen=True, kw_only=True)
class Strategy(moopt.AskTell):
    """Gaussian steps of `sigma` times the width of each variable; survivors by rank, then by crowding distance."""

    pop_size: int = 100
    sigma: float = 0.05
    kinds = frozenset({moopt.Kind.REAL})

    def init(self, problem, rng):
        """No points yet; every tensor of a state leads with the independent runs."""
        return moopt.Population.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)

    def ask(self, problem, state, rng, n=None, pending=None):
        """Uniform points first, then a step away from every member."""
        if len(state) < self.pop_size:
            return problem.space.sample(rng.uniform(self.pop_size, problem.n_var)), None, state
        low, high = problem.space.bounds(rng.dtype, rng.device)
        step = self.sigma * (high - low) * rng.normal(self.pop_size, problem.n_var)
        return problem.space.repair(state.x + step), None, state

    def tell(self, problem, state, rng, x, tag, evaluation):
        """The best of parents and children."""
        merged = state.join(moopt.Population.of(problem, x, evaluation))
        rank = nondominated_rank(merged.f, merged.violation)
        survivors = best(min(self.pop_size, len(merged)), rank, -crowding_distance(merged.f, rank))
        return merged.select(survivors)

    def population(self, problem, state):
        return state


if __name__ == "__main__":
    evaluations = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    check_algorithm(Strategy(pop_size=20))
    for algorithm in (Strategy(), "nsga2", "random"):
        runs = moopt.minimize("zdt1", algorithm, evaluations, runs=11, progress=False).runs
        median = torch.tensor([run.hypervolume for run in runs]).median()
        print(f"{runs[0].algorithm:12} hypervolume {median:.4f} (median of 11 runs)")
