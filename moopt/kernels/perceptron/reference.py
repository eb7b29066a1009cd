"""Many multilayer perceptrons at once, each on observations of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel


def _perceptron(x: Tensor, observation: Tensor, sizes: Sequence[int]) -> Tensor:
    """tanh(W h + b), layer by layer: x[..., n, d], observation[..., n, e, k] -> [..., n, e, sizes[-1]].

    A row of `x` holds, for each layer, its weights [in, out] row by row, then its biases [out].
    """
    h, start = observation, 0
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        stop = start + inputs * outputs
        weights = x[..., start:stop].unflatten(-1, (inputs, outputs))
        h = torch.tanh(h @ weights + x[..., None, stop : stop + outputs])
        start = stop + outputs
    return h


perceptron = Kernel(
    _perceptron,
    "(Tensor x, Tensor observation, int[] sizes) -> Tensor",
    lambda x, observation, sizes: observation.new_empty(*observation.shape[:-1], sizes[-1]),
    cpu="cpu",  # on a GPU batched products of matrices are what it needs
)
