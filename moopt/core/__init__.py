"""The contracts of everything else: spaces, problems, algorithms, budgets, results."""
