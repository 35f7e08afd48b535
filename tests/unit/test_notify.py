"""Notices, really received by a server."""

from __future__ import annotations

import json
import sys

import pytest

from aftrun.domain.model import Outcome
from aftrun.domain.secrets import Scrubber
from aftrun.notify import Recipient, notice, send
from tests.unit.receiver import receiver
from tests.unit.report_samples import NASTY, big, job, nasty, run, sample

# One of the hundred services that Apprise loads uses what Python 3.13 no longer has.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

BAD = (Outcome.FAILED, Outcome.UNKNOWN)


def test_a_notice_names_the_jobs_and_the_run() -> None:
    """What a person reads in a chat."""
    found = notice(sample(), "nightly", BAD)
    assert found is not None
    assert found.title == "nightly: 4 of 12 jobs failed, unknown"
    assert found.body.splitlines()[:2] == [
        "- load[eu]: failed (job 42): exit code 3: no such file",
        "- check: failed (job 42): expect did not hold: files > `0`",
    ]
    assert found.body.splitlines()[-1].startswith("run 20260102-030000-7f3a: unknown, 12 jobs in 2m5s: ")
    assert found.bad


def test_nothing_is_told_where_nothing_was_asked_for() -> None:
    """A night that went well, and the jobs of another manifest."""
    assert notice(run(job("a")), "nightly", BAD) is None
    assert notice(sample(), "weekly", BAD) is None
    good = notice(run(job("a")), "nightly", (Outcome.SUCCEEDED,))
    assert good is not None
    assert (good.title, good.bad) == ("nightly: 1 of 1 job succeeded", False)


def test_a_long_list_is_cut() -> None:
    """Chats have limits."""
    found = notice(big(), "nightly", BAD)
    assert found is not None
    assert "… and 180 more" in found.body
    assert len(found.body) < 5_000


def test_it_is_received() -> None:
    """Title, text and kind, by a real server."""
    found = notice(sample(), "nightly", BAD)
    assert found is not None
    with receiver() as server:
        url = server.url.replace("http://", "json://") + "/hook"
        assert send(found, [Recipient(url, "${HOOK}")]) == ()
    (received,) = server.received
    data = json.loads(received.body)
    assert received.path.rstrip("/") == "/hook"
    assert (data["title"], data["type"]) == (found.title, "failure")
    assert data["message"] == found.body


def test_nasty_names_arrive_without_what_is_not_seen() -> None:
    """And as text."""
    report = nasty()
    with receiver() as server:
        for manifest in dict.fromkeys(each.manifest for each in report.jobs):
            found = notice(report, manifest, tuple(Outcome))
            assert found is not None
            assert send(found, [Recipient(server.url.replace("http://", "json://"), "${HOOK}")]) == ()
    text = "".join(json.loads(each.body)["message"] for each in server.received)
    assert NASTY[0] in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_goes_wrong_is_said_without_the_url() -> None:
    """One bad recipient does not keep the others from being told."""
    found = notice(sample(), "nightly", BAD)
    assert found is not None
    with receiver(status=403) as server, receiver() as other:
        recipients = [
            Recipient(server.url.replace("http://", "json://") + "/s3cr3t-token", "${SLACK_URL}"),
            Recipient("nonsense://s3cr3t-token", "${TYPO}"),
            Recipient(other.url.replace("http://", "json://"), "${OTHER}"),
        ]
        problems = send(found, recipients, scrubber=Scrubber({"s3cr3t-token"}))
    assert len(problems) == 2
    assert problems[0].startswith("${SLACK_URL} could not be notified")
    assert problems[1] == "${TYPO} is no URL that Apprise knows, so it was not notified"
    assert not any("s3cr3t" in problem for problem in problems)
    assert "s3cr3t" not in repr(recipients)
    assert len(other.received) == 1


def test_without_apprise_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, not for each recipient."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    found = notice(sample(), "nightly", BAD)
    assert found is not None
    (problem,) = send(found, [Recipient("json://a", "${A}"), Recipient("json://b", "${B}")])
    assert 'pip install "aftrun[notify]"' in problem
