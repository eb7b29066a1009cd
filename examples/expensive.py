"""Tuning a training run: a mixed space, a memory limit, two objectives, and evaluations that crash or hang.

Each evaluation stands for minutes or hours. Workers finish at different times, and the next point is suggested as
soon as one is free; what raises, returns NaN, hangs or kills its worker becomes a failed trial, and the model learns
where that happens. Kill the script at any moment and start it again: it goes on where it was.
"""

import math
import os
import random
import sys
import time
from pathlib import Path

import moopt

EVALUATIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else "runs/expensive")


def train(rate, layers, activation, width):
    """A stand-in for a training run: error and cost of a network, with its accidents."""
    time.sleep(random.Random(f"{rate}{width}").uniform(0.02, 0.3))
    if rate > 0.5:  # diverges, each time in another way
        match int(width * 100) % 4:
            case 0:
                raise ArithmeticError("the loss became infinite")
            case 1:
                return {"error": math.nan, "cost": 1.0, "memory": 1.0}
            case 2:
                time.sleep(60)
            case _:
                os._exit(9)
    bend = {"relu": 0.00, "tanh": 0.04, "gelu": -0.02}[activation]
    error = 0.1 + bend + 0.05 * (math.log10(rate) + 2) ** 2 + 0.6 / (layers * width)
    return {"error": error, "cost": layers * width**1.5 / 10, "memory": layers * width}


problem = moopt.FunctionProblem(
    train,
    {
        "rate": moopt.Real(1e-4, 1.0, log=True),
        "layers": moopt.Integer(1, 8),
        "activation": moopt.Choice(["relu", "tanh", "gelu"]),
        "width": moopt.Real(0.5, 6.0),
    },
    objectives={"error": "min", "cost": "min"},
    constraints={"memory": ("<=", 24)},
    timeout=5,
    retries=1,
)

if __name__ == "__main__":
    if (FOLDER / "config.json").exists():
        result = moopt.resume(FOLDER, problem=problem)
    else:
        result = moopt.minimize(problem, "bayes", EVALUATIONS, executor="processes:2", out=FOLDER)
    print(*[result.message, *result.notes], sep="\n")
    print(result.to_dataframe().sort_values("cost").to_string(index=False))
    for trial in result.trials:
        if trial.error:
            print(f"failed at rate={trial.values['rate']:.3g}: {trial.error}")
