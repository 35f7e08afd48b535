"""A job's request taken apart: literal text, values from outside, and what only a run would know.

What the shells are given is made from these pieces: see `curl` and `powershell`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from aftrun.domain import urls
from aftrun.domain.digits import exact_json
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import DEFAULT_KEY_VARIABLE, Job, Json, ServerSpec
from aftrun.domain.values import Inside, Outside, Template, Value, nothing_inside
from aftrun.run.plan import Plan, Task
from aftrun.run.render import make_request

Find = Callable[[Inside], str | None]


@dataclass(frozen=True, slots=True)
class Hole:
    """A value that only a run has; `variable` is the shell's variable for it."""

    variable: str
    meaning: str


Piece = str | Outside | Hole

RUN_ID = Hole("AFT_RUN_ID", "the id of the run")


@dataclass(frozen=True, slots=True)
class Text:
    """One JSON string of a body, as pieces of its text (not yet escaped)."""

    pieces: tuple[Piece, ...]


Body = tuple[str | Text, ...]
"""A JSON text: its literal parts, ASCII only, and the strings in it that hold more than literal text."""


def _hole(reference: Inside) -> Hole:
    if reference.path[:2] == ("run", "id"):
        return RUN_ID
    _, name, *rest = reference.path
    words = "_".join(["AFT", *(["ID"] if rest == ["id"] else ["OUTPUT"]), name, *rest[1:]])
    what = f"the id of job {name}" if rest == ["id"] else f"output {rest[-1]} of job {name}"
    return Hole(re.sub(r"[^A-Za-z0-9]", "_", words), what)


def take_apart(value: Value, task: Task, find: Find) -> tuple[Piece, ...]:
    """The pieces of a value; neighbouring literal text is one piece."""
    found: list[Piece] = []
    for part in value.parts if isinstance(value, Template) else (value,):
        if isinstance(part, Inside):
            inner = (task.variables or {}).get(part.path[1]) if part.path[0] == "vars" else None
            if inner is not None:
                found += take_apart(inner, task, find)
                continue
            known = None if part.path == ("run", "id") else find(part)
            found.append(_hole(part) if known is None else known)
        else:
            found.append(part)
    return joined(found)


def joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The same with neighbouring literal text made one, and empty text left out."""
    result: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece != "":
            result.append(piece)
    return tuple(result)


def known_params(job: Job, server: ServerSpec) -> dict[str, Json]:
    """The params whose values are literal text, as a run would send them: numbers for `paramValues: json`, say."""
    literal = tuple(param for param in job.params if isinstance(param.value, str))
    bare = replace(job, script=replace(job.script, value=""), params=literal, correlation="")
    found = make_request(bare, server, {}, nothing_inside, "").body.get("params")
    return found if isinstance(found, dict) else {}


def body(task: Task, server: ServerSpec, find: Find) -> Body:
    """The JSON text of a job's POST, spelled as `apply` spells it."""
    job = task.job
    typed = known_params(job, server)
    fields: dict[str, str | Text] = {}
    for param in job.params:
        if param.name in typed:
            fields[param.name] = exact_json(typed[param.name])
        else:
            fields[param.name] = _text(take_apart(param.value, task, find))
    if job.correlation:
        fields[job.correlation] = _text((RUN_ID, f"/{task.label}/1"))
    parts: list[str | Text] = ["{" + json.dumps(job.script.selector.value) + ":"]
    parts.append(_text(take_apart(job.script.value, task, find)))
    for number, (name, value) in enumerate(fields.items()):
        parts += [(',"params":{' if number == 0 else ",") + json.dumps(name) + ":", value]
    parts.append("}}" if fields else "}")
    return _joined_body(parts)


def _text(pieces: Sequence[Piece]) -> str | Text:
    if all(isinstance(piece, str) for piece in pieces):
        return json.dumps("".join(piece for piece in pieces if isinstance(piece, str)))
    return Text(tuple(pieces))


def _joined_body(parts: Sequence[str | Text]) -> Body:
    result: list[str | Text] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        else:
            result.append(part)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Call:
    """One POST, in pieces."""

    title: str
    """`manifest/job`."""
    server: ServerSpec
    url: tuple[Piece, ...]
    """Without the path."""
    headers: tuple[tuple[str, tuple[Piece, ...]], ...]
    """The key's first; the content type is not among them."""
    body: Body
    ca_file: tuple[Piece, ...] | None
    cert_file: tuple[Piece, ...] | None
    key_file: tuple[Piece, ...] | None
    key_is_literal: bool
    """The manifest holds the key itself, which is not repeated: the usual variable stands in its place."""

    @property
    def loopback(self) -> bool:
        """Whether the server is this machine; aftrun uses no proxy then."""
        first = self.url[0] if self.url else ""
        # A slash ends the host where nothing follows that could lengthen it.
        host = urls.literal_host(first + "/" * (len(self.url) == 1)) if isinstance(first, str) else None
        return host is not None and urls.is_loopback(host[1])


def said_once() -> Callable[[Call, list[str]], list[str]]:
    """Keeps the notes on a request that no earlier request to the same server had."""
    told: set[tuple[ServerSpec, str]] = set()

    def once(call: Call, notes: list[str]) -> list[str]:
        new = [note for note in notes if (call.server, note) not in told]
        told.update((call.server, note) for note in notes)
        return new

    return once


def calls(plan: Plan, order: Sequence[Task], lookups: Callable[[Task], Find]) -> list[Call]:
    """The POSTs of a plan, in the order given."""
    result = []
    for task in order:
        server, find = plan.servers[task.server], lookups(task)

        def pieces(value: Value, task: Task = task, find: Find = find) -> tuple[Piece, ...]:
            return take_apart(value, task, find)

        tls = server.tls
        literal = isinstance(server.api_key, str)
        usual = Outside("env", DEFAULT_KEY_VARIABLE, "${" + DEFAULT_KEY_VARIABLE + "}")
        url = pieces(server.url)
        if len(url) == 1 and isinstance(url[0], str):
            url = (url[0].rstrip("/"),)
        result.append(
            Call(
                title=task.key,
                server=server,
                url=url,
                headers=(
                    ("X-API-Key", (usual,) if literal else pieces(server.api_key)),
                    *((name, pieces(value)) for name, value in server.headers),
                ),
                body=body(task, server, find),
                ca_file=None if tls.ca_file is None else pieces(tls.ca_file),
                cert_file=None if tls.cert_file is None else pieces(tls.cert_file),
                key_file=None if tls.key_file is None else pieces(tls.key_file),
                key_is_literal=literal,
            )
        )
    return result


def holes(found: Sequence[Call]) -> tuple[Hole, ...]:
    """What somebody has to fill in, each once."""
    seen: dict[Hole, None] = {}
    for call in found:
        groups = [part.pieces for part in call.body if isinstance(part, Text)]
        groups += [call.url, *(pieces for _, pieces in call.headers)]
        for pieces in groups:
            seen.update(dict.fromkeys(piece for piece in pieces if isinstance(piece, Hole)))
    return tuple(seen)
