"""`--events`: what happens, as it happens, one JSON object a line. Its shape is `schemas/event.schema.json`.

The first line says what is to come (`{"type": "stream", "version": 1, …}`); every further line is an event, each
written out before the next thing happens. A run that is resumed begins a new stream.
"""

from __future__ import annotations

import json
from typing import TextIO

from aftrun.domain.digits import exact_json, has_digits
from aftrun.domain.errors import StateError
from aftrun.domain.events import FORMAT, Event, SubmitIntended, to_json
from aftrun.domain.text import escaped_json


def line(event: Event) -> str:
    """One event as a line of JSON, with its newline. Whatever a text holds, it is one line."""
    data = to_json(event)
    if isinstance(event, SubmitIntended) and has_digits(event.request):
        return escaped_json(exact_json(data)) + "\n"
    return _dump(data)


def header(aftrun: str) -> str:
    """The first line of a stream; `aftrun` is the version of the program."""
    return _dump({"type": "stream", "version": FORMAT, "aftrun": aftrun})


def _dump(data: object) -> str:
    # ASCII, so that no reader splits a line at U+2028 and no console can fail to show it.
    return escaped_json(json.dumps(data, separators=(",", ":"))) + "\n"


class EventStream:
    """A listener that writes the stream to `file` and flushes every line.

    When the file cannot be written, or its reader went away, the run goes on: the reason is kept in `error`, and
    nothing more is written. `name` is what the error calls the file. The file is not closed; the caller opened it.
    """

    def __init__(self, file: TextIO, aftrun: str, *, name: str = "the stream of events") -> None:
        self.error: StateError | None = None
        self._file = file
        self._name = name
        self._write(header(aftrun))

    def __call__(self, event: Event, _folder: object) -> None:
        """Hear one event."""
        self._write(line(event))

    def _write(self, text: str) -> None:
        if self.error is not None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except (OSError, ValueError) as error:  # ValueError: somebody closed it
            why = getattr(error, "strerror", None) or str(error)
            self.error = StateError(
                f"cannot write {self._name}: {why}", hint="the run itself is not affected; its report has everything"
            )


def open_events(path: str) -> TextIO:
    r"""The file for a stream, emptied. Newlines are `\n` everywhere.

    Raises:
        StateError: it cannot be opened.
    """
    try:
        return open(path, "w", encoding="ascii", newline="\n")  # noqa: PTH123  # the caller closes it
    except OSError as error:
        raise StateError(
            f"cannot write {path}: {error.strerror or error}", hint="check that the folder exists and is writable"
        ) from error
