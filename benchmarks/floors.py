"""The least that a kernel can take on a CUDA device: bytes moved, over bandwidth, and operations, over rate.

Each function gives (bytes, operations) for one kernel; `gpu.py` measures beside them.
"""

from __future__ import annotations

# Operations for a gene of a pair: three words of Philox, each a quarter of ten rounds of two products, two exclusive
# ors and two sums; eight powers of 25, a logarithm being most of it; 55 for all else.
GENE = 3 * 15 + 8 * 25 + 55


def rank(n: int, m: int, runs: int, itemsize: int) -> tuple[int, int]:
    """Bytes moved and operations done at least to rank `runs` sets of n points by comparing all pairs."""
    return runs * n * (m * itemsize + 8), runs * (n * (n - 1) // 2) * (m + 1)


def nearest_direction(n: int, k: int, m: int, runs: int = 1, itemsize: int = 8) -> tuple[int, int]:
    """Least bytes moved and floating-point operations for n points and k shared directions in each of the runs.

    One H200 (4.8 TB/s, 33e12 float32 or 17e12 float64 operations a second): 100,000 points and as many directions in
    three objectives move 6 MB (1.3 us) in float64 and compute 6e10 operations (1.8 ms in float32, 3.6 ms in float64);
    10,000 of each 36 us in float64. Below some thousand a launch (about 5 us) is all.
    """
    moved = (runs * n * m + k * m + runs * n) * itemsize + 8 * runs * n
    return moved, runs * n * k * 2 * m  # m products, m - 1 sums, a comparison


def nearest_distances(n: int, m: int, k: int, runs: int = 1, itemsize: int = 8) -> tuple[int, int]:
    """Least bytes moved and floating-point operations for n points in each of the runs.

    One H200 (4.8 TB/s, 33e12 float32 or 17e12 float64 operations a second): the 10 nearest of 100,000 points in three
    objectives move 10 MB (2 us) and compute 3 m operations for each of 1e10 pairs, 2.7 ms in float32, 5.4 ms in
    float64; 10,000 points 54 us. Keeping the nearest comes on top: some k (1 + log(n / 64)) rounds a tile of points.
    """
    operations = 3 * m  # m differences, m products, m - 1 sums, a comparison
    return runs * n * (m + k) * itemsize, runs * n * (n - 1) * operations


def contributions(n: int, m: int, runs: int = 1) -> tuple[int, int]:
    """Least bytes moved and floating-point operations for n points in each of the runs.

    One H200 (4.8 TB/s, 17e12 float64 operations a second): 10,000 points in three objectives move 320 kB and take 8
    operations for each of the n (n + 1) / 2 pairs of a column and a point in it, 4e8 or 24 us; 100,000 points 2.4 ms.
    Few points are bound by the n steps of a column instead, some 50 ns each: 50 us for 1,000 points. Two objectives
    are bound by sorting, some 20 launches (100 us) below a million points.
    """
    pairs = n * (n + 1) // 2 if m == 3 else n
    return 8 * runs * n * (m + 1), runs * pairs * 8


def best_offer(q: int, n_targets: int, runs: int = 1, itemsize: int = 8) -> tuple[int, int]:
    """Least bytes moved and operations for q offers to n_targets subproblems in each of the runs.

    One H200 (4.8 TB/s): the offers are read once, the winners written; 100,000 subproblems with 20 offers each move
    50 MB in float64, 10 us. Three passes read what fits the 50 MB of level-2 cache three times and make as many atomic
    minima as there are offers left: at about one a clock and slice of that cache, 2e6 of them take another 10 us.
    """
    moved = runs * (q + n_targets) * (8 + 2 * itemsize)
    return moved, runs * q * 3  # a comparison of each key


def uniform(n: int, runs: int, itemsize: int) -> tuple[int, int]:
    """Bytes moved and operations done at least for n numbers of `runs` runs: a number is a quarter of a block of ten
    rounds, each with two products, two exclusive ors and two sums."""
    return runs * n * itemsize, runs * n * 15


def children(pairs: int, d: int, runs: int, itemsize: int) -> tuple[int, int]:
    """Bytes moved and operations done at least to make two children each of `pairs` pairs in `runs` runs."""
    return runs * 2 * pairs * (2 * d * itemsize + 8), runs * pairs * d * GENE


def thin(n: int, capacity: int, m: int, runs: int = 1) -> tuple[int, int]:
    """Bytes moved and operations done at least to thin `runs` sets of n points to `capacity`.

    A round reads each point that is left once for each of two curves, and whoever stays is compared with three others
    along each; at first three quarters of what is too much go, or half of who may. So few rounds have many points, and
    what all rounds read is about what is too much, twice, and the capacity for each of eight rounds.
    One H200 (4.8e12 bytes/s): 65,536 points in three objectives to a third move 17 MB, 3.5 us. A launch takes longer,
    and there are some 59 in each of 2 log2(n - capacity) + 8 rounds: they decide.
    """
    looked = 2 * (n - capacity) + 8 * capacity
    return runs * looked * 2 * (8 * m + 8), runs * looked * 2 * 3 * 3 * m
