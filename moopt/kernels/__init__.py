"""What selection, variation and indicators compute, each on the device where its tensors are.

A folder for each operation: `reference.py` has a readable torch function for every device, which says what is right,
and declares the kernel at its foot; `cpu.py` has the same by Numba and `cuda.py` by Triton, where that is faster, and
they are imported on first use, because Numba and Triton take their time. The folder exports its kernels. Nothing here
imports from above, and nobody but a kernel needs to know which versions there are.

All versions give the same answer. The faster ones take every number of points and objectives; where the best way
depends on these, they choose inside, and the reason stands at the threshold: `RADIX_FROM` in shared/cpu_sorting,
`STAIR` in ranking/cpu_fronts, `FEW` and `MANY` in ranking/cpu_tries, `LEAF` in directions/cpu, `LEAST` (threads) in
ranking/cpu and variation/cpu, `BLOCK` and `WINDOW` in ranking/cuda. A reference calls another kernel, not its
reference, where a GPU has a faster version of that part.

Numba's cache notices a change of the file that holds a function, not of the files that it calls: after a change of a
`cpu` file whose functions others call, delete the `__pycache__` folders in here, or the old code goes on.
"""
