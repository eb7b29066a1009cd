"""Many multilayer perceptrons at once."""

from moopt.kernels.perceptron.reference import perceptron

__all__ = ["perceptron"]
