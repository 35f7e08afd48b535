"""How the pool's places are shared among servers, and how rates are kept."""

from __future__ import annotations

import math

import pytest

from aftrun.run.queues import Queues


def test_due_jobs_leave_in_the_order_in_which_they_came() -> None:
    """First come, first served, each server for itself."""
    queues = Queues([None, None], 4)
    for server, index in [(0, 5), (1, 6), (0, 7)]:
        queues.push(server, index)
    assert [queues.pop(0), queues.pop(0), queues.pop(0), queues.pop(1)] == [5, 7, None, 6]


def test_submissions_go_before_looks() -> None:
    """A submission that is repeated has only so long to get through; looks can wait."""
    queues = Queues([None], 4)
    queues.push(0, 1)
    queues.push(0, 2, submits=True)
    queues.push(0, 3)
    queues.push(0, 4, submits=True)
    assert [queues.pop(0) for _ in range(5)] == [2, 4, 1, 3, None]


def test_one_server_has_all_places() -> None:
    """Nothing is kept free for nobody."""
    queues = Queues([None], 3)
    for _ in range(3):
        assert queues.open(0.0) == [0]
        queues.sent(0, 0.0)
    assert queues.full
    assert queues.open(0.0) == []


@pytest.mark.parametrize(
    ("servers", "places", "share"), [(2, 4, 3), (3, 4, 2), (4, 4, 1), (2, 2, 1), (9, 4, 1), (2, 1, 1)]
)
def test_a_place_is_kept_for_each_other_server(servers: int, places: int, share: int) -> None:
    """One server can hold all places but one for each of the others, and at least one."""
    queues = Queues([None] * servers, places)
    held = 0
    while 0 in queues.open(0.0):
        queues.sent(0, 0.0)
        held += 1
    assert held == share
    assert queues.full == (places == share)


def test_a_landing_frees_the_place() -> None:
    """What was full is open again."""
    queues = Queues([None], 1)
    queues.sent(0, 0.0)
    assert queues.full
    queues.answered(0)
    assert queues.open(0.0) == [0]


def test_a_rate_closes_its_lane_for_a_while() -> None:
    """Four a second: closed for a quarter of a second; the other server stays open."""
    queues = Queues([4.0, None], 8)
    queues.sent(0, 10.0)
    assert queues.open(10.2) == [1]
    assert queues.next_opening(10.2) == 10.25
    assert sorted(queues.open(10.25)) == [0, 1]
    assert queues.next_opening(10.25) == math.inf


def test_a_rate_saves_nothing_up() -> None:
    """A pause does not earn a burst afterwards."""
    queues = Queues([1.0], 8)
    queues.sent(0, 0.0)
    queues.sent(0, 100.0)
    assert queues.open(100.5) == []
    assert queues.open(101.0) == [0]


def test_every_server_has_places_that_others_cannot_take() -> None:
    """Of three servers two hang and take all they can get; the third still has its own places."""
    queues = Queues([None] * 3, 31)
    for server in (0, 1) * 40:
        if server in queues.open(0.0):
            queues.sent(server, 0.0)
    own = 0
    while 2 in queues.open(0.0):
        queues.sent(2, 0.0)
        own += 1
    assert own == 5
    assert queues.full


def test_borrowed_places_are_given_back() -> None:
    """Landings free first what was borrowed, so that the other server finds it."""
    queues = Queues([None, None], 4)
    for _ in range(3):
        queues.sent(0, 0.0)
    assert queues.open(0.0) == [1]
    queues.sent(1, 0.0)
    assert queues.open(0.0) == []
    queues.answered(0)
    assert queues.open(0.0) == [1, 0]
    queues.sent(1, 0.0)
    assert queues.open(0.0) == []


def test_the_server_with_the_fewest_in_flight_comes_first() -> None:
    """Places that become free one at a time do not all go to the first server."""
    queues = Queues([None, None], 8)
    queues.sent(0, 0.0)
    assert queues.open(0.0) == [1, 0]
    queues.sent(1, 0.0)
    queues.sent(1, 0.0)
    assert queues.open(0.0) == [0, 1]
