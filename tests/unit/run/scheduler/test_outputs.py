"""What jobs hand on to those that need them."""

from __future__ import annotations

from aftrun.domain.events import (
    Reason,
    Warned,
)
from aftrun.domain.model import (
    Json,
    Outcome,
    Param,
    Retry,
    When,
)
from aftrun.domain.secrets import Scrubber
from aftrun.domain.values import Inside, Outside, Template
from tests.unit.run.scheduler.seen import message, reason
from tests.unit.world import (
    Acts,
    Life,
    Setting,
    check,
    job,
    manifest,
    run,
)


def outputs_of(*path: str) -> tuple[Param, ...]:
    """One param `up` with `${{ path }}` in it."""
    text = "${{ " + ".".join(path) + " }}"
    return (Param("up", Template((Inside(path, text),), text)),)


def test_ids_and_outputs_reach_the_jobs_that_need_them() -> None:
    """`jobs.a.id` and `jobs.a.outputs.x` are in the next job's request, numbers as their JSON text."""
    setting = Setting(
        (
            manifest(
                job("a", outputs=(("n", "result.count"), ("s", "result.name"))),
                job("b", needs=("a",), correlation="", params=outputs_of("jobs", "a", "id")),
                job("c", needs=("a",), correlation="", params=outputs_of("jobs", "a", "outputs", "n")),
                job("d", needs=("a",), correlation="", params=outputs_of("jobs", "a", "outputs", "s")),
            ),
        ),
        acts={"a": Acts((Life(raw={"result": {"count": 7, "name": "x"}}),))},
    )
    ran = setting.go()
    check(ran)
    assert [body.get("params") for body in setting.servers[0].bodies[1:]] == [{"up": "s0-1"}, {"up": "7"}, {"up": "x"}]
    assert dict(ran.result("a").outputs) == {"n": 7, "s": "x"}


def test_a_missing_output_rejects_the_job_without_sending_it() -> None:
    """An output that is not there is warned of, and the job that uses it is rejected before anything is sent."""
    setting = Setting(
        (
            manifest(
                job("a", outputs=(("x", "nowhere"),)),
                job(
                    "b",
                    needs=("a",),
                    params=outputs_of("jobs", "a", "outputs", "x"),
                    retry=Retry(3, (Outcome.REJECTED,)),
                ),
                job("c", when=When.ALWAYS),
            ),
        )
    )
    ran = setting.go()
    check(ran)
    assert ran.outcomes() == {"a": "succeeded", "b": "rejected", "c": "succeeded"}
    assert reason(ran, "b") == Reason.VALUE
    assert "nothing was sent" in message(ran, "b")
    assert setting.servers[0].posts == ["a", "c"]
    assert any("output x (nowhere) is empty" in each.message for each in ran.of(Warned))
    assert ran.result("b").attempts == ()


def test_outputs_that_echo_a_secret_are_handed_on_but_not_recorded() -> None:
    """The next job gets the value; the record and everybody who listens get `***`."""
    secret = "hunter2-and-more"
    setting = Setting(
        (
            manifest(
                job(
                    "a",
                    correlation="",
                    outputs=(("t", "token"),),
                    params=(Param("p", Template((Outside("env", "S", "${S}"),), "${S}")),),
                ),
                job("b", needs=("a",), correlation="", params=outputs_of("jobs", "a", "outputs", "t")),
            ),
        ),
        acts={"a": Acts((Life(raw={"token": secret}),))},
        scrubber=Scrubber([secret]),
        bindings={("env", "S"): secret},
    )
    ran = setting.go()
    check(ran)
    assert setting.servers[0].bodies[0]["params"] == {"p": secret}
    assert setting.servers[0].bodies[1]["params"] == {"up": secret}
    assert dict(ran.result("a").outputs) == {"t": "***"}
    assert secret not in repr(ran.journal.events)


def test_errors_of_expressions_that_quote_a_secret_are_scrubbed() -> None:
    """JMESPath quotes the value that it could not take; neither the warning nor the end may."""
    secret = "hunter2-and-more"
    ran = run(
        manifest(
            job("a", outputs=(("t", "join(',', token)"),), expect=("join(',', token) == 'x'",)),
            job("b"),
            fail_fast=False,
        ),
        acts={"a": Acts((Life(raw={"token": secret}),))},
        scrubber=Scrubber([secret]),
    )
    assert ran.outcome("a") == "failed"
    assert "***" in message(ran, "a")
    assert any("***" in each.message for each in ran.of(Warned))
    assert secret not in repr(ran.told)


def test_expect_turns_a_success_into_a_failure() -> None:
    """A condition that is false or null on the final job info fails the job, and says which."""
    raw: Json = {"files": 0}
    ran = run(
        manifest(
            job("ok", expect=("files == `0`",)),
            job("no", expect=("files > `0`",)),
            job("null", expect=("missing",)),
            job("broken", expect=("length(files)",)),
            fail_fast=False,
        ),
        acts={name: Acts((Life(raw=raw),)) for name in ("ok", "no", "null", "broken")},
    )
    assert ran.outcomes() == {"ok": "succeeded", "no": "failed", "null": "failed", "broken": "failed"}
    assert reason(ran, "no") == Reason.EXPECT
    assert "files > `0` (files is 0)" in message(ran, "no")
    assert "missing (it is null)" in message(ran, "null")
