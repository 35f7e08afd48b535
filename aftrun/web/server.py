"""The socket of `aftrun ui`: on this machine's own address, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from aftrun.domain.errors import UsageError
from aftrun.service.reading import Record
from aftrun.web.app import Site

ADDRESS = "127.0.0.1"
_LOOK = 0.2
"""Seconds between two looks at whether to stop."""


class _Log(logging.Handler):
    """What aiohttp logs, in a line: its own way would print what strangers send, traceback and all."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say what failed; a request that is none has been answered, and is no news."""
        kind = record.exc_info[0] if record.exc_info else None
        if kind is None or not issubclass(kind, HttpProcessingError):
            self._say(f"warning: the page could not be made: {'' if kind is None else kind.__name__}")


def serve(
    records: Sequence[Record],
    port: int,
    ready: Callable[[str], None],
    stopped: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Serve until `stopped` says so; `ready` gets the address once it answers.

    Args:
        records: the state folders.
        port: 0 is any free one.
        ready: called once.
        stopped: asked a few times a second.
        say: hears of what went wrong.

    Raises:
        UsageError: the port cannot be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {ADDRESS}:{port}: {error.strerror or error}", hint="use another --port, or none"
        ) from error
    with listener:
        asyncio.run(_serve(records, listener, ready, stopped, say))


async def _serve(
    records: Sequence[Record],
    listener: socket.socket,
    ready: Callable[[str], None],
    stopped: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    logger = logging.Logger("aftrun.web")
    logger.addHandler(_Log(say))
    token = secrets.token_urlsafe(24)
    port = listener.getsockname()[1]
    runner = web.AppRunner(Site(records, token, port).app(), access_log=None, logger=logger, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        ready(f"http://{ADDRESS}:{port}/{token}/")
        while not stopped():
            await asyncio.sleep(_LOOK)
    finally:
        await runner.cleanup()
