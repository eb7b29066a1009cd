"""Fixtures shared by the tests."""

import builtins
import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side: threads of one would wait for those of another, and small models take many times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

if not torch.cuda.is_available():
    # Triton decides when it is imported whether kernels are compiled or interpreted, which runs them on CPU tensors.
    os.environ.setdefault("TRITON_INTERPRET", "1")


class Fault(OSError):
    """A full or dead disk."""


class Failing:
    """A binary stream that writes half before it fails."""

    def __init__(self, stream, count):
        self._stream, self._count = stream, count

    def write(self, content):
        try:
            self._count()
        except Fault:
            self._stream.write(bytes(content[: len(content) // 2]))
            raise
        return self._stream.write(content)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stream.close()


@pytest.fixture
def fail_at():
    """`fail_at(k)`: the k-th write, fsync or rename raises OSError; `dead=True`: all later ones, too.

    Returns a function that gives the number of operations so far; `fail_at(None)` heals the disk.
    """

    monkeypatch = pytest.MonkeyPatch()  # of its own, so that healing the disk undoes nothing else

    def arm(k, dead=False):
        monkeypatch.undo()
        count = 0
        if k is None:
            return lambda: count

        def tick():
            nonlocal count
            count += 1
            if count == k or (dead and count > k):
                raise Fault("no space left on device")

        def counted(function):
            def call(*args, **kwargs):
                tick()
                return function(*args, **kwargs)

            return call

        plain_open = builtins.open

        def opened(path, mode="r", *args, **kwargs):
            stream = plain_open(path, mode, *args, **kwargs)
            return Failing(stream, tick) if "b" in mode and ("w" in mode or "a" in mode) else stream

        for name in ("fsync", "replace"):
            monkeypatch.setattr(os, name, counted(getattr(os, name)))
        monkeypatch.setattr(builtins, "open", opened)
        return lambda: count

    yield arm
    monkeypatch.undo()


@pytest.fixture
def without_compiled_kernels(monkeypatch):
    """As on a machine without Numba."""
    from moopt.kernels import kernel

    def without_numba(name):
        raise ModuleNotFoundError("No module named 'numba'")

    monkeypatch.setattr(kernel, "_warned", set())
    monkeypatch.setattr(kernel, "importlib", types.SimpleNamespace(import_module=without_numba))
    monkeypatch.setattr(kernel.Kernel, "version", kernel.Kernel._import)  # which keeps nothing


@pytest.fixture
def compile_triton(tmp_path):
    """`compile_triton("moopt.kernels.philox.cuda:fill", {"x": "*fp32", "n": "i32"}, {"BLOCK": 64}, num_warps=1)`.

    Types of the arguments, values of the others (tl.constexpr), options of the compiler; `divisible` names arguments
    known to be multiples of 16, as the addresses of tensors are. Returns the "registers" of a thread, the bytes
    "spilled", the "ptx" and the list of instructions "sass"; RuntimeError has the compiler's message. In a process of
    its own, where Triton does not interpret.
    """
    backends = importlib.util.find_spec("triton") and importlib.util.find_spec("triton.backends.nvidia")
    if not backends:
        pytest.skip("Triton with its backend for NVIDIA GPUs is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    driver = str(Path(__file__).parent / "support" / "compile_triton.py")

    def compiled(kernel, signature, constants=None, divisible=(), **options):
        asked = json.dumps([kernel, signature, constants or {}, list(divisible), options])
        done = subprocess.run(
            [sys.executable, driver, asked], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{kernel} does not compile:\n{done.stderr}")
        return json.loads(done.stdout)

    return compiled


class Unhurried(TorchDispatchMode):
    """Raises AssertionError for operations that make the host wait for the device, so that a CUDA graph cannot hold
    them; they are known by name, therefore it works on CPU tensors, too."""

    WAITING = {"_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "repeat_interleave",
               "bincount", "_unique", "_unique2", "unique_dim", "unique_consecutive"}  # fmt: skip

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masks = [i for i in (args[1] if name in ("index", "index_put", "index_put_") else []) if i is not None]
        by_mask = any(i.dtype in (torch.bool, torch.uint8) for i in masks)
        moved = name == "_to_copy" and (kwargs or {}).get("device") is not None
        assert name not in self.WAITING and not by_mask and not moved, f"{function} waits for the device"
        return function(*args, **(kwargs or {}))


class Aside:
    """A Triton kernel whose launches a dispatch mode does not see: the interpreter copies tensors."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, grid):
        def launch(*args, **options):
            with _disable_current_modes():
                self.kernel[grid](*args, **options)

        return launch


@pytest.fixture
def without_waiting(monkeypatch):
    """`without_waiting(module, "kernel", ...)`: a context in which torch must not wait for the device, outside of the
    module's Triton kernels of these names."""

    def context(module, *kernels):
        for kernel in kernels:
            monkeypatch.setattr(module, kernel, Aside(getattr(module, kernel)))
        return Unhurried()

    return context
