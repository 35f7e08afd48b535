"""The threads for requests in flight."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from aftrun.domain.errors import StateError
from aftrun.domain.model import Answer, Reply
from aftrun.run.pool import MAX_THREADS, Result, ThreadPool, within
from aftrun.run.ports import WAKE, SystemClock, Ticket
from tests.waiting import HANG, until

OK = Answer(200)


def collect(pool: ThreadPool, count: int) -> list[Result]:
    """The next `count` results."""
    found: list[Result] = []
    while len(found) < count:
        more = pool.wait(HANG)
        assert more, "a result never came"
        found += more
    return found


def test_results_come_back_with_their_tickets() -> None:
    """Every request's result, whatever the order."""
    pool = ThreadPool(4)
    for index in range(20):
        pool.start(Ticket(index, submits=index % 2 == 0), lambda index=index: Answer(200 + index))  # type: ignore[misc]  # the default binds
    found = collect(pool, 20)
    pool.close()
    assert {(ticket.index, reply.status) for ticket, reply in found if isinstance(reply, Answer)} == {
        (n, 200 + n) for n in range(20)
    }


def test_requests_run_side_by_side_up_to_the_size() -> None:
    """Three requests that wait for each other end, so they were in flight at once."""
    pool = ThreadPool(3)
    meet = threading.Barrier(3, timeout=HANG)

    def call() -> Reply:
        meet.wait()
        return OK

    for index in range(3):
        pool.start(Ticket(index, submits=False), call)
    assert len(collect(pool, 3)) == 3
    for _ in range(5):
        pool.start(Ticket(0, submits=False), lambda: OK)
        collect(pool, 1)
    assert pool.size == 3
    pool.close()


def test_all_threads_are_there_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later there may be none to be had."""
    pool = ThreadPool(3)
    monkeypatch.setattr(threading.Thread, "start", _refuse)
    meet = threading.Barrier(3, timeout=HANG)

    def call() -> Reply:
        meet.wait()
        return OK

    for index in range(3):
        pool.start(Ticket(index, submits=False), call)
    assert [reply for _, reply in collect(pool, 3)] == [OK] * 3
    pool.close()


def _refuse(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError(), OSError(11, "again")])
def test_a_pool_that_cannot_grow_does_with_what_it_has(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Two of eight threads can be started: two requests at once, and all come back. None at all: an error says so."""
    original = threading.Thread.start
    given: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if len(given) == 2:
            raise error
        given.append(thread)
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    pool = ThreadPool(8)
    assert pool.size == 2
    for index in range(20):
        pool.start(Ticket(index, submits=False), lambda: OK)
    assert len(collect(pool, 20)) == 20
    pool.close()
    with pytest.raises(StateError, match="no thread"):
        ThreadPool(8)


def test_an_exception_out_of_a_wait_loses_no_result() -> None:
    """Ctrl-C in a program that uses the library is an exception anywhere: what had come in is handed over later."""
    pool = ThreadPool(1)
    taken = (Ticket(7, submits=True), OK)

    class Interrupted:
        """A queue out of which Ctrl-C comes after its first result."""

        def get(self, timeout: float) -> Result:
            assert timeout >= 0
            return taken

        def get_nowait(self) -> Result:
            raise KeyboardInterrupt

    pool._results, results = Interrupted(), pool._results  # type: ignore[assignment]  # the point of this test
    with pytest.raises(KeyboardInterrupt):
        pool.wait(0.0)
    pool._results = results
    assert pool.wait(0.0) == [taken]
    pool.close()


@pytest.mark.parametrize(("asked", "size"), [(0, 1), (1, 1), (31, 31), (32, MAX_THREADS), (10_000, MAX_THREADS)])
def test_the_size_has_bounds(asked: int, size: int) -> None:
    """At least one, never thousands."""
    assert ThreadPool(asked).size == size


def test_whatever_a_call_raises_is_handed_over() -> None:
    """`SystemExit` too: it is for the scheduler's thread to decide."""
    pool = ThreadPool(1)
    for error in (ZeroDivisionError("x"), SystemExit(3)):

        def call(error: BaseException = error) -> Reply:
            raise error

        pool.start(Ticket(1, submits=True), call)
        assert collect(pool, 1) == [(Ticket(1, submits=True), error)]
    pool.close()


def test_waiting_ends_with_the_time_out() -> None:
    """Nothing there: nothing comes; negative times are none."""
    pool = ThreadPool(1)
    assert pool.wait(0.0) == []
    assert pool.wait(-5.0) == []


def test_wake_ends_a_wait_from_a_signal_handler() -> None:
    """A wait without end is ended by a signal, as Ctrl-C does it."""
    pool = ThreadPool(1)
    before = signal.signal(signal.SIGUSR1, lambda *_: pool.wake())
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        until(lambda: sys._current_frames()[main].f_code is ThreadPool.wait.__code__)
        signal.pthread_kill(main, signal.SIGUSR1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        ((ticket, reply),) = pool.wait(None)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert ticket is WAKE
    assert isinstance(reply, InterruptedError)


def test_closing_lets_threads_go() -> None:
    """Idle threads end."""
    pool = ThreadPool(2)
    names: list[threading.Thread] = []

    def call() -> Reply:
        names.append(threading.current_thread())
        return OK

    pool.start(Ticket(0, submits=False), call)
    collect(pool, 1)
    pool.close()
    names[0].join(HANG)
    assert not names[0].is_alive()


def test_the_clocks_of_the_machine() -> None:
    """Wall clock in whole milliseconds, and one that never goes back."""
    clock = SystemClock()
    before, now, after = time.time(), clock.now(), time.time()
    assert now == round(now, 3)
    assert round(before, 3) <= now <= round(after, 3)
    assert clock.monotonic() <= clock.monotonic()


def test_results_that_come_together_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """While many are in flight the next is waited for; what few wait for is handed over at once, as is a wake."""
    monkeypatch.setattr("aftrun.run.pool._GATHER", 10 * HANG)
    pool = ThreadPool(6)
    gates = [threading.Event() for _ in range(6)]

    def answer(number: int) -> Reply:
        assert gates[number].wait(HANG)
        return Answer(200)

    for number in range(6):
        pool.start(Ticket(number, submits=True), lambda number=number: answer(number))  # type: ignore[misc]  # bound at once
    for gate in gates[:3]:
        gate.set()
    first = pool.wait(HANG)
    assert sorted(ticket.index for ticket, _ in first) == [0, 1, 2]
    gates[3].set()
    assert [ticket.index for ticket, _ in pool.wait(HANG)] == [3]  # only two are left, so that nothing is gained
    pool.wake()
    assert pool.wait(HANG)[0][0] is WAKE
    for gate in gates:
        gate.set()
    left: list[int] = []
    while len(left) < 2:
        left += [ticket.index for ticket, _ in pool.wait(HANG)]
    pool.close()


def test_what_others_do_is_not_waited_for_without_end() -> None:
    """What it gives, what it raises, or that it takes too long."""
    never = threading.Event()
    assert within(HANG, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(HANG, lambda: 1 / 0)
    with pytest.raises(TimeoutError):
        within(0.0, never.wait)
    never.set()
