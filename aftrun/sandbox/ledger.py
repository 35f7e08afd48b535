"""What reached the sandbox, request by request: the evidence that tests go by."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from aftrun.domain.errors import UsageError
from aftrun.domain.events import instant
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json

_BINARY: int = getattr(os, "O_BINARY", 0)
"""Windows only: without it, the file would get other line ends than were written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, or one connection that was cut before it could bring one (then `method` is empty)."""

    sequence: int
    """Counts from 1."""
    time: float
    """When the request was read, in epoch seconds."""
    connection: int
    """Counts from 1; requests of one connection share it."""
    method: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """As sent, with `valid` or `invalid` in place of the API key."""
    body: bytes = b""
    parsed: Json = None
    """The body as JSON; None where it is none."""
    status: int | None = None
    """As answered; None where no answer was given."""
    fault: str | None = None
    """The kind of the fault that struck."""
    job_id: str | None = None
    """The job that was created or read."""
    effect: bool = False
    """Whether this very request created a job."""

    @property
    def key(self) -> str:
        """`valid`, `invalid` or `absent`."""
        return next((value for name, value in self.headers if name.lower() == "x-api-key"), "absent")

    def to_json(self) -> dict[str, Json]:
        """The entry as a JSON object, keys in camelCase. A body that is no text is given as `{"base64": …}`."""
        body: Json
        try:
            body = self.body.decode()
        except UnicodeDecodeError:
            body = {"base64": base64.b64encode(self.body).decode("ascii")}
        return {
            "sequence": self.sequence,
            "time": instant(self.time),
            "connection": self.connection,
            "method": self.method,
            "path": self.path,
            "headers": [[name, value] for name, value in self.headers],
            "key": self.key,
            "body": body,
            "parsed": self.parsed,
            "status": self.status,
            "fault": self.fault,
            "jobId": self.job_id,
            "effect": self.effect,
        }


class Ledger:
    """The entries in order, and, where a path is given, a copy of each in that file as a line of JSON.

    A line is handed to the operating system before the answer leaves, so it is there even if the process is killed.

    Raises:
        UsageError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._file: int | None = None
        if path is not None:
            try:
                # Bodies may hold secrets, so the file is for its owner only.
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _BINARY, 0o600)
            except OSError as error:
                raise UsageError(
                    f"the sandbox cannot write its ledger to {path}: {error.strerror}",
                    hint="give the path of a file in a folder that exists and that you may write to",
                ) from error

    def next_sequence(self) -> int:
        """The number that the next entry must carry."""
        return len(self._entries) + 1

    def add(self, entry: Entry) -> None:
        """Record `entry`. Only the server's thread may."""
        self._entries.append(entry)
        if self._file is not None:
            line = json.dumps(entry.to_json(), ensure_ascii=False) + "\n"
            os.write(self._file, line.encode("utf-8", "surrogatepass"))

    def entries(self) -> tuple[Entry, ...]:
        """All entries so far. Any thread may ask."""
        return tuple(self._entries)

    def close(self) -> None:
        """Close the file. Entries can still be read."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
