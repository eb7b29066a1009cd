"""Points in groups, such as those nearest to one reference direction."""

from moopt.kernels.niching.reference import niching, position_within

__all__ = ["niching", "position_within"]
