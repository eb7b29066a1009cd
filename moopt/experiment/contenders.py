"""Other people's searches as contenders of a study; they live in `moopt.bridges`."""

from moopt.bridges import BudgetSpent, Contender, Recorded, contender, run_contender

__all__ = ["BudgetSpent", "Contender", "Recorded", "contender", "run_contender"]
