"""What `doctor` does: looks at a server step by step, each finding with its remedy. Creates no job."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from aftrun.client import probe, proxy
from aftrun.domain import jobids, urls
from aftrun.domain.errors import AftrunError, ExitCode, ManifestError, UsageError
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import Answer, Endpoint, Failure, JobInfo, Manifest, ServerSpec, State
from aftrun.run import policy
from aftrun.run.verdict import OBSTACLES, worst
from aftrun.service.outlook import missing_values
from aftrun.service.single_server import SingleServer, read_status, single_server
from aftrun.system.shell import setting

NO_SUCH_JOB = "aftrun-doctor-no-such-job"
"""An id that no server gives out: asking for it is safe and shows whether the key is taken."""

_WRONG_KEY = "aftrun-doctor-not-a-key"
"""A key that no server gives out: a server that answers it as it answers the real one did not look at either."""
_ONLY_A_JOB = "Whether it may start jobs, only a job can show"

SKEW = 60.0
"""Seconds by which two clocks may differ before it is worth a word."""


class Level(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    level: Level
    message: str
    remedy: str = ""
    exit_code: ExitCode = ExitCode.OK


@dataclass(frozen=True, slots=True)
class Checkup:
    """All findings about one server."""

    server: str
    checks: tuple[Check, ...]
    info: JobInfo | None = None
    """The job that was asked for, where one was and it could be read."""
    target: SingleServer | None = field(default=None, repr=False)

    @property
    def exit_code(self) -> ExitCode:
        """The code of the worst finding: what keeps everything else from working comes first."""
        return worst((check.exit_code for check in self.checks), OBSTACLES)


def _failed(name: str, message: str, remedy: str, code: ExitCode) -> Check:
    return Check(name, Level.FAILED, message, remedy, code)


def _skipped(name: str, why: str) -> Check:
    return Check(name, Level.SKIPPED, f"not checked: {why}")


class Doctor:
    """Looks at one server. `now` gives epoch seconds."""

    def __init__(
        self,
        spec: ServerSpec,
        environ: Mapping[str, str],
        *,
        job_id: str | None = None,
        hidden: Sequence[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._spec = spec
        self._environ = environ
        self._job_id = job_id
        self._hidden = hidden
        self._now = now
        self._info: JobInfo | None = None
        self._target: SingleServer | None = None
        self._missing = missing_values([Manifest("doctor", "", (), (replace(spec, name=""),))], environ)

    def examine(self) -> Checkup:
        """Run all checks, each as far as those before it allow."""
        checks = tuple(self._checks())
        done = {check.name for check in checks}
        why = next((check.name for check in reversed(checks) if check.level is Level.FAILED), "")
        names = (
            "name",
            "connection",
            "certificate",
            "expiry",
            "clock",
            "key",
            *(("job info",) if self._job_id else ()),
        )
        left = [_skipped(name, f"{why} failed") for name in names if why and name not in done]
        return Checkup(self._url(), tuple(map(self._cleaned, (*checks, *left))), self._info, self._target)

    def _cleaned(self, check: Check) -> Check:
        """The check as it may be shown: a name that does not resolve may have come from a secret variable."""
        if self._target is None:
            return check
        scrub = self._target.setup.scrubber.scrub
        return replace(check, message=scrub(check.message), remedy=scrub(check.remedy))

    def _url(self) -> str:
        if self._target is not None:
            return self._target.url
        return self._spec.url if isinstance(self._spec.url, str) else self._spec.url.raw

    def _checks(self) -> Iterator[Check]:
        endpoint: Endpoint | None = None
        try:
            without = {each.name for each in self._missing if each.source == "env"}
            stand_ins = _key_only(self._spec, without)
            # The way to the server can be looked at without a key; only the key itself cannot.
            spec = replace(self._spec, api_key="") if stand_ins else self._spec
            self._target = single_server(spec, self._environ, hidden=self._hidden)
            endpoint = self._target.setup.endpoints[0]
            place = urls.parse_url(endpoint.url)
            self._target.client().close()
        except AftrunError as error:
            text = "; ".join(f"{each.text} has no value" for each in self._missing) or _words(error)
            yield _failed("settings", text, error.hint or "set the variables, then run this again", ExitCode.USAGE)
            return
        if stand_ins:
            names = ", ".join(sorted(stand_ins))
            yield _failed(
                "settings",
                f"{names} is not set, so there is no API key",
                "; ".join(map(setting, sorted(stand_ins))),
                ExitCode.USAGE,
            )
        else:
            yield Check("settings", Level.OK, "every value is there")
        doubt, remedy = urls.path_doubt(endpoint.url)
        if doubt:
            yield Check("address", Level.WARNING, doubt, remedy)
        if not (yield from self._way(place, endpoint)):
            return
        if place.secure:
            if not (yield from self._certificate(place, endpoint)):
                return
        else:
            loopback = place.loopback
            level = Level.OK if loopback else Level.WARNING
            text = "plain HTTP, so there is no certificate; "
            text += (
                "nothing leaves this machine" if loopback else "anyone on the way can read the key and change what runs"
            )
            yield Check("certificate", level, text, "" if loopback else "use https:// and pin the certificate")
        yield from self._requests(has_key=not stand_ins)

    def _way(self, place: urls.ServerUrl, endpoint: Endpoint) -> Generator[Check, None, bool]:
        through = proxy.find(place.scheme, place.host, place.port)
        if through is None:
            seen = probe.name(place)
            if seen.error:
                remedy = "check the host in `server.url`, and that this machine can resolve names"
                yield _failed("name", seen.error, remedy, ExitCode.UNREACHABLE)
                return False
            yield Check("name", Level.OK, f"{place.host} is {seen.detail}")
        else:
            yield Check("name", Level.OK, f"resolved by the proxy {through.place} (from {through.variable})")
        seen = probe.connection(place, endpoint.connect_timeout, through)
        if seen.error:
            remedy = "check that the AFT! service runs, host and port in `server.url`, and the firewalls in between"
            if through is not None:
                remedy = f"check the proxy in {through.variable}, or name the server in NO_PROXY to go without it"
            yield _failed("connection", seen.error, remedy, ExitCode.UNREACHABLE)
            return False
        yield Check("connection", Level.OK, seen.detail)
        return True

    def _certificate(self, place: urls.ServerUrl, endpoint: Endpoint) -> Generator[Check, None, bool]:
        found = probe.trust(place, endpoint)
        shown = found.certificate
        if shown is None:
            remedy = "check that this port speaks HTTPS with TLS 1.2 or newer"
            yield _failed("certificate", found.error, remedy, ExitCode.UNREACHABLE)
            return False
        if not found.accepted:
            remedy = (
                f"`aftrun trust {endpoint.url}` shows it and how to compare it; if it is your server's, put this line "
                f"under server.tls: fingerprint: {shown.fingerprint}"
            )
            yield _failed("certificate", f"not accepted: {found.error}", remedy, ExitCode.UNREACHABLE)
        elif found.by == "insecure":
            remedy = f"pin it: `aftrun trust {endpoint.url}` prints the line"
            yield Check(
                "certificate", Level.WARNING, "NOT verified (insecure): anyone on the way can read the key", remedy
            )
        else:
            other = "" if found.fits_host else f"; it does not name {place.host}, which a pin makes unimportant"
            yield Check("certificate", Level.OK, f"accepted by {found.by}{other}")
        seen = probe.expiry(shown, self._now())
        remedy = "renew it on the server; before you do, list the new fingerprint beside the old one"
        if seen.error:
            # A pinned certificate is taken whatever its dates say, so its end warns and does not fail.
            yield Check("expiry", Level.WARNING, seen.error, remedy)
        else:
            yield Check("expiry", Level.OK, seen.detail)
        return found.accepted

    def _requests(self, *, has_key: bool) -> Iterator[Check]:
        if self._target is None:
            return
        before = self._now()
        reply = read_status(self._target, NO_SUCH_JOB)
        after = self._now()
        if isinstance(reply, Failure):
            yield _skipped("clock", "the server gave no answer")
            yield _failed("key", reply.message, reply.hint or "read the server's own log", ExitCode.UNREACHABLE)
            return
        yield _clock(reply, before, after)
        if not has_key:
            yield _skipped("key", "there is none")
            return
        job = None
        if self._job_id is not None and reply.status not in (401, 403):
            job = self._job(self._job_id)
        key = self._accepted(reply, proven=self._info is not None)
        yield key
        if self._job_id is not None:
            yield _skipped("job info", "the key is refused") if job is None else job

    def _accepted(self, reply: Answer, *, proven: bool) -> Check:
        """What the answer about a job that cannot exist says of the key.

        A 404 alone says nothing: a server may well answer so at any path, and whatever the key. It says something
        where a key that is wrong is answered otherwise. `proven`: a real job could be read.
        """
        if reply.status not in (404, 410) or self._target is None:
            return _key(reply)
        if proven:
            return Check("key", Level.OK, f"accepted for reading jobs: job {self._job_id} can be read. {_ONLY_A_JOB}")
        other = read_status(self._with_a_wrong_key(self._target), NO_SUCH_JOB)
        known = isinstance(other, Answer) and other.status in (401, 403)
        doubt, remedy = urls.path_doubt(self._target.setup.endpoints[0].url)
        also = f"HTTP {other.status}" if isinstance(other, Answer) else other.message
        if known and not doubt:
            said = f"accepted for reading jobs: a wrong one is answered {also}, this one HTTP {reply.status}"
            return Check("key", Level.OK, f"{said}. {_ONLY_A_JOB}")
        if known:
            message = f"cannot tell yet: the server knows the key, but HTTP {reply.status} may be due to the address"
        else:
            message = (
                f"cannot tell yet: HTTP {reply.status} for a job that cannot exist, and a wrong key gets {also} too"
            )
        hint = "try `aftrun doctor --job ID` with the id of a real job; if that is not found either, check `server.url`"
        return Check("key", Level.WARNING, message, f"{doubt}: {remedy}" if doubt else hint)

    def _with_a_wrong_key(self, target: SingleServer) -> SingleServer:
        """The same server with a key that it cannot know."""
        return single_server(replace(target.spec, api_key=_WRONG_KEY), self._environ, hidden=self._hidden)

    def _job(self, job_id: str) -> Check:
        assert self._target is not None, "requests come after settings"  # noqa: S101  # for the type checker
        reply = read_status(self._target, job_id)
        if isinstance(reply, Failure):
            return _failed("job info", reply.message, reply.hint, ExitCode.UNREACHABLE)
        if reply.status in (404, 410):
            remedy = "use the id of a job that this server still shows"
            return _failed(
                "job info", f"the server knows no job {job_id} (HTTP {reply.status})", remedy, ExitCode.UNKNOWN
            )
        if reply.info is None:
            said = reply.problem or reply.message
            return _failed(
                "job info",
                f"job {job_id} cannot be read (HTTP {reply.status}{': ' + said if said else ''})",
                "see what the server sends there; `server.paths.status` may need to be another one",
                ExitCode.UNKNOWN,
            )
        strange = jobids.mismatch(reply.info, job_id)
        if strange:
            return _failed("job info", f"not job {job_id}'s: {strange}", policy.NAME_ITS_ID, ExitCode.UNKNOWN)
        self._info = reply.info
        if reply.info.state in (State.UNLISTED, State.MISSING):
            remedy = "say how to read it with `server.jobInfo`; the lines below are a start"
            what = repr(reply.info.status) if reply.info.status else "no state that aftrun can find"
            return _failed("job info", f"the state cannot be read: the server says {what}", remedy, ExitCode.UNKNOWN)
        return Check("job info", Level.OK, f"readable: {reply.info.state.value}")


def _words(error: AftrunError) -> str:
    """What is wrong, in one line: of a manifest's problems the problems, not their number."""
    if isinstance(error, ManifestError):
        return "; ".join(f"{each.message} ({each.hint})" for each in error.problems)
    return error.message


def _key_only(spec: ServerSpec, missing: set[str]) -> set[str]:
    """The missing variables that only the key needs; empty where anything else is missing too."""
    if isinstance(spec.api_key, str):
        return set()
    wanted = {each.name for each in spec.api_key.outsides() if each.source == "env"}
    return missing if missing <= wanted else set()


def _clock(reply: Answer, before: float, after: float) -> Check:
    if reply.server_time is None:
        return Check("clock", Level.SKIPPED, "the server does not say what time it is")
    # The header has whole seconds, so it can be up to one second behind the truth.
    skew = 0.0
    if reply.server_time + 1 < before:
        skew = before - reply.server_time - 1
    elif reply.server_time > after:
        skew = after - reply.server_time
    if abs(skew) <= SKEW:
        return Check("clock", Level.OK, "this machine and the server agree on the time")
    ahead = "ahead of" if skew > 0 else "behind"
    return Check(
        "clock",
        Level.WARNING,
        f"this machine's clock is {round(abs(skew))} s {ahead} the server's",
        "set both by NTP: certificates and `finishBy` go by the clock",
    )


def _key(reply: Answer) -> Check:
    said = f"HTTP {reply.status}" + (f": {reply.message}" if reply.message else "")
    if reply.status in (401, 403):
        remedy = (
            "check the key, and that its IP allow-list in AFT! (Settings > API Keys) includes this machine; it may "
            "also be a key that may start jobs but not read them"
        )
        return _failed("key", f"refused ({said})", remedy, ExitCode.REFUSED)
    if 200 <= reply.status < 300:
        return Check(
            "key",
            Level.WARNING,
            f"HTTP {reply.status} for a job that does not exist, so nothing can be told from it",
            "try `aftrun doctor --job ID` with the id of a real job, and check `server.paths.status`",
        )
    if 300 <= reply.status < 400:
        return _failed("key", reply.message, "write the server's own address into `server.url`", ExitCode.UNREACHABLE)
    level = Level.WARNING
    return Check("key", level, f"not clear: {said}", "try `aftrun doctor --job ID` with the id of a real job")


def check_flags(servers: int, job_id: str | None) -> None:
    """A job is on one server.

    Raises:
        UsageError: a job was given, and several servers; or what was given is no id of a job.
    """
    if job_id is not None:
        jobids.checked(job_id)
    if job_id is not None and servers > 1:
        raise UsageError("--job needs one server, and the manifests name several", hint="add --server-name NAME")
