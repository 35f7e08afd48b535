"""The client: one request in, one `Reply` out. The only importer of `requests`."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import requests.adapters
import requests.cookies
import requests.structures
import urllib3
import urllib3.exceptions

from aftrun import __version__
from aftrun.client import body as bodies
from aftrun.client import failures, https_port, probe, proxy, text, tls
from aftrun.client.jobinfo import info as jobinfo
from aftrun.client.jobinfo import location as job_location
from aftrun.client.transport import Oversize, Phase, Trace, Wire, pool_classes
from aftrun.domain import jobids, urls
from aftrun.domain.digits import exact_json
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import replace
from aftrun.domain.instants import seconds
from aftrun.domain.model import Answer, Endpoint, Failure, FailureKind, JobInfo, Json, Reply, State
from aftrun.domain.secrets import NOTHING_SECRET, Scrubber
from aftrun.domain.text import one_line

_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|password", re.IGNORECASE)
_FRAMING = ("content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect")
"""Headers that say how a request is cut into bytes. A user's own would make server and client disagree."""

_LONGEST_WAIT = 10**9
_NOT_NOW = (429, 503)
"""What an overloaded server says of a submission that it has not taken. Where such an answer names a job, it has."""
_LARGE = 256 * 1024
"""Bytes from which answers are read one after another: text, decoded text and values stand side by side meanwhile."""
_READING = threading.Lock()


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter with our connections, our TLS context, and nothing done twice."""

    def __init__(self, wire: Wire, context: Any, proxy_context: Any, connections: int) -> None:
        self._wire = wire
        self._context = context
        self._proxy_context = proxy_context
        super().__init__(
            pool_connections=1,
            pool_maxsize=connections,
            max_retries=urllib3.Retry(0, redirect=False, raise_on_redirect=False, raise_on_status=False),
        )

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._wire)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy not in self.proxy_manager:
            manager: Any = super().proxy_manager_for(proxy, proxy_ssl_context=self._proxy_context, **kwargs)
            manager.pool_classes_by_scheme = pool_classes(self._wire)
        return self.proxy_manager[proxy]

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Where to connect, and our TLS context instead of what requests makes of `verify` and `cert`."""
        parts = urllib.parse.urlsplit(str(request.url))
        place = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        return place, {"ssl_context": self._context} if parts.scheme == "https" else {}

    def close(self) -> None:
        """Close the idle connections now. The original leaves that to the garbage collector."""
        for manager in (self.poolmanager, *list(self.proxy_manager.values())):
            for key in manager.pools.keys():  # noqa: SIM118 -- no mapping: it refuses to be iterated over
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the context has it all, and the original would change the pool behind its back."""


class _NoCookies(requests.cookies.RequestsCookieJar):
    """Remembers nothing, and does not even read what a server would have it remember."""

    def extract_cookies(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


class _Session(requests.Session):
    """requests' session over one adapter, without its habits: no environment, no `.netrc`, no cookies, no redirects."""

    def __init__(self, adapter: _Adapter) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies = _NoCookies()
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, so that a redirect is an answer like others, whose body is read within limits."""


def _checked_url(url: str) -> urls.ServerUrl:
    try:
        return urls.parse_url(url.strip())
    except ValueError as fault:
        raise UsageError(f"the server's URL is not usable: {fault}", hint=urls.URL_FORM) from fault


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """All headers of a GET. Faults are found here, where the message can leave the value out."""
    result = {"User-Agent": f"aftrun/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    for name, value in endpoint.headers:
        if not urls.is_header_name(name):
            raise UsageError(f"{one_line(name, 100)!r} is not the name of a header")
        if name.lower() in _FRAMING:
            raise UsageError(f"the header {name} cannot be set: aftrun sets it itself")
        if fault := urls.header_value_fault(value):
            raise UsageError(f"the value of the header {name} is not usable: {fault}")
        result = {key: old for key, old in result.items() if key.lower() != name.lower()}
        result[name] = value
    if endpoint.api_key:
        if fault := urls.header_value_fault(endpoint.api_key):
            raise UsageError(
                f"the API key is not usable: {fault}",
                hint="check where it comes from; a file or a pasted key often carries a line break at its end",
            )
        result = {key: old for key, old in result.items() if key.lower() != "x-api-key"}
        result["X-API-Key"] = endpoint.api_key
    return result


def _own_secrets(endpoint: Endpoint, through: proxy.Proxy | None) -> Iterable[str]:
    yield endpoint.api_key
    if through is not None:
        yield through.password
    for name, value in endpoint.headers:
        if _SECRET_HEADER.search(name):
            yield value
            yield value.rpartition(" ")[2]  # `Bearer …`


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from a `Retry-After` header: a number, or the distance to an HTTP date. None where it is neither."""
    value = (value or "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return float(min(int(value[:20]), _LONGEST_WAIT))
    at = _http_date(value)
    return None if at is None else min(max(0.0, at - now), float(_LONGEST_WAIT))


def _http_date(value: str | None) -> float | None:
    """The epoch seconds of an HTTP date; None where it is none."""
    try:
        return seconds(parsedate_to_datetime(value or ""))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class AftClient:
    """One server. Thread-safe; each call is one request, which is never repeated here: repeating is policy.

    A POST has a connection of its own, which resumes the TLS session of the one before. Reads share kept ones; one that
    finds its connection closed is sent once more over a fresh one.

    `connections` is how many idle connections are kept. `environ` stands in for the environment (proxies, CA
    variables). `clock` tells the time for `Retry-After`, `monotonic` that of
    deadlines.

    Raises:
        UsageError: the endpoint names files that cannot be read, or values that cannot be sent.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        scrubber: Scrubber = NOTHING_SECRET,
        connections: int = 8,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        jobinfo.check(endpoint.job_info)
        parts = _checked_url(endpoint.url)
        if not endpoint.plain and urls.in_clear(parts.origin):  # whoever checked it before, nothing leaves in clear
            raise UsageError(f"{parts.origin}: {urls.IN_CLEAR}", hint=urls.PLAIN_HINT)
        self._host, self._port = parts.host, parts.port
        self._plain = not parts.secure
        self._base = f"{parts.origin}{_quoted(parts.path)}"
        self._submit_path = _quoted(endpoint.submit_path)
        self._status_path = "{id}".join(map(_quoted, endpoint.status_path.split("{id}")))
        self._headers = _headers(endpoint)
        self._proxy = proxy.find(parts.scheme, self._host, self._port, environ)
        self._proxies = {parts.scheme: self._proxy.url} if self._proxy is not None else {}
        self._scrubber = scrubber
        self._own = Scrubber(_own_secrets(endpoint, self._proxy))
        self._pins = tls.pins(endpoint)
        self._trace = Trace()
        timeouts = (endpoint.connect_timeout, endpoint.read_timeout)
        self._wire = wire = Wire(self._trace, *timeouts, self._pins, monotonic)
        context = tls.context(endpoint, environ) if parts.scheme == "https" else None
        # The way to a proxy is not the way to the server: its certificate is always verified. What that needs is
        # loaded now: once the first POST may leave, it need not be there any more.
        secure = self._proxy is not None and self._proxy.url.lower().startswith("https:")
        adapter = _Adapter(wire, context, tls.verifying_context(environ) if secure else None, connections)
        self._session = _Session(adapter)
        self._seen: tls.PeerCertificate | None = None
        self._looked = False
        self._look_lock = threading.Lock()

    def submit(self, body: Mapping[str, Json]) -> Reply:
        """Ask the server to create a job. The body is sent as JSON.

        The answer to a submission never reads as succeeded: `{"status": "success"}` there says that the *request*
        went well. Such a state is `MISSING`, and the first status read will tell.
        """
        content = exact_json(body).encode("ascii")
        headers = {**self._headers, "Content-Type": "application/json", "Content-Length": str(len(content))}
        reply = self._exchange("POST", self._url(self._submit_path), headers, content)
        if isinstance(reply, Answer) and reply.info is not None and reply.info.state is State.SUCCEEDED:
            return replace(reply, info=replace(reply.info, state=State.MISSING))
        return reply

    def status(self, job_id: str) -> Reply:
        """Read the job info of a job. What cannot be an id is not sent: it would be asked of another address."""
        why = jobids.flaw(job_id)
        if why:
            return Failure(FailureKind.LOST, False, f"{one_line(job_id, 60)!r} is not the id of a job: {why}")
        url = self._url(self._status_path.replace("{id}", urllib.parse.quote(job_id, safe="")))
        reply = self._exchange("GET", url, self._headers, None)
        if isinstance(reply, Failure) and reply.kind is FailureKind.LOST and self._trace.reused:
            # Most likely the server had closed the kept connection. Of the job this says nothing.
            reply = self._exchange("GET", url, self._headers, None, fresh=True)
        return reply

    def notices(self) -> tuple[str, ...]:
        """What a person should know of the server, as far as it was seen: a certificate that ends soon."""
        if not self._wire.shown:
            return ()
        said = probe.expiry(tls.describe(self._wire.shown[0]), self._clock()).error
        advice = "; list the next one's pin too" if self._pins else ""
        return (f"the certificate of {self._host}:{self._port}: {said}{advice}",) if said else ()

    def close(self) -> None:
        """Close the idle connections. A later call opens new ones."""
        self._session.close()

    def _url(self, path: str) -> str:
        return f"{self._base}/{path.lstrip('/')}"

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, *, fresh: bool = False
    ) -> Reply:
        """One request and its answer. POSTs, and what is to be `fresh`, have a connection of their own."""
        trace = self._trace
        trace.begin(alone=method == "POST" or fresh)
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, content
        request.headers = requests.structures.CaseInsensitiveDict(headers)
        timeout = (self._endpoint.connect_timeout, self._endpoint.read_timeout)
        try:
            response = self._session.send(
                request, stream=True, timeout=timeout, proxies=self._proxies, allow_redirects=False
            )
        except _NETWORK_ERRORS as error:
            return self._failure(trace.error or error)
        finally:
            trace.error = None  # its traceback holds the whole request, key included
        try:
            with contextlib.ExitStack() as stack:
                return self._answer(method, response, stack)
        finally:
            response.close()  # gives the connection back, or closes it where the body was not read to its end

    def _answer(self, method: str, response: requests.Response, stack: contextlib.ExitStack) -> Reply:
        """The answer, read. `stack` is held meanwhile: large ones are read one after another."""
        status = response.status_code
        location = response.headers.get("Location", "")
        value: Json = None
        problem = said = ""
        content = b""
        try:
            content = self._content(response)
            stack.enter_context(_READING if len(content) > _LARGE else contextlib.nullcontext())
            value = bodies.parse(content)
        except bodies.Unreadable as error:
            problem = str(error)
            said = text.excerpt(content[: bodies.STEP * 4].decode("utf-8", "replace"), self._scrub) if content else ""
        except (bodies.CutShort, *_NETWORK_ERRORS) as error:
            lost = self._failure(_first_cause(error))
            if 200 <= status < 300:
                return lost
            problem = lost.message  # the status line alone has decided; only the explanation is lost
        else:
            said = jobinfo.error_message(value)
        if self._plain and https_port.says_so(status, content):
            return https_port.failure(f"{self._host}:{self._port}")
        good = 200 <= status < 300
        info = None
        created = good and method == "POST"
        put_off = method == "POST" and status in _NOT_NOW
        located = job_location.id_of(location, self._submit_path, self._status_path) if created or put_off else None
        if (good or put_off) and not problem:
            info = jobinfo.read(value, self._endpoint.job_info, located, scrub=self._scrub)
        if put_off and info is not None and info.state not in (State.QUEUED, State.RUNNING):
            info = None  # errors have ids of their own
        if info is None and located is not None:
            info = JobInfo(id=located, state=State.MISSING)
        if created and (info is None or info.id is None):
            problem = (problem or self._no_id()) + _no_address(location, located)
        if info is not None:
            info, problem = self._without_secrets(info, problem)
        if 300 <= status < 400:
            where = f"redirects to {location}" if location else "redirects"
            said = f"the server {where}, and aftrun follows no redirects: `server.url` must be the server's own address"
        return Answer(
            status=status,
            info=info,
            message="" if good and not problem else self._clean(said),
            problem=self._clean(problem),
            retry_after=retry_after(response.headers.get("Retry-After"), self._clock()),
            server_time=_http_date(response.headers.get("Date")),
        )

    def _no_id(self) -> str:
        where = " where `server.jobInfo.id` looks for it" if self._endpoint.job_info.id is not None else ""
        return f"its answer holds no job id that aftrun can read{where}"

    def _without_secrets(self, info: JobInfo, problem: str) -> tuple[JobInfo | None, str]:
        """The job info, ids that hold a secret left out: they would have to be put on record to be of any use."""

        def secret(text: str) -> bool:
            return self._own.holds(text) or self._scrubber.holds(text)

        ids = tuple((field, self._scrub(name) if secret(name) else name) for field, name in info.ids)
        if info.id is None or not secret(info.id):
            return replace(info, ids=ids), problem
        return None, "the id that the server gives the job holds a secret value, so it cannot be put on record"

    @staticmethod
    def _content(response: requests.Response) -> bytes:
        announced = response.raw.length_remaining
        if announced is not None and announced > bodies.LIMIT:
            raise bodies.too_large()
        coding = response.headers.get("Content-Encoding", "")
        try:
            return bodies.collect(response.raw.stream(bodies.STEP, decode_content=False), coding)
        except (bodies.Unreadable, bodies.CutShort):
            raise
        except ValueError as error:  # a chunk of negative size, say
            raise http.client.HTTPException("its chunks make no sense") from error
        except _NETWORK_ERRORS as error:
            if isinstance(_first_cause(error), Oversize):
                raise bodies.too_large() from error
            raise

    def _failure(self, error: BaseException) -> Failure:
        trace = self._trace
        attempted = failures.Attempted(
            host=self._host,
            port=self._port,
            phase=trace.phase,
            sent=trace.sent,
            error=error,
            connect_timeout=self._endpoint.connect_timeout,
            read_timeout=self._endpoint.read_timeout,
            proxy=self._proxy.place if self._proxy is not None else "",
            reused=trace.reused,
            has_client_certificate=self._endpoint.cert_file is not None,
            secure=not self._plain,
        )
        seen = self._look() if trace.phase is Phase.HANDSHAKE and failures.certificate_refused(error) else None
        if self._plain and trace.phase in (Phase.SEND, Phase.ANSWER) and self._meets_tls(error, reused=trace.reused):
            return https_port.failure(attempted.place)
        found = failures.failure(attempted, seen, self._pins)
        return replace(found, message=self._clean(found.message), hint=self._clean(found.hint))

    def _meets_tls(self, error: BaseException, *, reused: bool) -> bool:
        """Whether `http://` was answered by a port that speaks TLS alone, so that no request was read."""
        if https_port.says_alert(error):
            return True
        silent = isinstance(error, ConnectionError | http.client.RemoteDisconnected)
        if not silent or reused or self._proxy is not None:
            return False
        return https_port.refuses_plain(self._host, self._port, self._endpoint.connect_timeout)

    def _look(self) -> tls.PeerCertificate | None:
        """The certificate that was refused, from one more handshake; once, then from memory."""
        with self._look_lock:
            if not self._looked:
                self._looked = True
                try:
                    self._seen = tls.peer_certificate(
                        self._host,
                        self._port,
                        self._endpoint.connect_timeout,
                        proxy=self._proxy,
                        cert_file=self._endpoint.cert_file,
                        key_file=self._endpoint.key_file,
                    )
                except (OSError, UsageError):
                    self._seen = None  # the message then names the command that shows it
            return self._seen

    def _scrub(self, words: str) -> str:
        return self._own.scrub(self._scrubber.scrub(words))

    def _clean(self, words: str) -> str:
        return text.shortened(text.hide(words, self._scrub))


def _no_address(location: str, located: str | None) -> str:
    return f", and `Location: {location}` is not the address of a job" if location and located is None else ""


def _quoted(path: str) -> str:
    return urllib.parse.quote(path, safe="/%:?=&+,;@!$'()*~")


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
