"""Searches that are not moopt's own, made comparable: other libraries, functions in files, programs."""

from moopt.bridges.base import Contender, contender, run_contender
from moopt.bridges.recorded import BudgetSpent, Recorded

__all__ = ["BudgetSpent", "Contender", "Recorded", "contender", "run_contender"]
