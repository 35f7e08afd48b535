"""Status reads: what they say, what they leave open, and when they are given up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aftrun.domain.events import (
    Accepted,
    LookFailed,
    Reason,
    Warned,
)
from aftrun.domain.model import (
    Answer,
    Failure,
    FailureKind,
    State,
)
from tests.simulation.kernel import EPOCH, NEVER
from tests.unit.run.scheduler.seen import message, reason
from tests.unit.world import (
    ONE,
    Acts,
    Life,
    Setting,
    check,
    job,
    manifest,
    run,
)


def test_a_fresh_job_may_be_missing_for_a_while() -> None:
    """404 during the grace time is not an end."""
    ran = run(manifest(job("fresh")), acts={"fresh": Acts((Life(hidden=20, runs=40),))})
    assert ran.outcome("fresh") == "succeeded"
    assert [each.message for each in ran.of(LookFailed)] == ["HTTP 404: no such job"]


def test_a_job_that_stays_missing_is_unknown() -> None:
    """After the grace time a vanished job is `unknown`, never failed, never a success."""
    ran = run(manifest(job("gone")), acts={"gone": Acts((Life(runs=NEVER, vanishes=10),))})
    assert ran.outcome("gone") == "unknown"
    assert reason(ran, "gone") == Reason.VANISHED
    assert ran.report.exit_code == 6
    assert 40 <= ran.world.time <= 75


def test_an_unlisted_state_is_told_once_and_never_a_success() -> None:
    """A state in no list: one warning, waiting goes on, and the clock makes it unknown."""
    ran = run(
        manifest(job("odd", timeout=60)),
        acts={"odd": Acts((Life(runs=1, end=State.UNLISTED, word="Zombie"),))},
    )
    assert ran.outcome("odd") == "unknown"
    assert reason(ran, "odd") == Reason.UNLISTED
    assert len([each for each in ran.of(Warned) if "'Zombie'" in each.message]) == 1
    assert ran.report.exit_code == 6


def test_failing_looks_are_recorded_once_and_repeated() -> None:
    """Server errors on status reads change nothing but the pace; the same words are recorded once."""
    ran = run(manifest(job("a")), acts={"a": Acts(looks=(Answer(502, message="bad gateway"),) * 4)})
    assert ran.outcome("a") == "succeeded"
    assert len(ran.of(LookFailed)) == 1


def test_looks_that_fail_until_the_end_make_it_unknown() -> None:
    """Nothing could be read when the clock ran out: unknown, since the job may have done anything."""
    ran = run(manifest(job("a", timeout=30)), acts={"a": Acts(looks=(Answer(500),) * 1000)})
    assert (ran.outcome("a"), reason(ran, "a")) == ("unknown", Reason.UNREADABLE)


def test_retry_after_on_a_look_is_honoured() -> None:
    """A server that asks for a minute of peace gets it."""
    setting = Setting((manifest(job("a")),), acts={"a": Acts(looks=(Answer(429, retry_after=60.0),))})
    ran = setting.go()
    check(ran)
    first, second, *_ = (time for time, _ in setting.servers[0].gets)
    assert second - first >= 60


YEAR = 31_536_000.0
CERTIFICATE = Failure(FailureKind.TLS, sent=False, message="the certificate is another one", hint="pin it")


@pytest.mark.parametrize("wait", [YEAR, 61.0])
@pytest.mark.parametrize("status", [429, 503, 500, 404, 403, 302])
def test_no_retry_after_of_a_read_keeps_us_away_for_longer_than_a_minute(status: int, wait: float) -> None:
    """A server that says "in a year" is read again in a minute, or when a clock runs out before."""
    acts = {"a": Acts((Life(runs=20.0),), looks=(Answer(status, retry_after=wait),))}
    setting = Setting((manifest(job("a")),), acts=acts)
    ran = setting.go()
    check(ran)
    first, second, *_ = (time for time, _ in setting.servers[0].gets)
    assert second - first <= 61
    assert ran.outcome("a") == "succeeded"


@pytest.mark.parametrize(
    "said",
    [*(Answer(status, message="no") for status in (301, 302, 307, 400, 405, 422, 401, 403, 404, 410)), CERTIFICATE],
    ids=lambda said: str(getattr(said, "status", "certificate")),
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_read_decides_nothing_but_an_end_that_it_saw(said: Answer | Failure, times: int) -> None:
    """A redirect, a refusal, a moment of another certificate: said, read again, and the job's own end counts."""
    ran = run(manifest(job("a")), acts={"a": Acts((Life(runs=3.0),), looks=(None, *(said,) * times))})
    assert ran.outcome("a") == "succeeded"
    assert len(ran.of(LookFailed)) == 1


@pytest.mark.parametrize("said", [Answer(302), Answer(400), CERTIFICATE], ids=["302", "400", "certificate"])
def test_reads_that_say_nothing_until_the_clock_runs_out_make_it_unknown(said: Answer | Failure) -> None:
    """Read again, and once more when the clock runs out; then unknown, and the words say what was in the way."""
    setting = Setting((manifest(job("a", timeout=100)),), acts={"a": Acts(looks=(said,) * 1000)})
    ran = setting.go()
    check(ran)
    assert (ran.outcome("a"), reason(ran, "a"), ran.report.exit_code) == ("unknown", Reason.UNREADABLE, 6)
    assert message(ran, "a").startswith("the timeout of 1m40s ran out, and the last status read failed: ")
    assert setting.servers[0].gets[-1][0] - ran.of(Accepted)[0].at + EPOCH == pytest.approx(100, abs=1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_is_said_at_once_and_given_up_after_submit_timeout(status: int) -> None:
    """The key may submit but perhaps not read: told with the first read, read again for a while, then unknown."""
    short = replace(ONE, submit_timeout=7.0)
    setting = Setting((manifest(job("a"), servers=(short,)),), acts={"a": Acts(looks=(Answer(status),) * 1000)})
    ran = setting.go()
    check(ran)
    assert (ran.outcome("a"), reason(ran, "a"), ran.report.exit_code) == ("unknown", Reason.UNREADABLE, 6)
    assert "may submit but perhaps not read" in message(ran, "a")
    reads = [time for time, _ in setting.servers[0].gets]
    (said,) = ran.of(LookFailed)
    assert said.at - EPOCH - reads[0] < 1
    assert "allow-list" in said.message
    assert len(reads) > 3
    assert reads[-1] - reads[0] == pytest.approx(7, abs=0.2)


def test_a_key_that_may_read_again_in_time_is_forgiven() -> None:
    """Each refusal begins the wait anew once something else was answered."""
    ran = run(manifest(job("a")), acts={"a": Acts((Life(runs=2.0),), looks=(Answer(403), Answer(500)) * 10)})
    assert ran.outcome("a") == "succeeded"


def test_a_job_that_is_missing_now_and_then_is_read_until_its_clock_runs_out() -> None:
    """404 for 30 s in a row means gone; with other answers in between, nobody can tell."""
    ran = run(manifest(job("a", timeout=300)), acts={"a": Acts(looks=(Answer(404), Answer(404), Answer(503)) * 500)})
    assert (ran.outcome("a"), reason(ran, "a")) == ("unknown", Reason.UNREADABLE)
    assert ran.world.time > 299


def test_a_resumed_job_whose_clock_ran_out_meanwhile_is_read_once() -> None:
    """What ended while nobody was there is seen, however late."""
    setting = Setting((manifest(job("a", timeout=60)),), acts={"a": Acts((Life(runs=30),))}, interrupt_at=10.0)
    first = setting.go()
    setting.world.advance(setting.world.time + 100_000)
    setting.interrupt_at = None
    second = setting.go([first.told[0], *first.journal.events])
    assert second.outcome("a") == "succeeded"
