"""Two rewards of a language model, searched as a black box and by a policy gradient, under one budget of tokens.

The model writes four tokens of a vocabulary of eight, so every expectation can be enumerated and the true front is
known. Both algorithms really sample; what they claim is evaluated exactly afterwards.
"""

import sys

import moopt
from moopt.indicators import hypervolume

TOKENS = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000_000

for n_obj in (2, 3):
    problem = moopt.problem("exactalignment", n_obj=n_obj)
    exact = float(hypervolume(problem.pareto_front(500), problem.reference_point))
    print(f"{n_obj} objectives, {', '.join(problem.objective_labels)}: exact hypervolume {exact:.4f}")
    for algorithm in ("nsga2", "policygradient"):
        result = moopt.minimize(problem, algorithm, moopt.Tokens(TOKENS), seed=1)
        truth = problem.evaluate_exactly(result.front.x)
        claimed, found = (float(hypervolume(f, problem.reference_point)) for f in (result.front.f, truth.f))
        print(f"  {algorithm:15} {found / exact:6.1%} of it (claims {claimed / exact:.1%})  {result.message}")
