"""SIGTERM asks once, and insists the second time."""

import signal
import threading
from collections.abc import Iterator

import pytest

from simlab.interruption import (
    Preempted,
    check,
    request_stop,
    stop_requested,
    stoppable,
)


def terminate() -> None:
    # To this thread: a signal to the process may be taken by one of XLA's, and Python
    # then runs the handler some lines later.
    signal.raise_signal(signal.SIGTERM)


def test_a_request_waits_for_the_next_safe_point() -> None:
    with stoppable():
        check()
        terminate()
        assert stop_requested()
        with pytest.raises(Preempted):
            check()
    assert not stop_requested(), "the next run is asked anew"
    check()


def test_a_second_request_interrupts_at_once() -> None:
    with stoppable():
        terminate()
        with pytest.raises(Preempted):
            terminate()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler: a shell starts what ends in & with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_interrupts_at_once_and_is_not_called_preempted() -> None:
    with stoppable():
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signal.SIGINT)
        assert not isinstance(caught.value, Preempted)
        assert not stop_requested()


def test_the_handler_that_was_there_comes_back_also_after_an_error() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), stoppable():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_leave_signals_alone() -> None:
    before, found = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with stoppable():
            found.append(signal.getsignal(signal.SIGTERM))
            request_stop()

    thread = threading.Thread(target=work)
    with stoppable():
        own = signal.getsignal(signal.SIGTERM)
        thread.start()
        thread.join()
        assert stop_requested(), "what another thread hears, the main one acts on"
    assert found == [own]
    assert own != before
