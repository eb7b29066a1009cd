"""What a set of bounded size keeps."""

from moopt.kernels.archive.reference import first_of_equals, keepers, thin

__all__ = ["first_of_equals", "keepers", "thin"]
