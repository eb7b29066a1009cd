"""What an archive keeps."""

from moopt.kernels.archive.reference import first_of_equals, keepers

__all__ = ["first_of_equals", "keepers"]
