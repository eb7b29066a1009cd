"""Fixtures shared by the tests."""

import builtins
import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything imports triton: kernels run on CPU tensors


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
    """As on a machine where no faster kernel can be imported."""
    from moopt.kernels import dispatch, kernel

    monkeypatch.setattr(kernel, "_warned", set())
    for one in dispatch.KERNELS.values():
        monkeypatch.setattr(one, "modules", {"cpu": "absent"})
        monkeypatch.setattr(one, "_versions", {})
