"""Ctrl-C: at once, or at the end of what must not be cut in two."""

import signal

import pytest

from moopt.run.interrupts import Interrupts


def test_ctrl_c_waits_for_the_end_of_a_whole_block():
    steps, before = [], signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            with interrupts.whole():
                with interrupts.whole():
                    signal.raise_signal(signal.SIGINT)
                    steps.append("inner")
                steps.append("outer")  # the inner end is not the end
            steps.append("too late")
        with interrupts.whole():
            steps.append("told once")
    assert steps == ["inner", "outer", "told once"]
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_outside_of_one_comes_at_once():
    steps = []
    with Interrupts() as interrupts:
        with interrupts.whole():
            steps.append("whole")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            steps.append("too late")
    assert steps == ["whole"]


def test_an_error_inside_leaves_nothing_whole():
    with Interrupts() as interrupts:
        with pytest.raises(ZeroDivisionError), interrupts.whole():
            raise ZeroDivisionError
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
