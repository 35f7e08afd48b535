"""What `aftrun ui` answers, and to whom: to who has the token, under this machine's own name, and to nobody else.

The token is the first part of every path, so that no cookie is needed and links within the pages work. A page of
another site can neither guess it nor read it (no referrer, no embedding), and a name that somebody makes point here
(DNS rebinding) is refused by the `Host` header. Only GET and HEAD are answered; nothing is written.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from aftrun.domain.errors import StateError
from aftrun.domain.model import RunOutcome
from aftrun.domain.past import Past
from aftrun.domain.text import one_line
from aftrun.report import history, html, page
from aftrun.service.reading import LiveRun, Record

LOOK = 0.4
"""Seconds between two looks at the record for news."""
_STREAMS = 50
"""How many pages may be open and hear news at once."""
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "aftrun",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The policy of whatever is no page."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """The pages of some state folders."""

    def __init__(self, records: Sequence[Record], token: str, port: int) -> None:
        self._records, self._token = tuple(records), token
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._open = 0

    def app(self) -> web.Application:
        """The application, all of whose answers pass `guard`."""
        app = web.Application(middlewares=[self.guard])
        app.router.add_get("/{token}/", self.index)
        app.router.add_get("/{token}/{place:[0-9]+}/", self.past)
        app.router.add_get("/{token}/{place:[0-9]+}/events", self.past_news)
        app.router.add_get("/{token}/{place:[0-9]+}/run/{run}/", self.run)
        app.router.add_get("/{token}/{place:[0-9]+}/run/{run}/events", self.run_news)
        return app

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who is not meant, and say to browsers what may be done with an answer."""
        answer: web.StreamResponse | None = self._refusal(request)
        if answer is None:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = _text(error.status, "nothing is here")
            except StateError as error:
                answer = _text(503, one_line(error.message, 500))
        if not answer.prepared:
            answer.headers.update(HEADERS)
            answer.headers.setdefault("Content-Security-Policy", NOTHING)
        return answer

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.getall("Host", []) not in [[host] for host in self._hosts]:
            return _text(403, "this is not the name of this server")
        own = f"http://{request.headers['Host']}"
        if any(origin != own for origin in request.headers.getall("Origin", [])):
            return _text(403, "other sites are not answered")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return _text(403, "other sites are not answered")
        if request.method not in ("GET", "HEAD"):
            return _text(405, "nothing can be changed here")
        given = request.path.split("/")[1] if request.path.startswith("/") else ""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode()):
            return _text(404, "nothing is here: use the address that `aftrun ui` printed, token and all")
        return None

    def _record(self, request: web.Request) -> Record:
        place = int(request.match_info["place"][:6])
        if place >= len(self._records):
            raise web.HTTPNotFound
        return self._records[place]

    async def index(self, request: web.Request) -> web.StreamResponse:
        """Which state folders there are; of one alone, its history."""
        if len(self._records) == 1:
            return self._history(self._records[0], "0/")
        folders = [(f"{place}/", str(each.folder)) for place, each in enumerate(self._records)]
        return _page(page.render("folders", folders=[(link, one_line(name, 500)) for link, name in folders]))

    async def past(self, request: web.Request) -> web.StreamResponse:
        """How runs have gone."""
        return self._history(self._record(request), "")

    def _history(self, record: Record, base: str) -> web.Response:
        past = record.past()
        links = {run.id: f"{base}run/{run.id}/" for run in past.runs}
        return _page(history.render(past, links, live=f"{base}events"))

    async def run(self, request: web.Request) -> web.StreamResponse:
        """One run, which goes on by itself on the page while it is under way."""
        record = self._record(request)
        report = record.run(request.match_info["run"])
        if report is None:
            raise web.HTTPNotFound
        live = "events" if report.outcome == RunOutcome.RUNNING else ""
        return _page(html.render(report, record.before(report), live=live, home="../../"))

    # --- news -----------------------------------------------------------------------------------------------------

    async def run_news(self, request: web.Request) -> web.StreamResponse:
        """The jobs of a run that have changed, as server-sent events, until the run has ended."""
        record, run = self._record(request), request.match_info["run"]
        if record.run(run) is None:
            raise web.HTTPNotFound
        live = LiveRun(record, run)

        def news() -> str | None:
            changed = live.news()
            if changed is None or live.report is None:
                return None
            return json.dumps(html.news(live.report, changed), separators=(",", ":"))

        def over() -> bool:
            return live.report is not None and live.report.outcome != RunOutcome.RUNNING

        return await self._stream(request, news, over)

    async def past_news(self, request: web.Request) -> web.StreamResponse:
        """That something new is on record, as server-sent events."""
        record = self._record(request)
        stamp, seen = record.stamp(), _signature(record.past())

        def news() -> str | None:
            nonlocal stamp, seen
            now = record.stamp()
            # That the process of a run is gone shows in its lock alone.
            if now == stamp and all(outcome != RunOutcome.RUNNING for _, outcome, _ in seen):
                return None
            before, stamp, seen = seen, now, _signature(record.past())
            return None if before == seen else "{}"

        return await self._stream(request, news, lambda: False)

    async def _stream(
        self, request: web.Request, news: Callable[[], str | None], over: Callable[[], bool]
    ) -> web.StreamResponse:
        if self._open >= _STREAMS:
            return _text(503, "too many pages are open")
        stream = web.StreamResponse(headers={**HEADERS, "Content-Security-Policy": NOTHING})
        stream.content_type = "text/event-stream"
        await stream.prepare(request)
        self._open += 1
        try:
            while True:
                found = news()
                # A comment now and then finds out that nobody listens any more.
                await stream.write(f"data: {found}\n\n".encode() if found is not None else b":\n\n")
                if over():
                    await stream.write(b"event: over\ndata: {}\n\n")
                    return stream
                await asyncio.sleep(LOOK)
        except (ConnectionError, StateError):
            return stream
        finally:
            self._open -= 1


def _signature(past: Past) -> tuple[tuple[str, str, int], ...]:
    """What a page of many runs shows of them: which there are, and what became of them."""
    return tuple((run.id, run.outcome, sum(run.counts.values())) for run in past.runs)


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", content_type="text/plain")


def _page(text: str) -> web.Response:
    """A page, whose own policy is the server's word too, and which no other page may hold."""
    found = _POLICY.search(text)
    policy = NOTHING if found is None else found.group(1).replace("&#39;", "'") + "; frame-ancestors 'none'"
    body = text.encode("utf-8", "backslashreplace")
    headers = {"Content-Security-Policy": policy}
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)
