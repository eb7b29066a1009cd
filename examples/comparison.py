"""A comparison of an algorithm of your own with others: `comparison.py [SEEDS] [EVALUATIONS] [FOLDER]`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from own_algorithm import Strategy  # noqa: E402

from moopt.experiment import Spec, bench, sentences  # noqa: E402

if __name__ == "__main__":
    seeds, evaluations = (int(argument) for argument in (sys.argv[1:3] or ("11", "20000")))
    spec = Spec(
        name="a strategy against NSGA-II", problems=["zdt1", "zdt3", "re21"], seeds=seeds, budget=evaluations,
        algorithms={"strategy": Strategy(), "nsga2": "nsga2", "random": "random"},
        indicators=["hypervolume", "igd_plus"],
    )  # fmt: skip
    study = bench(spec, sys.argv[3] if len(sys.argv) > 3 else "studies/strategy")
    print("\n".join(sentences(study)))
    print(study.folder / "report.html")
