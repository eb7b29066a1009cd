"""What subproblems gain from points that are offered to them."""

from moopt.kernels.offers.reference import best_offer, replacement

__all__ = ["best_offer", "replacement"]
