"""The two documented endpoints over HTTPS and nothing more, in a process of its own: every job has succeeded at once.

The sandbox does more for each request than some of the clients do, and would be what is measured, once for each side.
This takes a fraction of it; how much of a processor it used is said beside the figures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Self

from aftrun.sandbox.certificate import self_signed
from benchmarks.common import processor_time

NUMBERS = itertools.count(1)
HEAD = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


def answer(head: bytes, body: bytes) -> bytes:
    """The whole response to one request."""
    method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    if b"x-api-key: sandbox-key" not in head.lower():
        status, said = "401 Unauthorized", {"message": "a wrong key"}
    elif method == "POST" and path == "/v1/jobs" and "scriptName" in json.loads(body):
        status, said = "201 Created", {"id": f"job-{next(NUMBERS)}", "status": "queued"}
    elif method == "GET" and path.startswith("/v1/adm/jobs/job-"):
        status, said = "200 OK", {"id": path.rpartition("/")[2], "status": "succeeded"}
    else:
        status, said = "404 Not Found", {"message": "no such thing"}
    text = json.dumps(said)
    return (HEAD.format(status, len(text)) + text).encode()


class Connection(asyncio.Protocol):
    """One connection, kept until the client closes it."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            _, found, after = head.lower().partition(b"content-length:")
            length = int(after.split(b"\r\n", 1)[0]) if found else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._transport.write(answer(head, rest[:length]))


async def serve(ca_file: Path) -> None:
    """Listen on a free port of loopback, and say the URL."""
    made = self_signed()
    ca_file.write_bytes(made.ca_pem)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, ssl=made.context(), backlog=1024)
    print(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201  # for who started it
    await server.serve_forever()


class LeanServer:
    """Runs from construction to the end of the `with` block. Its certificate goes to `folder`."""

    def __init__(self, folder: Path) -> None:
        self.ca_file = str(folder / "lean.pem")
        argv = [sys.executable, "-m", "benchmarks.lean", self.ca_file]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)  # noqa: S603  # this module
        assert self._process.stdout is not None  # noqa: S101  # for the type checker
        self.url = self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None  # noqa: S101  # for the type checker
        self._process.stdout.close()

    def cpu(self) -> float:
        """The CPU seconds that it has used; 0 where the system does not say."""
        return processor_time(self._process.pid)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
