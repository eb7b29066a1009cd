"""Selections by rank for CUDA: the torch references, whose sorts and scans are what a GPU needs, with ranks by Triton;
imported by `dispatch` on first use."""

from __future__ import annotations

from functools import partial

from moopt.kernels.archive import reference as archive
from moopt.kernels.ranking import survival
from moopt.kernels.ranking.cuda import rank

survivors = partial(survival.survivors, ranked=rank)
keepers = partial(archive.keepers, ranked=rank)
