"""Compares solutions. All objectives are minimised."""

from moopt.selection.diversity import crowding_distance, nearest_distances
from moopt.selection.dominance import nondominated_mask, nondominated_rank
from moopt.selection.knee import knee
from moopt.selection.scalarising import pbi, tchebycheff, weighted_sum
from moopt.selection.tournament import tournament
from moopt.selection.truncation import best, survivors, thin

__all__ = [
    "best",
    "crowding_distance",
    "knee",
    "nearest_distances",
    "nondominated_mask",
    "nondominated_rank",
    "pbi",
    "survivors",
    "tchebycheff",
    "thin",
    "tournament",
    "weighted_sum",
]
