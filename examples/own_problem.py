"""Your own function, searched in four worker processes: a rod that should be light and stiff."""

import sys

import moopt

EVALUATIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000


def beam(r, n):
    """`n` round rods of radius `r` (cm) share a load; stress in kN/cm^2."""
    area = n * 3.14159 * r**2
    return {"mass": 7.85 * area, "stiffness": n * r**4, "stress": 100 / area}


problem = moopt.FunctionProblem(beam, {"r": moopt.Real(.1, 2), "n": moopt.Integer(1, 9)},
    objectives={"mass": "min", "stiffness": "max"}, constraints={"stress": ("<=", 30)})
result = moopt.minimize(problem, budget=EVALUATIONS, executor="processes:4")
result.to_dataframe(); result.plot()

print(result.message)
print(result.to_dataframe().sort_values("mass").iloc[:: max(1, len(result.front) // 8)].to_string(index=False))
