"""Numba version, for the CPU, of `perceptron`.

Sums go through the inputs in order, so an answer does not depend on what else is in the batch.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.perceptron import reference
from moopt.kernels.shared.compiled import entry
from moopt.kernels.shared.threads import in_parts

LEAST = 2**18  # weights that are worth a thread: a fifth of a millisecond



def perceptron(x: Tensor, observation: Tensor, sizes: Sequence[int]) -> Tensor:
    """`perceptron` for float64."""
    if x.dtype != torch.float64 or observation.dtype != torch.float64:
        return reference.perceptron.reference(x, observation, sizes)
    *batch, n, e, _ = observation.shape
    answer = torch.empty(*batch, n, e, sizes[-1], dtype=torch.float64)
    rows, d = math.prod(batch) * n, x.shape[-1]
    policies, seen = (t.detach().reshape(rows, *t.shape[len(batch) + 1 :]).contiguous() for t in (x, observation))
    given = policies.numpy(), seen.numpy(), np.array(sizes)
    out = answer.view(rows, e, sizes[-1]).numpy()
    in_parts(lambda start, stop: _perceptron(*given, start, stop, out), rows, LEAST // max(1, e * d))
    return answer


@entry
def _perceptron(x, observation, sizes, start, stop, out):
    here, there = np.empty(sizes.max()), np.empty(sizes.max())
    for i in range(start, stop):
        weights = x[i]
        for j in range(observation.shape[1]):
            here[: sizes[0]] = observation[i, j]
            at = 0
            for layer in range(len(sizes) - 1):
                inputs, outputs = sizes[layer], sizes[layer + 1]
                there[:outputs] = weights[at + inputs * outputs : at + inputs * outputs + outputs]
                for a in range(inputs):
                    h = here[a]
                    for b in range(outputs):
                        there[b] += h * weights[at + b]
                    at += outputs
                at += outputs
                for b in range(outputs):
                    here[b] = math.tanh(there[b])
            out[i, j] = here[: out.shape[2]]
