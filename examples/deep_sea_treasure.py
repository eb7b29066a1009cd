"""One sequential problem, twice: as a black box and by learning from environment steps, under one budget.

Deep sea treasure (Vamplew et al. 2011): dive for a treasure; the deeper, the richer, the longer. NSGA-II searches the
declared policy space and finds every point of both fronts. The Q-learners weigh treasure against time linearly, so what
they can find is the convex hull of the front: all of it where discounting bends it, the ends where it is concave.
"""

import sys

import moopt

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
REFERENCE = [0.0, 50.0]  # minimised: treasure 0, fifty steps

for front, discount in (("convex", 1.0), ("concave", 1.0), ("convex", 0.99), ("concave", 0.99)):
    problem = moopt.problem("deepseatreasure", front=front, discount=discount)
    exact = float(moopt.indicators.hypervolume(problem.pareto_front(100), REFERENCE))
    print(f"{front} front, discount {discount}: hypervolume {exact:.2f} at most")
    for algorithm in ("nsga2", "qlearners"):
        result = moopt.minimize(problem, algorithm, moopt.EnvSteps(STEPS), seed=1)
        found = float(moopt.indicators.hypervolume(result.front.f, REFERENCE))
        print(f"  {algorithm:10} {found:8.2f}  {len(result.front):2} points  {result.message}")
