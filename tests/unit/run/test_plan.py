"""From manifests to a plan, and what flags change in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from aftrun.domain.model import Order, Param, ServerSpec, When
from aftrun.domain.values import Inside, Outside, Template, nothing_inside
from aftrun.run.plan import apply_overrides, finish_time, headers, make_plan, shown_request, start_order, waves
from tests.simulation.kernel import EPOCH
from tests.unit.world import ONE, job, manifest, parallel


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is that of a place with summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    """The epoch seconds of an instant."""
    return datetime.fromisoformat(text).timestamp()


def test_jobs_of_all_manifests_stand_in_one_line() -> None:
    """Indices run on, needs are indices, keys name the manifest, and each manifest is a stage."""
    plan = make_plan(
        [manifest(job("a"), job("b", needs=("a",)), name="m1"), manifest(job("a"), job("c", needs=("a",)), name="m2")]
    )
    assert [task.key for task in plan.tasks] == ["m1/a", "m1/b", "m2/a", "m2/c"]
    assert [task.needs for task in plan.tasks] == [(), (0,), (), (2,)]
    assert [(stage.first, stage.count) for stage in plan.stages] == [(0, 2), (2, 2)]
    assert [task.label for task in plan.tasks] == ["m1/a", "b", "m2/a", "c"]


def test_equal_servers_are_one() -> None:
    """Two manifests that talk to the same server in the same way share its connections and its rate."""
    same = ServerSpec(name="other-name", url=ONE.url, poll=ONE.poll)
    slower = ServerSpec(url=ONE.url, max_requests_per_second=1.0)
    plan = make_plan([manifest(job("a")), manifest(job("b"), servers=(same,)), manifest(job("c"), servers=(slower,))])
    assert [task.server for task in plan.tasks] == [0, 0, 1]
    assert len(plan.servers) == 2


def test_a_short_name_is_a_label_within_one_manifest() -> None:
    """With one manifest there is nothing to confuse it with."""
    plan = make_plan([manifest(job("a"))])
    assert plan.tasks[0].label == "a"


def test_headers_show_references_and_never_values() -> None:
    """What the first event says of each job: keys of needs, the request with references in place."""
    secret = Template((Outside("env", "S", "${S}"),), "${S}")
    later = Template((Inside(("jobs", "a", "id"), "${{ jobs.a.id }}"),), "${{ jobs.a.id }}")
    plan = make_plan(
        [
            manifest(
                job("a", params=(Param("p", secret),)),
                job("b", needs=("a",), when=When.ALWAYS, correlation="", params=(Param("q", later),)),
            )
        ]
    )
    first, second = headers(plan, lambda _: nothing_inside)
    assert first.request == {"scriptName": "a", "params": {"p": "${S}", "cid": "<run id>/a/1"}}
    assert second.request == {"scriptName": "b", "params": {"q": "${{ jobs.a.id }}"}}
    assert (second.needs, second.when, second.server) == (("main/a",), "always", ONE.url)
    assert (first.path, first.line, first.column) == ("m.yaml", 1, 1)


def test_a_request_without_params_has_none() -> None:
    """The body holds what was asked for, no more."""
    (task,) = make_plan([manifest(job("a", correlation=""))]).tasks
    assert shown_request(task, nothing_inside) == {"scriptName": "a"}


def test_waves() -> None:
    """Side by side: one wave for each depth of needs. One slot: one wave for each job, in the order of starting."""
    jobs = [job("d", needs=("b", "c")), job("b", needs=("a",)), job("c"), job("a")]

    def names(*manifests: object) -> list[list[list[str]]]:
        return [[[task.job.name for task in wave] for wave in stage] for stage in waves(make_plan(manifests))]  # type: ignore[arg-type]  # manifests they are

    assert names(parallel(*jobs)) == [[["c", "a"], ["b"], ["d"]]]
    assert names(manifest(*jobs)) == [[["c"], ["a"], ["b"], ["d"]]]
    assert names(manifest()) == [[]]
    assert names(parallel()) == [[]]


def test_start_order_prefers_manifest_order() -> None:
    """Of all that may start, the first in the file does."""
    plan = make_plan([manifest(job("x", needs=("z",)), job("y"), job("z"))])
    assert [task.job.name for task in start_order(plan.tasks)] == ["y", "z", "x"]


# --- finishBy -------------------------------------------------------------------------------------------------------


def test_no_finish_by_is_no_limit() -> None:
    """Empty: None."""
    assert finish_time("", EPOCH) is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-02T06:00:00Z", "2026-01-02T06:00:00+00:00"),
        ("2026-01-02T06:00:00+02:00", "2026-01-02T04:00:00+00:00"),
        ("2026-01-02 06:00:00.5Z", "2026-01-02T06:00:00.500+00:00"),
        ("2026-01-02t06:00:00z", "2026-01-02T06:00:00+00:00"),
    ],
)
def test_finish_by_as_an_instant(text: str, instant: str) -> None:
    """RFC 3339, in all its spellings: `T` and `Z` may be small, a blank may stand for `T`."""
    assert finish_time(text, EPOCH) == at(instant)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("start", "text", "finish"),
    [
        ("2026-01-01T23:00:00+01:00", "06:00", "2026-01-02T06:00:00+01:00"),
        ("2026-01-01T05:00:00+01:00", "06:00", "2026-01-01T06:00:00+01:00"),
        ("2026-01-01T06:00:00+01:00", "06:00", "2026-01-02T06:00:00+01:00"),
        ("2026-01-01T06:00:01+01:00", "6:00", "2026-01-02T06:00:00+01:00"),
        ("2026-12-31T23:59:00+01:00", "00:00", "2027-01-01T00:00:00+01:00"),
        ("2026-10-25T02:30:00+02:00", "02:45", "2026-10-25T02:45:00+02:00"),
        ("2026-10-25T02:50:00+02:00", "02:45", "2026-10-25T02:45:00+01:00"),
        ("2026-10-25T02:30:00+01:00", "02:45", "2026-10-25T02:45:00+01:00"),
        ("2026-03-28T23:00:00+01:00", "06:00", "2026-03-29T06:00:00+02:00"),
        ("2026-10-24T23:00:00+02:00", "06:00", "2026-10-25T06:00:00+01:00"),
        ("2026-10-24T23:00:00+02:00", "02:30", "2026-10-25T02:30:00+02:00"),
        ("2026-03-28T23:00:00+01:00", "02:30", "2026-03-29T03:00:00+02:00"),
        ("2026-03-29T01:59:00+01:00", "02:00", "2026-03-29T03:00:00+02:00"),
        ("2026-03-29T03:10:00+02:00", "02:30", "2026-03-30T02:30:00+02:00"),
    ],
)
def test_finish_by_as_a_time_of_day(start: str, text: str, finish: str) -> None:
    """The next such time on the wall clock, over midnight, and in the nights in which the clocks change."""
    assert finish_time(text, at(start)) == at(finish)
    assert finish_time(text, at(start), "Europe/Berlin") == at(finish)


def test_finish_by_goes_by_the_zone_of_the_run() -> None:
    """Wherever the machine is by now."""
    started = at("2026-01-01T22:00:00+01:00")
    assert finish_time("06:00", started, "Europe/Berlin") == at("2026-01-02T06:00:00+01:00")
    assert finish_time("06:00", started, "America/New_York") == at("2026-01-02T06:00:00-05:00")
    assert finish_time("06:00", started, "+09:00") == at("2026-01-02T06:00:00+09:00") + 86400


@pytest.mark.parametrize("text", ["soon", "so-on", "25:00", "06:60", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_an_error(text: str) -> None:
    """The loader has checked this; a plan made by hand finds out too."""
    with pytest.raises(ValueError, match=r".+"):
        finish_time(text, EPOCH)


# --- flags ------------------------------------------------------------------------------------------------------------


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    """Each flag of the command line, in every manifest."""
    manifests = [manifest(job("a"), name="m1"), parallel(job("b"), name="m2", max_parallel=3)]
    assert apply_overrides(manifests) == tuple(manifests)
    wide = apply_overrides(manifests, max_parallel=5)
    assert [(one.strategy.order, one.strategy.slots) for one in wide] == [(Order.PARALLEL, 5)] * 2
    assert [one.strategy.fail_fast for one in wide] == [False, False]  # as the order that counts
    assert [one.strategy.slots for one in apply_overrides(manifests, sequential=True)] == [1, 1]
    assert [one.strategy.fail_fast for one in apply_overrides(manifests, fail_fast=False)] == [False, False]
    quick = apply_overrides(manifests, wait=False, timeout=7.0)
    assert [(each.wait, each.timeout) for one in quick for each in one.jobs] == [(False, 7.0)] * 2


def test_fail_fast_follows_the_order_that_counts() -> None:
    """A flag that changes the order changes what follows from it, and not what the manifest says itself."""
    plain = manifest(job("a"))
    said = replace(plain, strategy=replace(plain.strategy, says_fail_fast=True))
    assert [one.strategy.fail_fast for one in apply_overrides([plain, said], max_parallel=2)] == [False, True]
    wide = parallel(job("b"), name="m2", max_parallel=3)
    assert apply_overrides([wide], sequential=True)[0].strategy.fail_fast
    assert not apply_overrides([wide], max_parallel=9)[0].strategy.fail_fast
