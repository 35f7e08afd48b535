"""An id is one job's: servers that restart, re-use ids, or answer a submission with the job of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from aftrun.domain.events import Accepted, AttemptEnded, Reason
from aftrun.domain.model import Answer, Json, Reply, Retry, Selector, ServerSpec, State
from aftrun.run.claims import place
from tests.simulation.kernel import EPOCH, World
from tests.unit.world import ONE, Acts, Creation, Life, Ran, Setting, SimServer, check, job, manifest, parallel


class Forgetful(SimServer):
    """A server that gives out the ids of `names`. It shows the newest job of an id, or (`first`) the oldest."""

    def __init__(self, world: World, acts: Mapping[str, Acts], names: Sequence[str], *, first: bool = False) -> None:
        super().__init__(world, acts)
        self.names = list(names)
        self.first = first
        self.timed = False
        """Whether job infos tell when a job began and ended."""

    def _create(self, script: str, body: Mapping[str, Json], acts: Acts) -> Creation:
        made = super()._create(script, body, acts)
        made.job_id = self.names[len(self.ledger) - 1]
        return made

    def status(self, job_id: str) -> Reply:
        """The job info of the job that the server takes the id for."""
        self.world.latency = self.latency
        self.world.trace.append(("get", job_id))
        self.gets.append((self.world.time, job_id))
        made = [each for each in self.ledger if each.job_id == job_id][0 if self.first else -1]
        info = made.life.info(job_id, self.world.time - made.at)
        if info is None:
            return Answer(404)
        if self.timed and info.state is State.SUCCEEDED:
            began = round(EPOCH + made.at, 3)
            info = replace(info, started_at=began, ended_at=began + made.life.runs)
        return Answer(200, info)


def play(*manifests: Any, names: Sequence[str], acts: Mapping[str, Acts], **server: bool) -> tuple[Ran, Forgetful]:
    """A run against one such server."""
    world = World()
    timed = server.pop("timed", False)
    forgetful = Forgetful(world, acts, names, **server)
    forgetful.timed = timed
    ran = Setting(manifests, world=world, servers=[forgetful]).go()
    check(ran)
    return ran, forgetful


LONG, SHORT = Acts((Life(runs=100.0),)), Acts((Life(runs=5.0),))


@pytest.mark.parametrize("first", [False, True])
def test_an_id_that_two_live_jobs_have_makes_both_unknown(*, first: bool) -> None:
    """The server restarted: B has the id of A, which runs. Neither's end can be told, and both say why."""
    ran, server = play(parallel(job("a"), job("b")), names=["1", "1"], acts={"a": LONG, "b": SHORT}, first=first)
    assert ran.outcomes() == {"a": "unknown", "b": "unknown"}
    assert ran.report.exit_code == 6
    for name, other in (("a", "b"), ("b", "a")):
        result = ran.result(name)
        assert (result.reason, result.job_id) == (Reason.UNREADABLE, "1")
        assert f"the server gave the id 1 to {other} too" in result.message
    assert len(ran.of(Accepted)) == len(ran.of(AttemptEnded)) == 2
    assert len(server.posts) == 2


@pytest.mark.parametrize("runs", [0.1, 3.0, 50.0])
def test_an_end_that_was_seen_stays_and_the_id_may_be_used_again(runs: float) -> None:
    """A ended, the server restarted, B has A's id and is seen running: it is B's now, whatever A came to."""
    acts = {"a": Acts((Life(runs=runs),)), "b": Acts((Life(runs=5.0, end=State.FAILED),))}
    ran, _ = play(manifest(job("a"), job("b")), names=["1", "1"], acts=acts)
    assert ran.outcomes() == {"a": "succeeded", "b": "failed"}


def test_the_old_end_under_an_id_is_never_the_new_jobs() -> None:
    """The server answers B's submission with A's job: A's success is not B's. It is read for a while, then unknown."""
    ran, server = play(manifest(job("a"), job("b")), names=["1", "1"], acts={"a": SHORT, "b": SHORT}, first=True)
    assert ran.outcomes() == {"a": "succeeded", "b": "unknown"}
    assert "the server gave the id 1 to a before" in ran.result("b").message
    assert ran.result("b").reason == Reason.UNREADABLE
    assert len(server.gets) > 5


@pytest.mark.parametrize(("first", "outcome"), [(False, "succeeded"), (True, "unknown")])
def test_the_servers_own_times_tell_an_old_end_from_a_new_one(*, first: bool, outcome: str) -> None:
    """B is over before it is first read: it counts if the server says that it ended after A."""
    acts = {"a": SHORT, "b": Acts((Life(runs=0.01),))}
    ran, _ = play(manifest(job("a"), job("b")), names=["1", "1"], acts=acts, first=first, timed=True)
    assert ran.outcomes() == {"a": "succeeded", "b": outcome}


def test_a_retry_that_is_answered_with_the_old_attempt() -> None:
    """Attempt 2 has the id of attempt 1, which failed, and the server shows that failure: unknown, and no attempt 3."""
    failing = Acts((Life(runs=1.0, end=State.FAILED),))
    ran, server = play(
        manifest(job("a", retry=Retry(limit=5, duration=1.0))), names=["1"] * 6, acts={"a": failing}, first=True
    )
    assert ran.outcome("a") == "unknown"
    assert len(server.posts) == 2
    assert "to a before" in ran.result("a").message


def test_a_retry_that_runs_under_the_old_id_is_followed() -> None:
    """The same id, and the server shows the new attempt running: its end counts."""
    lives = Acts((Life(runs=1.0, end=State.FAILED), Life(runs=5.0)))
    ran, _ = play(manifest(job("a", retry=Retry(limit=1, duration=1.0))), names=["1", "1"], acts={"a": lives})
    assert ran.outcome("a") == "succeeded"


def test_an_accepted_job_that_nobody_waits_for_still_has_its_id() -> None:
    """`wait: false`: the first may still be running under the id, so the second is unknown, waited for or not."""
    for second in (job("b"), job("b", wait=False)):
        ran, _ = play(manifest(job("a", wait=False), second), names=["1", "1"], acts={"a": LONG, "b": SHORT})
        assert ran.outcomes() == {"a": "submitted", "b": "unknown"}


def test_a_job_that_timed_out_still_has_its_id() -> None:
    """It may be running; what was said of it stays."""
    ran, _ = play(
        manifest(job("a", timeout=3), job("b"), fail_fast=False), names=["1", "1"], acts={"a": LONG, "b": SHORT}
    )
    assert ran.outcomes() == {"a": "timedOut", "b": "unknown"}


def test_manifests_of_one_run_share_ids() -> None:
    """The second manifest's job gets the id of a job of the first that is not waited for."""
    ran, _ = play(
        manifest(job("a", wait=False)), manifest(job("b"), name="two"), names=["1", "1"], acts={"a": LONG, "b": SHORT}
    )
    assert ran.outcomes() == {"a": "submitted", "b": "unknown"}


def test_ids_are_compared_as_ids() -> None:
    """A UUID in another case is the same one; `01` is not `1`."""
    uuid = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    both = parallel(job("a"), job("b"))
    assert play(both, names=[uuid, uuid.upper()], acts={"a": LONG, "b": SHORT})[0].report.exit_code == 6
    assert play(both, names=["1", "01"], acts={"a": SHORT, "b": SHORT})[0].report.exit_code == 0


@pytest.mark.parametrize("known", [True, False])
def test_a_resumed_run_knows_whose_ids_are_whose(*, known: bool) -> None:
    """Killed while A runs; after resume B gets A's id. Or both had it on record already, and the process died then."""
    world = World()
    acts = {"a": LONG, "b": LONG}
    server = Forgetful(world, acts, ["1", "1"] if known else ["1", "2", "1"])
    if known:
        # As a version without this rule left it: two jobs accepted with one id, neither ended.
        start = Setting((parallel(job("a"), job("b")),), world=world).start(
            Setting((parallel(job("a"), job("b")),), world=world).plan()
        )
        history: list[Any] = [start]
        for name in ("a", "b"):
            server._create(name, {Selector.NAME.value: name}, acts[name])
            history.append(Accepted(world.now(), f"main/{name}", 1, "1"))
    else:
        setting = Setting((manifest(job("a"), job("b")),), world=world, servers=[server], interrupt_at=2.0)
        first = setting.go()
        history = [first.told[0], *first.journal.events]
        server.names = ["1", "1"]
    plan = parallel(job("a"), job("b")) if known else manifest(job("a"), job("b"))
    second = Setting((plan,), world=world, servers=[server]).go(history)
    if known:
        assert second.outcomes() == {"a": "unknown", "b": "unknown"}
    else:
        assert second.outcomes() == {"a": "succeeded", "b": "succeeded"}  # A was seen to end before B began


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("https://aft.example.com", "https://AFT.example.com:443/", True),
        ("https://aft.example.com.", "https://aft.example.com", True),
        ("https://127.0.0.1:44399", "https://localhost:44399/", True),
        ("https://127.0.0.1:44399", "https://[::1]:44399", True),
        ("https://aft.example.com", "http://aft.example.com", False),
        ("https://aft.example.com:1", "https://aft.example.com:2", False),
        ("https://aft.example.com/one", "https://aft.example.com/two", False),
        ("https://127.0.0.1:44399", "https://127.evil.example:44399", False),
    ],
)
def test_where_ids_are_unique(one: str, two: str, *, same: bool) -> None:
    """Two spellings of a server are one place; two servers are not."""
    assert (place(one) == place(two)) is same


def test_two_spellings_of_one_server_share_their_ids() -> None:
    """Jobs that name the same server in two ways are told apart no better than jobs that name it in one."""
    world = World()
    acts = {"a": LONG, "b": SHORT}
    server = Forgetful(world, acts, ["1", "1"])
    servers = (ONE, ServerSpec(name="again", url="https://ONE:44399/", poll=ONE.poll))
    both = parallel(job("a"), job("b", server="again"), servers=(replace(ONE, name="one"), servers[1]))
    setting = Setting((both,), world=world, servers=[server, server], places=("x", "x"))
    assert setting.go().outcomes() == {"a": "unknown", "b": "unknown"}
    elsewhere = Setting((both,), servers=[], acts=acts)
    assert elsewhere.go().outcomes() == {"a": "succeeded", "b": "succeeded"}


def test_a_read_under_way_when_the_id_is_lost_changes_nothing() -> None:
    """A's status read is answered after B was given A's id: A has ended by then, once."""
    world = World()
    server = Forgetful(world, {"a": LONG, "b": SHORT}, ["1", "1"])
    slow = Setting((parallel(job("a"), job("b", needs=("c",)), job("c", wait=False)),), world=world, servers=[server])
    server.names = ["1", "2", "1"]
    server.latency = 1.0
    ran = slow.go()
    check(ran)
    assert ran.outcome("a") == ran.outcome("b") == "unknown"
    assert [event.job for event in ran.of(AttemptEnded)].count("main/a") == 1
