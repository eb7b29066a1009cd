"""Randomness without state: the same seed, step and purpose give the same numbers in every setting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from moopt.core import checks
from moopt.kernels import philox

_MASK = 0xFFFFFFFFFFFFFFFF


def _mix(stream: int, value: int) -> int:
    """One link of the hash chain that names streams: the finalizer of splitmix64 (Steele, Lea and Flood 2014)."""
    z = (stream ^ value & _MASK) + 0x9E3779B97F4A7C15 & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


class Rng:
    """Counter-based random numbers (Philox4x32-10) for `r` independent runs.

    A run is the key, `fold` names the stream (step, purpose, ...), the position in the answer is the counter. So
    a run draws the same numbers alone, in a batch, after a resume, and on a GPU. Nothing advances: asking the same
    `Rng` twice gives the same numbers, therefore every purpose folds its own integer first.
    """

    __slots__ = ("_dtype", "_keys", "_stream")

    def __init__(
        self,
        seeds: int | Sequence[int] | Tensor,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        stream: int = 0,
    ) -> None:
        """`seeds`: one integer per run. `dtype`: of `uniform` and `normal`."""
        values = seeds if isinstance(seeds, Tensor) else [seeds] if isinstance(seeds, int) else list(seeds)
        self._keys = torch.as_tensor(values, dtype=torch.int64, device=device).reshape(-1)
        self._dtype = dtype
        self._stream = stream

    @property
    def runs(self) -> int:
        """Number of independent runs `r`."""
        return len(self._keys)

    @property
    def device(self) -> torch.device:
        """Where the numbers are made."""
        return self._keys.device

    @property
    def dtype(self) -> torch.dtype:
        """Of `uniform` and `normal`."""
        return self._dtype

    @property
    def keys(self) -> Tensor:
        """What tells the runs apart, for kernels that draw by themselves: int64[r]."""
        return self._keys

    @property
    def stream(self) -> int:
        """What tells the folded generators of a run apart, for kernels that draw by themselves: 64 bits."""
        return self._stream

    def _like(self, keys: Tensor, stream: int) -> Rng:
        other = object.__new__(Rng)  # several times in every generation: nothing to convert
        other._keys, other._dtype, other._stream = keys, self._dtype, stream
        return other

    def fold(self, *values: int) -> Rng:
        """The generator of a named stream: `rng.fold(step, purpose)`."""
        stream = self._stream
        for value in values:
            stream = _mix(stream, value)
        return self._like(self._keys, stream)

    def take(self, index: Tensor | int) -> Rng:
        """The generator of some of the runs."""
        return self._like(self._keys[index].reshape(-1), self._stream)

    def bits(self, *shape: int) -> Tensor:
        """Random 32-bit words in int64: [r, *shape]."""
        return philox.bits(self._keys, self._stream, math.prod(shape)).view(self.runs, *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in the open interval (0, 1): [r, *shape]; 32 bits in float64, 23 in float32."""
        return philox.uniform(self._keys, self._stream, math.prod(shape), self._dtype).view(self.runs, *shape)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers by Box and Muller (1958): [r, *shape], within 6.8 standard deviations."""
        u, v = self.uniform(2, *shape).unbind(1)
        return torch.sqrt(-2.0 * torch.log(u)) * torch.cos(2.0 * math.pi * v)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), biased by less than high / 2^32: int64[r, *shape]."""
        return self.bits(*shape) * high >> 32

    def permutation(self, n: int) -> Tensor:
        """A random order of 0 .. n-1 for each run: int64[r, n]."""
        return torch.argsort(self.bits(n), dim=-1, stable=True)

    def seed(self) -> int:
        """A 63-bit seed for a library with its own generator. Raises ValueError for more than one run."""
        if self.runs != 1:
            raise checks.InputError(f"expected the generator of one run, got {self.runs} runs: take one first")
        low, high = philox.bits(self._keys, self._stream, 2)[0].tolist()
        return int(high >> 1 << 32 | low)
