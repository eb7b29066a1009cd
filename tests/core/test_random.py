"""Philox against the vectors published with it, and what the loop relies on."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moopt import Rng
from moopt.kernels.philox import reference as philox

F = 0xFFFFFFFF
# kat_vectors of the Random123 distribution (Salmon et al. 2011), philox4x32 with 10 rounds: counter, key, words
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((F, F, F, F), (F, F), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize("counter, key, words", KNOWN_ANSWERS)
def test_published_vectors(counter, key, words):
    given_counter = tuple(torch.tensor([w]) for w in counter)
    given_key = tuple(torch.tensor([w]) for w in key)
    assert tuple(int(w) for w in philox.philox_block(given_counter, given_key)) == words


@pytest.mark.parametrize("counter, key, words", [v for v in KNOWN_ANSWERS if v[0][:2] == (0, 0)])
def test_first_block_of_a_stream_is_the_published_one(counter, key, words):
    seed = key[1] << 32 | key[0]
    assert philox.bits(torch.tensor([seed]), counter[3] << 32 | counter[2], 4)[0].tolist() == list(words)


@given(
    st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=4),
    st.integers(0, 2**64 - 1),
    st.integers(0, 77),
)
def test_numba_equals_the_torch_reference(seeds, stream, n):
    keys = torch.tensor(seeds)
    words = philox.bits.reference(keys, stream, n)
    assert torch.equal(philox.bits(keys, stream, n), words)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(philox.uniform(keys, stream, n, dtype), philox.to_uniform(words, dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniforms_never_reach_zero_or_one(dtype):
    ends = philox.to_uniform(torch.tensor([0, F]), dtype)
    assert 0 < ends[0] < 1e-6 and 1 - 1e-6 < ends[1] < 1


def test_a_run_draws_the_same_alone_and_in_a_batch():
    batch = Rng(range(7, 38)).fold(3, 1)
    for i in (0, 5, 30):
        alone = Rng(7 + i).fold(3, 1)
        assert torch.equal(batch.uniform(11, 3)[i], alone.uniform(11, 3)[0])
        assert torch.equal(batch.take(torch.tensor([i])).normal(5), alone.normal(5))
    assert torch.equal(batch.permutation(50)[4].sort().values, torch.arange(50))


def test_streams_differ_and_nothing_advances():
    rng = Rng(5)
    assert torch.equal(rng.uniform(4), rng.uniform(4))
    draws = {tuple(rng.fold(*path).bits(2)[0].tolist()) for path in [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (2**63,)]}
    assert len(draws) == 7


def test_moments():
    rng = Rng([1, 2])
    u, z, k = rng.uniform(200_000), rng.fold(1).normal(200_000), rng.fold(2).integers(6, 60_000)
    assert u.mean().item() == pytest.approx(0.5, abs=2e-3) and u.var().item() == pytest.approx(1 / 12, abs=1e-3)
    assert z.mean().item() == pytest.approx(0, abs=6e-3) and z.var().item() == pytest.approx(1, abs=1e-2)
    counts = torch.bincount(k.flatten(), minlength=6)
    assert counts.sum() == 120_000 and (counts - 20_000).abs().max() < 600
    assert abs(torch.corrcoef(u)[0, 1]) < 0.01


def test_seed_for_other_libraries():
    assert Rng(3).fold(1).seed() == Rng(3).fold(1).seed() != Rng(4).fold(1).seed()
    assert 0 <= Rng(3).seed() < 2**63
    with pytest.raises(ValueError, match="one run, got 2"):
        Rng([1, 2]).seed()


def test_the_global_generator_is_untouched():
    before = torch.random.get_rng_state()
    Rng(1).normal(10)
    assert torch.equal(before, torch.random.get_rng_state())
