"""Winners of binary tournaments."""

from moopt.kernels.tournament.reference import tournament

__all__ = ["tournament"]
