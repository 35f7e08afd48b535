"""The sandbox as a server: TLS, keys, jobs, outages, the ledger, starting and stopping."""

from __future__ import annotations

import gc
import hashlib
import http.client
import json
import os
import select
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from aftrun.domain.errors import UsageError
from aftrun.domain.model import Json
from aftrun.sandbox.certificate import issued, self_signed
from aftrun.sandbox.scenario import Behaviour, Fixed, Scenario, parse
from aftrun.sandbox.server import Sandbox, _LoopThread
from aftrun.sandbox.service import _LOOPBACK, _within
from tests.clocks import HandClock
from tests.waiting import HANG, until

QUICK: dict[str, Json] = {"queue": "0s", "duration": "0s"}
KEY = {"X-API-Key": "sandbox-key"}
JOB = {"scriptName": "My Backup Job"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[requests.Session]:
    """A session that takes nothing from the environment."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def trusting(session: requests.Session, server: Sandbox, folder: Path) -> requests.Session:
    """The session, made to trust the server by a caFile and to send its key."""
    path = folder / "ca.pem"
    path.write_bytes(server.ca_pem)
    session.verify = str(path)
    session.headers.update(KEY)
    return session


def strict(ca: bytes) -> ssl.SSLContext:
    """The strictest verification that Python offers, the default of its newer versions."""
    context = ssl.create_default_context(cadata=ca.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def test_submits_and_follows_a_job(client: requests.Session, tmp_path: Path) -> None:
    """A job is accepted with 201, and is queued, running, and done as the clock goes on."""
    scenario = parse({"defaults": {"queue": "250ms", "duration": "250ms", "outputs": {"files": 3}}})
    clock = HandClock()
    with Sandbox(scenario, clock=clock) as server:
        trusting(client, server, tmp_path)
        answer = client.post(f"{server.url}/v1/jobs", json=JOB)
        assert answer.status_code == 201
        url = f"{server.url}/v1/adm/jobs/{answer.json()['id']}"
        seen: list[str] = [answer.json()["status"]]
        for passed in (0.249, 0.002, 0.248, 0.002):
            clock.advance(passed)
            info = client.get(url).json()
            seen.append(info["status"])
        assert seen == ["Queued", "Queued", "Running", "Running", "Succeeded"]
        assert (info["exitCode"], info["error"], info["files"]) == (0, None, 3)
        assert info["createdAt"] < info["startedAt"] < info["finishedAt"]
        assert server.jobs()[0].state == "succeeded"


def test_ordinary_verification_refuses_the_certificate(client: requests.Session) -> None:
    """As with a fresh AFT!, a client that was told nothing about the certificate refuses it."""
    with Sandbox() as server:
        with pytest.raises(requests.exceptions.SSLError, match="self-signed certificate"):
            client.post(f"{server.url}/v1/jobs", json=JOB)
        assert server.ledger() == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_pin_and_ca_file_both_work(host: str) -> None:
    """The fingerprint is that of the certificate shown, and the PEM verifies it under strict rules, name included."""
    with Sandbox() as server:
        connection = http.client.HTTPSConnection(host, server.port, timeout=HANG, context=strict(server.ca_pem))
        with closing(connection):
            connection.connect()
            der = connection.sock.getpeercert(binary_form=True)
            assert isinstance(der, bytes)
            assert server.fingerprint == "sha256:" + hashlib.sha256(der).hexdigest()


def test_certificates_are_fresh_each_time() -> None:
    """Two sandboxes never share a key."""
    with Sandbox() as one, Sandbox() as two:
        assert one.fingerprint != two.fingerprint


def test_certificate_of_an_authority() -> None:
    """With a certificate from a private authority, trusting the authority is enough."""
    with Sandbox(certificate=issued()) as server:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANG, context=strict(server.ca_pem))
        with closing(connection):
            connection.request("GET", "/_sandbox/jobs")
            assert connection.getresponse().read() == b"[]"


def test_expired_certificate() -> None:
    """An expired certificate is refused even by those who trust it."""
    with Sandbox(certificate=self_signed(days=-1)) as server:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANG, context=strict(server.ca_pem))
        with closing(connection), pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            connection.connect()


def ask(port: int, context: ssl.SSLContext) -> int:
    """The status of a harmless request."""
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=HANG, context=context)) as connection:
        connection.request("GET", "/_sandbox/jobs")
        return connection.getresponse().status


def test_client_certificate() -> None:
    """With `client_ca`, a client needs a certificate of that authority, and gets in with one."""
    authority = trustme.CA()
    with Sandbox(client_ca=authority.cert_pem.bytes()) as server:
        context = strict(server.ca_pem)
        with pytest.raises(OSError, match=r"(?i)certificate.required|reset|eof|closed"):
            ask(server.port, context)
        authority.issue_cert("robot@example.org").configure_cert(context)
        assert ask(server.port, context) == 200


@pytest.mark.parametrize(
    ("key", "status", "recorded"), [("sandbox-key", 201, "valid"), ("guess", 401, "invalid"), (None, 401, "absent")]
)
def test_key(client: requests.Session, key: str | None, status: int, recorded: str) -> None:
    """A wrong or missing key is 401; the ledger holds a verdict in place of the key."""
    with Sandbox(parse({"defaults": QUICK}), tls=False) as server:
        answer = client.post(f"{server.url}/v1/jobs", json=JOB, headers={"X-API-Key": key} if key else {})
        assert answer.status_code == status
        entry = server.ledger()[0]
        assert (entry.key, entry.status, entry.effect) == (recorded, status, status == 201)
        assert all(key != value for _, value in entry.headers)


def test_address_that_is_not_on_the_allow_list(client: requests.Session) -> None:
    """The right key from the wrong address is 403, and the answer says which address."""
    with Sandbox(allow=["10.0.0.0/8"], tls=False) as server:
        answer = client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY)
        assert answer.status_code == 403
        assert "127.0.0.1" in answer.json()["message"]
        assert answer.json()["errors"][0]["errorType"] == "ADDRESS_NOT_ALLOWED"


def test_allow_list_that_makes_no_sense() -> None:
    """An allow-list entry that is no address is refused before anything starts."""
    with pytest.raises(UsageError, match='holds "localhost", which is no address'):
        Sandbox(allow=["localhost"])
    with pytest.raises(UsageError, match="speed must be more than 0"):
        Sandbox(speed=0)


@pytest.mark.parametrize(("key", "why"), [("", "empty"), ("a\nb", "line break"), ("k\u2603", "ASCII"), (" k", "blank")])
def test_a_key_that_no_request_can_name(key: str, why: str) -> None:
    """It is refused, since nobody could use that sandbox."""
    with pytest.raises(UsageError, match=f"API key is not usable: .*{why}"):
        Sandbox(api_key=key)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/jobs", 405),
        ("DELETE", "/v1/adm/jobs/1", 405),
        ("GET", "/v1/adm/jobs/1", 404),
        ("GET", "/v2/jobs", 404),
        ("GET", "/_sandbox/secrets", 404),
    ],
)
def test_other_requests(client: requests.Session, method: str, path: str, status: int) -> None:
    """Only the two documented endpoints exist; everything else is 404 or 405 with the usual error body."""
    with Sandbox(tls=False) as server:
        answer = client.request(method, server.url + path, headers=KEY)
        assert answer.status_code == status
        assert answer.json()["errors"][0]["humanReadable"] == answer.json()["message"]


def test_unknown_scripts(client: requests.Session) -> None:
    """Given a list of scripts, others are 404; names are compared without case, and the scenario may hold the list."""
    with Sandbox(Scenario(scripts=("my backup job", "/opt/a.syncjs")), tls=False) as server:
        bodies = [JOB, {"filePath": "/opt/a.syncjs"}, {"filePath": "/OPT/a.syncjs"}, {"scriptName": "other"}]
        codes = [client.post(f"{server.url}/v1/jobs", json=body, headers=KEY).status_code for body in bodies]
        assert codes == [201, 201, 404, 404]
    with Sandbox(Scenario(scripts=("a",)), scripts=["My Backup Job"], tls=False) as server:
        assert client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY).status_code == 201


def test_own_pages_mirror_the_ledger_and_the_jobs(client: requests.Session) -> None:
    """`/_sandbox/ledger` and `/_sandbox/jobs` need no key, and reading them leaves no trace."""
    with Sandbox(parse({"defaults": {**QUICK, "outcome": "failed"}}), tls=False) as server:
        job_id = client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY).json()["id"]
        ledger: list[dict[str, Any]] = client.get(f"{server.url}/_sandbox/ledger").json()
        assert [(each["sequence"], each["jobId"], each["effect"], each["parsed"]) for each in ledger] == [
            (1, job_id, True, JOB)
        ]
        jobs: list[dict[str, Any]] = client.get(f"{server.url}/_sandbox/jobs").json()
        assert [(each["id"], each["state"], each["exitCode"]) for each in jobs] == [(job_id, "failed", 1)]
        assert len(server.ledger()) == 1


def test_connections_are_told_apart(client: requests.Session) -> None:
    """Requests of a kept-alive connection share a number; another connection has another."""
    with Sandbox(tls=False) as server:
        for _ in range(2):
            client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY)
        requests.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY, timeout=HANG)
        assert [entry.connection for entry in server.ledger()] == [1, 1, 2]


def test_idle_connections_are_closed(client: requests.Session) -> None:
    """`keepAlive` makes kept connections go stale, which a client must survive: the shorter, the sooner."""
    with ExitStack() as stack:
        idle: list[socket.socket] = []
        for keep in ("1h", "100ms"):
            server = stack.enter_context(Sandbox(parse({"keepAlive": keep}), tls=False))
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), HANG))
            raw.sendall(b"GET /_sandbox/jobs HTTP/1.1\r\nHost: x\r\n\r\n")
            assert raw.recv(65536).startswith(b"HTTP/1.1 200")
            idle.append(raw)
        closed, _, _ = select.select(idle, [], [], HANG)
        assert closed == idle[1:], "the one that was opened later"
        assert idle[1].recv(1) == b""


def test_latency_and_speed(client: requests.Session) -> None:
    """Every answer takes the latency; `speed` makes the scenario's time pass faster."""
    scenario = parse({"latency": "1s", "defaults": {"duration": "10s", "queue": "0s"}})
    clock = HandClock()
    with ThreadPoolExecutor(1) as pool, Sandbox(scenario, tls=False, speed=10, clock=clock) as server:
        answer = pool.submit(client.post, f"{server.url}/v1/jobs", json=JOB, headers=KEY)
        clock.until_asleep()
        clock.advance(0.09)
        clock.until_asleep()  # still
        assert not answer.done()
        clock.advance(0.02)
        assert answer.result(HANG).status_code == 201
        job = server.jobs()[0]
        assert job.started_at is not None
        assert job.ended_at is not None
        assert job.ended_at - job.started_at == pytest.approx(1.0)


def test_rate_limit(client: requests.Session) -> None:
    """Requests above the limit are 429 with Retry-After, and have no effect."""
    with Sandbox(parse({"rateLimit": 0.01}), tls=False) as server:
        answers = [client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 429]
        assert answers[1].headers["Retry-After"] == "1"
        assert len(server.jobs()) == 1


def test_outage_refuses_connections_and_ends(client: requests.Session) -> None:
    """During an outage the port is closed and old connections are gone; afterwards jobs are still there."""
    scenario = parse({"defaults": QUICK, "outages": [{"after": "300ms", "for": "300ms"}]})
    clock = HandClock()
    with Sandbox(scenario, tls=False, clock=clock) as server:
        job_id = client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY).json()["id"]

        def up() -> bool:
            try:
                return client.get(f"{server.url}/v1/adm/jobs/{job_id}", headers=KEY).ok
            except requests.exceptions.ConnectionError:
                return False

        clock.until_asleep()
        clock.advance(0.299)
        assert up()
        clock.advance(0.002)
        until(lambda: not up())
        clock.until_asleep()  # until the end of the outage
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), HANG)
        clock.advance(0.298)
        assert not up()
        clock.advance(0.003)
        until(up)
        assert client.get(f"{server.url}/v1/adm/jobs/{job_id}", headers=KEY).json()["status"] == "Succeeded"


def test_taken_port() -> None:
    """A taken port is a clear error with a remedy, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = Sandbox(port=other.getsockname()[1])
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1 port \d+: .") as caught:
            server.start()
        assert "port 0" in caught.value.hint
        server.stop()


def test_an_address_that_is_none() -> None:
    """No other port would help: the remedy names the address."""
    server = Sandbox(host="nowhere.invalid", port=0)
    with pytest.raises(UsageError, match="cannot listen on nowhere") as caught:
        server.start()
    assert "--host" in caught.value.hint
    server.stop()


def test_ledger_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A ledger in a folder that does not exist is a clear error."""
    with pytest.raises(UsageError, match=r"cannot write its ledger to .*: No such file"):
        Sandbox(ledger_path=tmp_path / "none" / "ledger.ndjson").start()


NEVER_DONE: list[dict[str, Json]] = [
    {"kind": "hang"},
    {"kind": "slow", "delay": "1d"},
    {"kind": "trickle", "delay": "1d"},
]


@pytest.mark.parametrize("fault", NEVER_DONE, ids=lambda fault: str(fault["kind"]))
def test_stops_at_once_and_can_start_again(client: requests.Session, fault: dict[str, Json]) -> None:
    """Stopping resets unfinished requests and joins the thread; the ledger stays readable; starting again is clean."""
    scenario = parse({"defaults": {**QUICK, "faults": [{"on": "submit", "strikes": "after", **fault}]}})
    server = Sandbox(scenario, tls=False)
    server.start()
    with pytest.raises(UsageError, match="already running"):
        server.start()
    url = server.url
    failures: list[Exception] = []

    def hang() -> None:
        try:
            requests.post(f"{url}/v1/jobs", json=JOB, headers=KEY, timeout=HANG)
        except requests.RequestException as error:
            failures.append(error)

    waiting = threading.Thread(target=hang)
    waiting.start()
    until(server.ledger)
    server.stop()
    server.stop()
    waiting.join(HANG)
    assert len(failures) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "aftrun-sandbox"]
    assert (len(server.ledger()), len(server.jobs())) == (1, 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), HANG)
    with server:
        assert server.url == url
        assert (server.ledger(), server.jobs()) == ((), ())


def test_stops_as_soon_as_it_starts() -> None:
    """However short its life, every socket is closed."""
    for _ in range(20):
        with Sandbox(tls=False):
            pass
    gc.collect()  # An open socket would be a warning here, and so an error.


def test_errors_of_the_thread_are_raised_where_they_can_be_seen() -> None:
    """A bug in the server's thread surfaces in `stop`, not nowhere."""

    async def broken() -> None:
        raise LookupError("bug")

    thread = _LoopThread(broken)
    thread.start()
    with pytest.raises(LookupError, match="bug"):
        thread.stop()


def test_many_clients_at_once() -> None:
    """Parallel submissions each get their own job and their own entry."""
    with Sandbox(parse({"defaults": QUICK})) as server:
        context = strict(server.ca_pem)

        def submit(number: int) -> str:
            connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANG, context=context)
            with closing(connection):
                body = json.dumps({**JOB, "params": {"n": number}})
                connection.request("POST", "/v1/jobs", body, {**KEY, "Content-Type": "application/json"})
                info: dict[str, str] = json.load(connection.getresponse())
                return info["id"]

        with ThreadPoolExecutor(16) as pool:
            ids = list(pool.map(submit, range(100)))
        assert len(set(ids)) == 100
        assert sorted(ids) == sorted(job.id for job in server.jobs())
        assert [entry.sequence for entry in server.ledger()] == list(range(1, 101))
        assert len({entry.connection for entry in server.ledger()}) == 100


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::1", True),
        ("::1%lo", True),
        ("10.0.0.1", False),
        (None, False),
    ],
)
def test_addresses_in_networks(address: str | None, inside: bool) -> None:
    """IPv4 addresses that come as IPv6, and scopes, are seen through."""
    assert _within(address, _LOOPBACK) is inside


def test_stops_with_unfinished_handshakes_and_idle_connections() -> None:
    """Clients that connect and say nothing do not hold up the end."""
    with Sandbox() as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), HANG) for _ in range(2)]
        shaken = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANG, context=strict(server.ca_pem))
        shaken.connect()  # connections are taken in turn: now the others have been
        server.stop()
        shaken.close()
        for each in idle:
            each.close()


def test_ledger_file_survives_a_kill(tmp_path: Path) -> None:
    """Entries are in the file before the answer arrives, so killing the server's process loses none."""
    path = tmp_path / "ledger.ndjson"
    program = (
        "import sys; from pathlib import Path; from aftrun.sandbox.server import Sandbox\n"
        "server = Sandbox(tls=False, ledger_path=Path(sys.argv[1])); server.start()\n"
        "print(server.url, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = requests.post(f"{url}/v1/jobs", json=JOB, headers=KEY, timeout=HANG)
        process.kill()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["jobId"], line["effect"], line["key"]) for line in lines] == [(answer.json()["id"], True, "valid")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name == "nt"


def test_ledger_file_follows_the_ledger(client: requests.Session, tmp_path: Path) -> None:
    """The file has the same entries as the ledger, and later sandboxes add to it."""
    path = tmp_path / "ledger.ndjson"
    written: list[Json] = []
    for _ in range(2):
        with Sandbox(tls=False, ledger_path=path) as server:
            client.post(f"{server.url}/v1/jobs", json={"scriptName": "Größe"}, headers=KEY)
            client.get(f"{server.url}/v1/adm/jobs/none", headers=KEY)
            written += [entry.to_json() for entry in server.ledger()]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == written
    assert len(written) == 4


def test_bodies_that_are_no_text_are_kept(client: requests.Session) -> None:
    """The ledger has every byte of a body, and its JSON form shows bytes that are no text in base64."""
    with Sandbox(tls=False) as server:
        headers = {**KEY, "Content-Type": "application/json"}
        assert client.post(f"{server.url}/v1/jobs", data=b"\xff\x00", headers=headers).status_code == 400
        entry = server.ledger()[0]
        assert (entry.body, entry.parsed, entry.to_json()["body"]) == (b"\xff\x00", None, {"base64": "/wA="})


def test_importing_needs_no_extra_and_a_missing_one_is_named() -> None:
    """The package can be imported without aiohttp and cryptography; starting then says what to install."""
    program = (
        "import sys; sys.modules['aiohttp'] = None; sys.modules['trustme'] = None\n"
        "from aftrun.domain.errors import UsageError\n"
        "from aftrun.sandbox.server import Sandbox\n"
        "from aftrun.sandbox.certificate import issued\n"
        "for attempt in (Sandbox().start, issued):\n"
        "    try: attempt()\n"
        "    except UsageError as error: print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f'the sandbox needs the package "{name}", which is not installed | pip install "aftrun[sandbox]"'
        for name in ("aiohttp", "trustme")
    ]


def test_many_jobs_cost_nothing_while_they_run(client: requests.Session) -> None:
    """Jobs are only data: no thread and no timer for each."""
    with Sandbox(Scenario(defaults=Behaviour(duration=Fixed(3600.0))), tls=False) as server:
        threads = threading.active_count()
        for _ in range(200):
            client.post(f"{server.url}/v1/jobs", json=JOB, headers=KEY)
        assert len({job.id for job in server.jobs()}) == 200
        assert threading.active_count() == threads


def test_ipv6() -> None:
    """It listens on ::1 as well, with brackets in its URL."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = Sandbox(host="::1")
        server.start()
    except UsageError:
        pytest.skip("no IPv6 here")
    try:
        assert server.url.startswith("https://[::1]:")
        connection = http.client.HTTPSConnection("::1", server.port, timeout=HANG, context=strict(server.ca_pem))
        with closing(connection):
            connection.request("POST", "/v1/jobs", json.dumps(JOB), {**KEY, "Content-Type": "application/json"})
            assert connection.getresponse().status == 201
    finally:
        server.stop()
