"""The contracts as checks, for your own problems, algorithms and engines; the catalogues are held to the same.

`check_problem(problem)`, `check_algorithm(algorithm)` and the others raise ContractError, which names the broken
promise. They need no test runner.
"""

from moopt.testing.algorithms import check_algorithm
from moopt.testing.contract import ContractError
from moopt.testing.executors import check_executor
from moopt.testing.indicators import check_indicator
from moopt.testing.kernels import check_kernel
from moopt.testing.problems import check_problem
from moopt.testing.samples import Bowls
from moopt.testing.sharing import check_shared_log
from moopt.testing.stores import check_log

__all__ = [
    "Bowls", "ContractError", "check_algorithm", "check_executor", "check_indicator", "check_kernel", "check_log",
    "check_problem", "check_shared_log",
]  # fmt: skip
