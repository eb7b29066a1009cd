"""Expected hypervolume contributions, and truncation by them."""

from moopt.kernels.contribution.reference import MOST_SAMPLES, expected_contribution, removal_weights, truncate

__all__ = ["MOST_SAMPLES", "expected_contribution", "removal_weights", "truncate"]
