"""Tells people how a run ended, through whatever Apprise can reach: chats, mail, webhooks (extra `notify`).

What goes wrong here is reported, and never changes a run's outcome: a night that went well is not a failure because a
chat server was down.
"""

from __future__ import annotations

import logging
import re
import urllib.parse
from collections.abc import Collection, Sequence
from dataclasses import field

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import JobResult, Outcome, RunReport
from aftrun.domain.secrets import NOTHING_SECRET, Foreign, Scrubber
from aftrun.domain.text import one_line
from aftrun.report.facts import Kind, first_line, kind, summary, word

_JOBS = 20
_PIECE = 4
"""Characters from which a piece of a recipient's URL is hidden."""
_MISSING = 'nobody was notified, since Apprise is not installed; install it with: pip install "aftrun[notify]"'


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where to send: an Apprise URL, and the form of it that may be shown."""

    url: str = field(repr=False)
    shown: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sent."""

    title: str
    body: str
    bad: bool
    """Whether something went wrong: some services show that in red."""


def notice(report: RunReport, manifest: str, on: Collection[Outcome]) -> Notice | None:
    """What to tell about one manifest of a run; None where none of its jobs ended as one of `on`."""
    jobs = [job for job in report.jobs if job.manifest == manifest]
    found = [job for job in jobs if job.outcome in on]
    if not found:
        return None
    lines = [_line(job) for job in found[:_JOBS]]
    if len(found) > _JOBS:
        lines.append(f"… and {len(found) - _JOBS} more")
    name = one_line(manifest, 100)
    sandbox = " (sandbox: no real job was started)" if report.sandbox else ""
    return Notice(
        title=f"{name}: {len(found)} of {len(jobs)} job{'' if len(jobs) == 1 else 's'} {_words(found)}{sandbox}",
        body="\n".join([*lines, "", f"run {report.id}: {report.outcome}, {summary(report)}"]),
        bad=any(kind(job) in (Kind.FAILURE, Kind.ERROR) for job in found),
    )


def _words(jobs: Sequence[JobResult]) -> str:
    return ", ".join(dict.fromkeys(word(job) for job in jobs))


def _line(job: JobResult) -> str:
    why = first_line(job, 300)
    number = f" (job {one_line(job.job_id, 60)})" if job.job_id is not None else ""
    return f"- {one_line(job.name, 100)}: {word(job)}{number}{': ' + why if why else ''}"


class _Said(logging.Handler):
    """Keeps what Apprise logs, which is the only place where it says why something failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _parts(url: str) -> set[str]:
    """A recipient's URL and what it is made of: Apprise's own words repeat a topic, a token or a password of it."""
    parts = urllib.parse.urlsplit(url)
    pieces = re.split(r"[/?&=:@,;+]", url.partition("://")[2])
    return {url, parts.netloc, parts.path.strip("/"), *(each for each in pieces if len(each) >= _PIECE)}


def load(urls: Sequence[str]) -> None:
    """Load what sending to these recipients will need; what is wrong with them is said when they are to be told."""
    try:
        import apprise  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        return
    import netrc  # noqa: F401, PLC0415  # `requests`, which Apprise sends with, loads it at its first request

    log = logging.getLogger("apprise")
    disabled, log.disabled = log.disabled, True
    try:
        for url in urls:
            apprise.Apprise().add(url)
    finally:
        log.disabled = disabled


def send(note: Notice, recipients: Sequence[Recipient], *, scrubber: Scrubber = NOTHING_SECRET) -> tuple[str, ...]:
    """Send a notice to each recipient; returns what went wrong, a line each, without anything secret."""
    try:
        import apprise  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        return (_MISSING,)
    problems = []
    said, log = _Said(), logging.getLogger("apprise")
    propagate, log.propagate = log.propagate, False
    log.addHandler(said)
    try:
        for recipient in recipients:
            said.lines.clear()
            hidden = Scrubber(_parts(recipient.url))
            service = apprise.Apprise()
            if not service.add(recipient.url):
                problems.append(f"{recipient.shown} is no URL that Apprise knows, so it was not notified")
                continue
            kind_ = apprise.NotifyType.FAILURE if note.bad else apprise.NotifyType.INFO
            text = apprise.NotifyFormat.TEXT
            if not service.notify(title=note.title, body=note.body, notify_type=kind_, body_format=text):
                why = scrubber.show(Foreign(hidden.scrub("; ".join(said.lines))), 500)
                problems.append(f"{recipient.shown} could not be notified{': ' + why if why else ''}")
    finally:
        log.removeHandler(said)
        log.propagate = propagate
    return tuple(problems)
