"""Looking at a server step by step, and reading a job info aloud."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import replace

import pytest

from aftrun.client import probe, proxy, tls
from aftrun.client.client import AftClient
from aftrun.client.jobinfo import info as jobinfo
from aftrun.client.jobinfo.explain import explain, state_words, suggest
from aftrun.domain import urls
from aftrun.domain.errors import ExitCode
from aftrun.domain.model import Endpoint, Failure, JobInfo, JobInfoMap, Json, ServerSpec, State, Tls
from aftrun.service.doctor import Check, Checkup, Doctor, Level
from tests.unit.servers import Identity, RawServer, always, ca_file, issued, response, self_signed
from tests.waiting import HANG


def test_a_pinned_certificate_is_accepted_whatever_name_it_has() -> None:
    """That is what a pin is for; that the name differs is said."""
    mine = issued("elsewhere.example")
    with RawServer(always(response()), mine.server_context()) as server:
        place = urls.parse_url(server.url)
        found = probe.trust(place, Endpoint(url=server.url, fingerprints=("sha256:" + "0" * 64, mine.pin)))
        assert (found.accepted, found.by, found.fits_host) == (True, "fingerprint", False)
        wrong = probe.trust(place, Endpoint(url=server.url, fingerprints=("sha256:" + "0" * 64,)))
        assert not wrong.accepted
        assert "not the pinned one" in wrong.error
        assert wrong.certificate is not None
        assert wrong.certificate.fingerprint == mine.pin
        assert server.received == b""


def test_trust_by_file_by_machine_and_by_nobody() -> None:
    """Each way says who accepts; a refusal says why. No request is ever sent."""
    with RawServer(always(response()), issued().server_context()) as server:
        place = urls.parse_url(server.url)
        by_file = probe.trust(place, Endpoint(url=server.url, ca_file=ca_file()))
        by_machine = probe.trust(place, Endpoint(url=server.url), {"SSL_CERT_FILE": ca_file()})
        by_nobody = probe.trust(place, Endpoint(url=server.url), {})
        loudly = probe.trust(place, Endpoint(url=server.url, insecure=True))
        assert (by_file.by, by_machine.by, loudly.by) == ("caFile", "this machine", "insecure")
        assert not by_nobody.accepted
        assert "issuer" in by_nobody.error
        assert server.received == b""


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (self_signed(), "it is self-signed, and nothing here says that it is to be trusted"),
        (issued("127.0.0.1", days=-3), "it expired on "),
        (issued("elsewhere.example"), "it is for elsewhere.example, not for 127.0.0.1"),
    ],
    ids=["self-signed", "expired", "another name"],
)
def test_a_refused_certificate_is_refused_in_the_words_of_a_run(shown: Identity, words: str) -> None:
    """What `apply` says of it, `doctor` and `trust` say too."""
    with RawServer(always(response()), shown.server_context()) as server:
        endpoint = Endpoint(url=server.url, ca_file=ca_file())
        found = probe.trust(urls.parse_url(server.url), endpoint)
        client = AftClient(endpoint)
        reply = client.submit({"scriptName": "x"})
        client.close()
        assert isinstance(reply, Failure)
        assert found.error.startswith(words)
        assert reply.message.endswith(f"is not accepted: {found.error}")
        assert server.received == b""


@pytest.mark.parametrize(("answer", "words"), [("403 No", " (HTTP 403)"), ("407 Who", " (HTTP 407)"), ("Hm", "")])
def test_a_proxy_that_is_in_the_way_is_named(answer: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for a fault at the server looks in the wrong place."""
    place = urls.parse_url("https://aft.invalid:44399")
    with RawServer(always(response(b"", answer))) as middle:
        monkeypatch.setenv("https_proxy", middle.url)
        monkeypatch.setenv("no_proxy", "")
        way = f"aft.invalid:44399 through the proxy 127.0.0.1:{middle.port}: the proxy does not let us through{words}"
        assert probe.trust(place, Endpoint()).error == f"no TLS connection to {way}"
        assert (
            probe.connection(place, HANG, proxy.find("https", place.host, place.port)).error
            == f"no connection to {way}"
        )


def test_the_certificate_comes_with_its_bytes() -> None:
    """So that it can be printed as PEM."""
    with RawServer(always(response()), self_signed().server_context()) as server:
        found = probe.trust(urls.parse_url(server.url), Endpoint(url=server.url))
    assert found.certificate is not None
    assert found.certificate.self_signed
    assert ssl.PEM_cert_to_DER_cert(ssl.DER_cert_to_PEM_cert(found.certificate.der)) == self_signed().der


def test_no_tls_there_is_an_error_and_no_exception() -> None:
    """Plain HTTP on the port, and nothing on the port."""
    with RawServer(lambda visit: visit.send(response(b"", "400 Bad Request"))) as server:
        place = urls.parse_url(server.url.replace("http:", "https:"))
        assert "no TLS connection" in probe.trust(place, Endpoint(connect_timeout=HANG)).error
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    place = urls.parse_url(f"https://127.0.0.1:{port}")
    assert "connection refused" in probe.trust(place, Endpoint()).error
    assert "connection refused" in probe.connection(place, HANG).error
    assert "was not found" in probe.name(urls.parse_url("https://no-such-host.invalid")).error


@pytest.mark.parametrize(
    ("days", "words", "bad"),
    [
        (400, "400 days from now", False),
        (30, "30 days", False),
        (29.5, "in 29 days", True),
        (1.5, "in 1 day", True),
        (-2, "expired on", True),
    ],
)
def test_expiry_warns_thirty_days_ahead(days: float, words: str, bad: bool) -> None:
    """In `error` from 30 days before the end on."""
    now = 1_800_000_000.0
    mine = replace(tls.describe(self_signed().der), not_before=now - 9e6, not_after=now + days * 86_400)
    seen = probe.expiry(mine, now)
    assert words in (seen.error if bad else seen.detail)
    assert bool(seen.error) is bad


def test_a_certificate_of_tomorrow_is_not_valid_yet() -> None:
    """A wrong clock is the usual cause, and named."""
    mine = tls.describe(self_signed().der)
    assert "clock" in probe.expiry(mine, mine.not_before - 5).error


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [
        (("aft.example",), "AFT.example.", True),
        (("*.example.com",), "aft.example.com", True),
        (("*.example.com",), "a.b.example.com", False),
        (("*.example.com",), "example.com", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("other",), "127.0.0.1", False),
    ],
)
def test_names_of_certificates(names: tuple[str, ...], host: str, fits: bool) -> None:
    """A wildcard stands for one label."""
    assert probe.names(replace(tls.describe(self_signed().der), names=names), host) is fits


def spec(server: RawServer, **changes: object) -> ServerSpec:
    """A server of a manifest, pinned, with a literal key."""
    known = {"url": server.url, "api_key": "the-key", "tls": Tls(fingerprints=(self_signed().pin,))}
    return ServerSpec(**{**known, **changes})  # type: ignore[arg-type]  # checked by dataclasses itself


def levels(checkup: Checkup) -> dict[str, Level]:
    """How each check went."""
    return {check.name: check.level for check in checkup.checks}


@pytest.mark.parametrize(
    ("status", "level", "code"),
    [
        ("404 Not Found", Level.WARNING, ExitCode.OK),  # as it answers any key
        ("401 Unauthorized", Level.FAILED, ExitCode.REFUSED),
        ("403 Forbidden", Level.FAILED, ExitCode.REFUSED),
        ("200 OK", Level.WARNING, ExitCode.OK),
        ("500 Oops", Level.WARNING, ExitCode.OK),
        ("302 Found", Level.FAILED, ExitCode.UNREACHABLE),
    ],
)
def test_the_key_is_judged_by_the_answer_about_a_job_that_cannot_exist(
    status: str, level: Level, code: ExitCode
) -> None:
    """Only GETs are sent, and every failure has a remedy."""
    with RawServer(always(response(b"{}", status)), self_signed().server_context()) as server:
        checkup = Doctor(spec(server), {}).examine()
        assert levels(checkup)["key"] is level
        assert checkup.exit_code is code
        assert all(check.remedy for check in checkup.checks if check.level in (Level.FAILED, Level.WARNING))
        assert all(request.startswith(b"GET /v1/adm/jobs/aftrun-doctor") for request in server.requests)


@pytest.mark.parametrize(("offset", "words"), [(0, "agree"), (-900, "ahead of"), (900, "behind"), (30, "agree")])
def test_the_clock_is_compared_with_the_date_header(offset: int, words: str) -> None:
    """More than a minute is worth a warning."""
    now = 1_800_000_000.0
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now + offset))
    answer = response(b"{}", "404 Not Found", f"Date: {date}")
    with RawServer(always(answer), self_signed().server_context()) as server:
        checkup = Doctor(spec(server), {}, now=lambda: now).examine()
    clock = next(check for check in checkup.checks if check.name == "clock")
    assert words in clock.message
    assert clock.level is (Level.WARNING if abs(offset) > 60 else Level.OK)


def test_a_job_info_that_cannot_be_read_is_exit_6_with_the_job() -> None:
    """The object is kept, so that it can be shown beside how it was read."""
    answers = (response(b"{}", "404 Not Found"), response(b'{"id": 7, "status": "Steeping"}'))
    with RawServer(always(*answers), self_signed().server_context()) as server:
        checkup = Doctor(spec(server), {}, job_id="7").examine()
    assert checkup.exit_code is ExitCode.UNKNOWN
    assert checkup.info is not None
    assert checkup.info.raw == {"id": 7, "status": "Steeping"}


def test_after_a_refused_certificate_nothing_is_sent() -> None:
    """The wrong pin: no byte of HTTP, and what was left out is said."""
    wrong = Tls(fingerprints=("sha256:" + "1" * 64,))
    with RawServer(always(response()), self_signed().server_context()) as server:
        checkup = Doctor(spec(server, tls=wrong), {}, job_id="7").examine()
        assert server.received == b""
    found = levels(checkup)
    assert (found["certificate"], found["key"], found["job info"]) == (Level.FAILED, Level.SKIPPED, Level.SKIPPED)
    assert "certificate failed" in checkup.checks[-1].message
    assert checkup.exit_code is ExitCode.UNREACHABLE


def test_the_worst_finding_decides() -> None:
    """What keeps everything else from working comes first."""
    codes = (ExitCode.UNKNOWN, ExitCode.REFUSED)
    checks = tuple(Check(str(code), Level.FAILED, "", "", code) for code in codes)
    assert Checkup("x", checks).exit_code is ExitCode.REFUSED
    assert Checkup("x", ()).exit_code is ExitCode.OK


SHAPES: list[tuple[Json, dict[str, str]]] = [
    ({"id": "a", "status": "Running"}, {"id": "id", "status": "status"}),
    ({"jobId": 7, "state": "done", "exitCode": 0}, {"id": "jobId", "status": "state", "exitCode": "exitCode"}),
    (
        {"job": {"ID": "x", "Status": "FAILED", "exit-code": 3}},
        {"id": "job.ID", "status": "job.Status", "exitCode": 'job."exit-code"'},
    ),
    ({"status": "success", "data": {"id": "1", "state": "running"}}, {"id": "data.id", "status": "data.state"}),
    ([{"id": "1", "status": "queued"}], {"id": "[0].id", "status": "[0].status"}),
    ({"id": "1", "status": {"name": "Running", "code": 2}}, {"id": "id", "status": "status.name"}),
]


@pytest.mark.parametrize(("body", "sources"), SHAPES)
def test_each_field_names_the_place_it_was_read_from(body: Json, sources: dict[str, str]) -> None:
    """And reading with exactly these places gives the same job."""
    info = jobinfo.read(body, JobInfoMap())
    assert info is not None
    found = {each.name: each.source for each in explain(body, JobInfoMap(), info) if each.source}
    assert found == sources
    places = {{"exitCode": "exit_code"}.get(name, name): path for name, path in sources.items()}
    again = jobinfo.read(body, JobInfoMap(**places))  # type: ignore[arg-type]  # all of these are text
    assert again is not None
    assert (again.id, again.state, again.exit_code) == (info.id, info.state, info.exit_code)


def test_what_the_manifest_says_is_not_proposed_again() -> None:
    """Only what had to be guessed is; a state without a list gets the lists to choose from."""
    body: Json = {"id": "1", "status": "Steeping"}
    given = JobInfoMap(id="id", status="status")
    info = jobinfo.read(body, given)
    assert info is not None
    lines = suggest(body, given, info)
    assert "id: id" not in lines
    assert "# failed: [Steeping]" in lines
    listed = replace(given, states=((State.RUNNING, ("steeping",)),))
    settled = jobinfo.read(body, listed)
    assert settled is not None
    assert suggest(body, listed, settled) == ""


def test_a_state_is_said_in_our_words() -> None:
    """The two that are none say so."""
    assert state_words(JobInfo("1", State.RUNNING)) == "running"
    assert "does not know" in state_words(JobInfo("1", State.UNLISTED, "Steeping"))
    assert "no state" in state_words(JobInfo("1", State.MISSING))
