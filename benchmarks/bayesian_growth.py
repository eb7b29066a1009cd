"""Three hundred evaluations: seconds a suggestion and memory, to the end.

`python benchmarks/bayesian_growth.py` lets `bayes` search problems of two to four objectives, each in a process of its
own on one thread, as many at a time as there are cores, and writes `results/bayesian_growth.md`. `--device cuda`
computes on the GPU, one at a time. `--smoke` does a little and writes nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import report

EVALUATIONS = 30 if report.SMOKE else 300
MOMENTS = [10, 20] if report.SMOKE else [50, 100, 200, 300]
PROBLEMS = {
    "zdt1": {"n_var": 8}, "mw7": {"n_var": 8}, "weldedbeam": {}, "re37": {}, "vehiclesafety": {}, "carsideimpact": {},
}  # fmt: skip
SEARCH = """
import json, resource, sys, time
import torch, moopt
torch.set_num_threads(1)
name, options, evaluations, device = json.loads(sys.argv[1])
problem, seconds = moopt.problem(name, **options), []
run = moopt.Run(problem, "bayes", evaluations, seed=1, progress=False, device=device)
while True:
    began = time.perf_counter()
    trials = run.ask(1)
    seconds.append(time.perf_counter() - began)
    if not trials:
        break
    for trial in trials:
        f, g = problem.trial(trial.x, trial.values)[:2]
        trial.finish([s * v for s, v in zip(problem.signs, f)], g)
    run.tell(trials)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds[:-1], "peak": peak, "points": len(run.result().front)}))
"""


def main() -> None:
    device = sys.argv[sys.argv.index("--device") + 1] if "--device" in sys.argv else "cpu"
    names = list(PROBLEMS)[:1] if report.SMOKE else list(PROBLEMS)

    def search(name: str) -> Any:
        what = json.dumps([name, PROBLEMS[name], EVALUATIONS, device])
        done = subprocess.run([sys.executable, "-c", SEARCH, what], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    with ThreadPoolExecutor(os.cpu_count() if device == "cpu" else 1) as pool:
        results = list(pool.map(search, names))
    rows = []
    for name, found in zip(names, results, strict=True):
        near = [sorted(found["seconds"][n - 10 : n])[5] for n in MOMENTS]
        last = max(found["seconds"][-50:])
        rows.append([
            name, *(f"{value:.2f}" for value in near), f"{last:.2f}", f"{found['peak']:.2f}", str(found["points"])
        ])  # fmt: skip
    columns = ["problem", *(f"n = {n}" for n in MOMENTS), "slowest of the last 50", "peak, GiB", "points of the front"]
    report.write(
        "bayesian_growth",
        "Three hundred evaluations",
        f"`bayes`, one point a suggestion, on {device} and one thread. Seconds a suggestion, medians of ten around n"
        " evaluations; memory of the whole process.\n\n" + report.table(columns, rows),
        "botorch", "gpytorch",
    )  # fmt: skip


if __name__ == "__main__":
    main()
