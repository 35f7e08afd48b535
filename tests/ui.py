"""`aftrun ui` as a program that runs beside a test."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import clean_environ, program
from tests.waiting import HANG


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs."""

    url: str

    def ask(self, path: str, method: str = "GET", *, host: str | None = None, **headers: str) -> Answer:
        """One request, its path sent as it is; `host` instead of the right name."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=HANG)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if host != "":
                connection.putheader("Host", place.netloc if host is None else host)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            streams = answer.headers.get_content_type() == "text/event-stream"
            body = answer.readline().decode() if streams else answer.read().decode("utf-8", "replace")
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
        finally:
            connection.close()

    @property
    def token(self) -> str:
        """The first part of every path."""
        return urlsplit(self.url).path.split("/")[1]


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, **environ: str) -> Iterator[Served]:
    """The program, from its address to Ctrl-C, which it takes well."""
    process = subprocess.Popen(
        [*program(), "ui", *arguments],
        cwd=folder,
        env={**clean_environ(), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), process.communicate()
        yield Served(url)
        process.terminate()
        _, said = process.communicate(timeout=HANG)
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
    finally:
        process.kill()
        process.communicate()
