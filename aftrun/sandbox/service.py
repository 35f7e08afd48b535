"""Requests in, answers out: checks, faults, effects, and the record of it all. Imported only where a server runs."""

from __future__ import annotations

import hmac
import ipaddress
import json
import random
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from aftrun.domain.frozen import replace
from aftrun.domain.model import Json
from aftrun.sandbox import fault_injection as mischief
from aftrun.sandbox.clock import Clock
from aftrun.sandbox.dialects import accepted, job_info
from aftrun.sandbox.faults import FaultPicker, answered
from aftrun.sandbox.jobs import Job, Phase, Store, Submission
from aftrun.sandbox.ledger import Entry, Ledger
from aftrun.sandbox.rules import Answer, read_submission, refusal
from aftrun.sandbox.shapes import Behaviour, Fault, Kind, On, Scenario

SUBMIT_PATH = "/v1/jobs"
STATUS_PATH = "/v1/adm/jobs/"
OWN_PATH = "/_sandbox/"


class Service:
    """Everything behind the listening socket.

    `scripts` and `allow` are as in `Sandbox`; `sleep` sleeps in the scenario's time.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        api_key: str,
        allow: Sequence[str],
        scripts: Sequence[str] | None,
        ledger: Ledger,
        store: Store,
        clock: Clock,
        speed: float,
    ) -> None:
        self._scenario = scenario
        self._api_key = api_key
        self._networks = tuple(ipaddress.ip_network(each, strict=False) for each in allow)
        self._scripts = scripts
        self._ledger = ledger
        self._store = store
        self._now = clock.now
        self._clock = clock
        self._speed = speed
        self._faults = FaultPicker(scenario.seed)
        self._latency = random.Random(f"latency|{scenario.seed}")  # noqa: S311 - a lot, not a key
        self._connections: dict[RequestHandler, int] = {}
        self._tokens = 1.0
        self._filled_at = clock.now()

    # Connections

    def opened(self, protocol: RequestHandler, number: int) -> None:
        """Remember the number of a connection."""
        self._connections[protocol] = number

    def closed(self, protocol: RequestHandler) -> None:
        """Forget a connection."""
        self._connections.pop(protocol, None)

    def cut(self, number: int) -> Fault | None:
        """The fault that ends the new connection `number` before its first request, entered in the ledger."""
        fault = self._faults.pick(self._scenario.connect_faults, On.CONNECT, "")
        if fault is not None:
            self._ledger.add(Entry(self._ledger.next_sequence(), self._now(), number, fault=fault.kind.value))
        return fault

    # Requests

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path.startswith(OWN_PATH):
            return mischief.plain(self._own(request))
        try:
            body = await request.read()
        except (ConnectionError, web.RequestPayloadError):
            return mischief.Gone()  # The client left in the middle of its request, so there was none.
        entry = Entry(
            sequence=0,
            time=self._now(),
            connection=self._connections.get(request.protocol, 0),
            method=request.method,
            path=request.path_qs,
            headers=self._headers(request),
            body=body,
            parsed=_parsed(body),
        )
        found = self._refused(request) or self._route(request, body)
        if isinstance(found, Submission):
            behaviour = self._scenario.behaviour_for(found.selector, found.value, found.params)
            return await self._submit(request, entry, found, behaviour)
        if isinstance(found, Job):
            return await self._status(request, entry, found)
        self._record(entry, status=found.status)
        await self._lag()
        return mischief.plain(found)

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of the scenario's time."""
        await self._clock.sleep(seconds / self._speed)

    async def _submit(
        self, request: web.BaseRequest, entry: Entry, submission: Submission, behaviour: Behaviour
    ) -> web.StreamResponse:
        fault = self._faults.pick(behaviour.faults, On.SUBMIT, submission.text)
        if fault is not None and fault.kind is Kind.SLOW and not fault.spares_effect:
            await self.sleep(fault.delay)
            fault = replace(fault, delay=0.0)
        job: Job | None = None
        answer = Answer(201, {"message": "the job was queued"})
        if fault is None or fault.spares_effect or fault.kind is Kind.SLOW:
            job = self._store.create(submission, behaviour)
            headers, body = accepted(job, self._now())
            answer = Answer(201, body, headers)
        self._record(entry, answered(fault, answer), fault, job, effect=job is not None)
        await self._lag()
        return await self._answer(request, fault, answer, job, entry)

    async def _status(self, request: web.BaseRequest, entry: Entry, job: Job) -> web.StreamResponse:
        now = self._now()
        answer = _no_such_job(job.id) if job.phase(now) is Phase.GONE else Answer(200, job_info(job, now))
        fault = self._faults.pick(job.behaviour.faults, On.STATUS, job.id)
        self._record(entry, answered(fault, answer), fault, job)
        await self._lag()
        return await self._answer(request, fault, answer, job, entry)

    async def _answer(
        self, request: web.BaseRequest, fault: Fault | None, answer: Answer, job: Job | None, entry: Entry
    ) -> web.StreamResponse:
        if fault is None:
            return mischief.plain(answer)
        wire = mischief.Wire(
            request=request,
            fault=fault,
            answer=answer,
            job_id=job.id if job else None,
            key=self._api_key,
            body=entry.parsed,
            sleep=self.sleep,
            now=self._now(),
        )
        return await mischief.perform(wire)

    def _record(
        self, entry: Entry, status: int | None, fault: Fault | None = None, job: Job | None = None, effect: bool = False
    ) -> None:
        self._ledger.add(
            replace(
                entry,
                sequence=self._ledger.next_sequence(),
                status=status,
                fault=fault.kind.value if fault else None,
                job_id=job.id if job else None,
                effect=effect,
            )
        )

    async def _lag(self) -> None:
        seconds = self._scenario.latency.draw(self._latency)
        if seconds > 0:
            await self.sleep(seconds)

    # Checks

    def _refused(self, request: web.BaseRequest) -> Answer | None:
        """The answer to a caller that may not come in."""
        if not self._limited():
            return Answer(429, refusal(429, "TOO_MANY_REQUESTS", "too many requests").body, {"Retry-After": "1"})
        if not _within(request.remote, self._networks):
            return refusal(403, "ADDRESS_NOT_ALLOWED", f"the address {request.remote} is not on the key's allow-list")
        if self._key(request.headers.get("X-API-Key")) != "valid":
            return refusal(401, "INVALID_API_KEY", "the API key is missing or not valid")
        return None

    def _limited(self) -> bool:
        """Whether the rate limit lets one more request through (a bucket of at least one token)."""
        rate = self._scenario.rate_limit
        if rate is None:
            return True
        now = self._now()
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._filled_at) * rate * self._speed)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _route(self, request: web.BaseRequest, body: bytes) -> Submission | Job | Answer:
        """What the request is about, or the answer if it is about nothing we know."""
        if request.path == SUBMIT_PATH:
            if request.method != "POST":
                return replace(refusal(405, "METHOD_NOT_ALLOWED", "use POST"), headers={"Allow": "POST"})
            return read_submission(request.headers.get("Content-Type", ""), body, self._scripts)
        if request.path.startswith(STATUS_PATH):
            if request.method != "GET":
                return replace(refusal(405, "METHOD_NOT_ALLOWED", "use GET"), headers={"Allow": "GET"})
            job_id = request.path.removeprefix(STATUS_PATH)
            return self._store.find(job_id) or _no_such_job(job_id)
        return refusal(404, "NOT_FOUND", f"there is nothing at {request.path}")

    def _key(self, given: str | None) -> str:
        if given is None:
            return "absent"
        same = hmac.compare_digest(given.encode("utf-8", "replace"), self._api_key.encode())
        return "valid" if same else "invalid"

    def _headers(self, request: web.BaseRequest) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, self._key(value) if name.lower() == "x-api-key" else value)
            for name, value in request.headers.items()
        )

    def _own(self, request: web.BaseRequest) -> Answer:
        """The sandbox's own pages, for tests and the curious."""
        if not _within(request.remote, _LOOPBACK):
            return refusal(403, "LOOPBACK_ONLY", "this page can be read from the same machine only")
        pages: dict[str, Callable[[], list[Json]]] = {
            "ledger": lambda: [entry.to_json() for entry in self._ledger.entries()],
            "jobs": lambda: [record.to_json() for record in self._store.records()],
        }
        page = pages.get(request.path.removeprefix(OWN_PATH))
        if page is None:
            return refusal(404, "NOT_FOUND", f"the pages are: {', '.join(OWN_PATH + name for name in pages)}")
        return Answer(200, page())


_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


def _within(address: str | None, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    if address is None:
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return any((mapped or ip) in network for network in networks)


def _no_such_job(job_id: str) -> Answer:
    return refusal(404, "JOB_NOT_FOUND", f'there is no job "{job_id}"', data=job_id)


def _parsed(body: bytes) -> Json:
    try:
        return json.loads(body)  # type: ignore[no-any-return]  # whatever it is, it is JSON
    except (ValueError, RecursionError):
        return None
