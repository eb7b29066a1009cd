"""Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC'11, "Parallel Random Numbers:
As Easy as 1, 2, 3", section 3.3), as a torch reference that runs on every device.

Number `j` of a stream is word `j % 4` of the block whose 128-bit counter is (j // 4, stream), 64 bits each, under
the 64-bit key of the run. Triton's own `philox` is the same function.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel

MULTIPLIER = (0xD2511F53, 0xCD9E8D57)  # Salmon et al. 2011, table 2 (Philox4x32)
WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, ibid. section 3.3
ROUNDS = 10
LOW = 0xFFFFFFFF


def philox_block(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four words for each counter: int64 tensors that hold 32-bit words, broadcast together."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        # Products of two 32-bit words fill 64 bits; int64 wraps to the same bits, so shift and mask read them.
        p0, p1 = c0 * MULTIPLIER[0], c2 * MULTIPLIER[1]
        c0, c1, c2, c3 = (p1 >> 32 & LOW) ^ c1 ^ k0, p1 & LOW, (p0 >> 32 & LOW) ^ c3 ^ k1, p0 & LOW
        k0, k1 = k0 + WEYL[0] & LOW, k1 + WEYL[1] & LOW
    return c0, c1, c2, c3


def _bits(keys: Tensor, stream: int, n: int) -> Tensor:
    """Words 0 .. n-1 of a stream for each key: keys int64[...] -> int64[..., n] in [0, 2^32)."""
    block = torch.arange((n + 3) // 4, device=keys.device)
    low, high = stream & LOW, stream >> 32 & LOW
    counter = (block & LOW, block >> 32, torch.full_like(block, low), torch.full_like(block, high))
    words = philox_block(counter, ((keys & LOW)[..., None], (keys >> 32 & LOW)[..., None]))
    return torch.stack([word.expand(*keys.shape, -1) for word in words], dim=-1).flatten(-2)[..., :n]


def _uniform(keys: Tensor, stream: int, n: int, dtype: torch.dtype) -> Tensor:
    """Uniforms 0 .. n-1 of a stream for each key: keys int64[...] -> [..., n] of `dtype`, in (0, 1)."""
    return to_uniform(_bits(keys, stream, n), dtype)


def to_uniform(words: Tensor, dtype: torch.dtype) -> Tensor:
    """Words to the open interval (0, 1): 32 bits in float64, 23 in float32 (24 would round up to 1)."""
    if dtype == torch.float64:
        return (words.to(torch.float64) + 0.5) * 2.0**-32
    return ((words >> 9).to(dtype) + 0.5) * 2.0**-23


def signed(stream: int) -> int:
    """The 64 bits of a stream as operators take them, which know no integers without a sign."""
    return stream - 2**64 if stream >= 2**63 else stream


bits = Kernel(
    _bits,
    "(Tensor keys, int stream, int n) -> Tensor",
    lambda keys, stream, n: keys.new_empty(*keys.shape, n),
    cpu="cpu",
    cuda="cuda",
    pack=lambda keys, stream, n: (keys, signed(stream), n),
    unpack=lambda keys, stream, n: (keys, stream % 2**64, n),
)
uniform = Kernel(
    _uniform,
    "(Tensor keys, int stream, int n, ScalarType dtype) -> Tensor",
    lambda keys, stream, n, dtype: keys.new_empty(*keys.shape, n, dtype=dtype),
    cpu="cpu",
    cuda="cuda",
    pack=lambda keys, stream, n, dtype: (keys, signed(stream), n, dtype),
    unpack=lambda keys, stream, n, dtype: (keys, stream % 2**64, n, dtype),
)
