"""Your own algorithm: a (mu + lambda) evolution strategy that keeps the nondominated, in fifty lines."""

import sys
from dataclasses import dataclass

import torch

import moopt
from moopt.selection import best, crowding_distance, nondominated_rank
from moopt.testing import check_algorithm


@dataclass(frozen=True, kw_only=True)
class Strategy(moopt.Generational):
    """Gaussian steps of `sigma` times the width of each variable; survivors by rank, then by crowding distance."""

    pop_size: int = 100
    sigma: float = 0.05
    kinds = frozenset({moopt.Kind.REAL})

    def init(self, problem, rng):
        """No points yet; every tensor of a state leads with the independent runs."""
        return moopt.Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)

    def mate(self, problem, state, turn):
        """A step away from every member."""
        low, high = problem.space.bounds(turn.rng.dtype, turn.rng.device)
        step = self.sigma * (high - low) * turn.rng.normal(self.pop_size, problem.n_var)
        return problem.space.repair(state.x + step)

    def survive(self, problem, state, born, turn):
        """The best of parents and children."""
        merged = state.join(born)
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
