"""The table of `record`: what a task does when it starts again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aftrun.domain.model import Json, Outcome
from aftrun.run.policy import MAY_EXIST
from aftrun_airflow.record import (
    BAD,
    AskPerson,
    Follow,
    Next,
    NotKept,
    Progress,
    Record,
    RecordStore,
    Submit,
    TakeResult,
    decide,
)

URL = "https://aft.example.com:44399"
INTENDED = Record(Progress.INTENDED, 1, 2, URL, intended_at=1000.0)
ACCEPTED = replace(INTENDED, phase=Progress.ACCEPTED, job_id="j1", accepted_at=1001.0)


def ended(outcome: str, reason: str = "done", job_id: str = "j1") -> Record:
    """A record of a submission that has ended."""
    return replace(ACCEPTED, phase=Progress.ENDED, outcome=outcome, reason=reason, job_id=job_id, message="so it was")


def next_of(record: Record | None, *, cleared: bool = False, resubmit: bool = False) -> Next:
    """The decision for a task whose `retry_on` names failed jobs."""
    return decide(
        record, max_tries=5 if cleared else 2, server=URL, retry_on=(Outcome.FAILED,), resubmit=resubmit
    )  # fmt: skip


@pytest.mark.parametrize("cleared", [False, True])
def test_without_a_record_it_submits(cleared: bool) -> None:
    """Nothing was ever sent."""
    assert next_of(None, cleared=cleared) == Submit(1)


@pytest.mark.parametrize("cleared", [False, True])
def test_a_post_that_did_not_arrive_is_tried_again(cleared: bool) -> None:
    """It is still the same attempt."""
    assert next_of(replace(INTENDED, phase=Progress.DEFERRED), cleared=cleared) == Submit(1)


@pytest.mark.parametrize("cleared", [False, True])
@pytest.mark.parametrize("record", [INTENDED, ended("unknown", "ambiguous", "")])
def test_an_unanswered_post_needs_a_person(record: Record, cleared: bool) -> None:
    """Neither a retry nor clearing sends another; the words are those of the command line."""
    found = next_of(record, cleared=cleared)
    assert isinstance(found, AskPerson)
    assert found.message.endswith(MAY_EXIST)


@pytest.mark.parametrize("record", [INTENDED, ended("unknown", "ambiguous", "")])
def test_an_unanswered_post_may_be_followed_by_another_where_that_is_wanted(record: Record) -> None:
    """`on_ambiguous="resubmit"`, or a person's `resubmit_unknown`."""
    found = next_of(record, resubmit=True)
    assert isinstance(found, Submit)
    assert found.attempt == 2


def test_an_accepted_job_is_followed() -> None:
    """Where it has ended badly, `retry_on` decides about a retry; who clears wants a new one after any bad end."""
    assert next_of(ACCEPTED) == Follow(ACCEPTED, then=(Outcome.FAILED,))
    assert next_of(ACCEPTED, cleared=True) == Follow(ACCEPTED, then=BAD)


@pytest.mark.parametrize("outcome", ["succeeded", "submitted"])
def test_a_good_end_is_taken_by_a_retry_and_repeated_for_a_person(outcome: str) -> None:
    """Airflow may retry because it lost the result, not the job."""
    assert next_of(ended(outcome)) == TakeResult(ended(outcome))
    assert next_of(ended(outcome), cleared=True) == Submit(2, "the task was cleared")


@pytest.mark.parametrize("outcome", ["succeeded", "submitted", "failed"])
@pytest.mark.parametrize("key", ["2026-01-02", "2026-01-03"])
def test_a_good_end_under_the_same_key_is_not_repeated(outcome: str, key: str) -> None:
    """`once`: who clears the task gets what was done; another key, or a failure, is another matter."""
    record = replace(ended(outcome), once="2026-01-02")
    found = decide(record, max_tries=5, server=URL, retry_on=(), resubmit=False, once=key)
    same = outcome != "failed" and key == record.once
    assert found == (TakeResult(record) if same else Submit(2, "the task was cleared"))


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "rejected", "undelivered"])
def test_a_bad_end_is_retried_if_named_and_repeated_for_a_person(outcome: str) -> None:
    """All these are certain: nothing runs any more."""
    named = outcome == "failed"
    assert isinstance(next_of(ended(outcome)), Submit if named else TakeResult)
    assert next_of(ended(outcome), cleared=True) == Submit(2, "the task was cleared")


@pytest.mark.parametrize(
    ("outcome", "reason"), [("timedOut", "timeout"), ("timedOut", "finishBy"), ("unknown", "vanished")]
)
def test_a_job_that_may_still_run_is_looked_at_again(outcome: str, reason: str) -> None:
    """It is never submitted again by itself; for a person, its clocks start anew."""
    record = ended(outcome, reason)
    assert next_of(record) == Follow(record)
    assert next_of(record, cleared=True) == Follow(record, anew=True, then=BAD)
    assert isinstance(next_of(record, resubmit=True), Follow)


def test_a_job_on_another_server_is_not_looked_for_here() -> None:
    """The connection has been changed; ids mean nothing elsewhere."""
    found = decide(ACCEPTED, max_tries=2, server="https://other:44399", retry_on=(), resubmit=False)
    assert isinstance(found, AskPerson)
    assert URL in found.message
    cleared = decide(ended("failed"), max_tries=9, server="https://other:44399", retry_on=(), resubmit=False)
    assert isinstance(cleared, Submit)


class Shelf:
    """A task state store in memory, with JSON in between as in Airflow's; `broken` ones lose what they are given."""

    def __init__(self, *, broken: bool = False) -> None:
        self.values: dict[str, Json] = {}
        self.broken = broken

    def get(self, key: str, default: Json = None) -> Json:
        """A value."""
        return self.values.get(key, default)

    def set(self, key: str, value: Json, *, retention: object = None) -> None:
        """Keep a value, perhaps."""
        if not self.broken:
            self.values[key] = value


@pytest.mark.parametrize("record", [INTENDED, ACCEPTED, ended("failed")])
def test_records_come_back_equal(record: Record) -> None:
    """As JSON they go, as records they come."""
    book = RecordStore(Shelf())
    assert book.read() is None
    book.write(record)
    assert book.read() == record


def test_a_record_that_is_not_there_after_writing_is_noticed() -> None:
    """A POST must not leave when its intent can be lost."""
    with pytest.raises(NotKept):
        RecordStore(Shelf(broken=True)).write(INTENDED)


@pytest.mark.parametrize(
    "data", ["text", {"phase": "lost"}, {"phase": "accepted", "attempt": 1, "max_tries": 1, "server": URL}]
)
def test_a_record_that_cannot_be_read_is_refused(data: Json) -> None:
    """It is not taken for none: then the task would submit."""
    shelf = Shelf()
    shelf.values["aftrun"] = data
    with pytest.raises(ValueError, match="task state"):
        RecordStore(shelf).read()
