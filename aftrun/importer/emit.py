"""Found jobs → the text of a manifest, with comments that say what was changed and what is left to do."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from aftrun.importer.pieces import FoundJob, Scalar, Tls, as_manifest, has_reference, only_references, sole_reference
from aftrun.importer.read import Imported

KEY = "AFT_API_KEY"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*")
_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:/-]*[A-Za-z0-9/]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|password", re.IGNORECASE)
_WIDTH = 118

LooksSecret = Callable[[str], bool]


def scalar(text: str) -> str:
    """Text as a YAML scalar: plain where that is safe, else in double quotes."""
    if _URL.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def _value(value: Scalar) -> str:
    return scalar(as_manifest(value)) if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class _Server:
    """What jobs must have in common to share a server."""

    url: str
    api_key: str
    tls: Tls
    headers: tuple[tuple[str, str], ...]
    connect_timeout: str
    read_timeout: str


@dataclass(slots=True)
class _Writer:
    imported: Imported
    looks_secret: LooksSecret
    keys: dict[str, str] = field(default_factory=dict)
    hidden: dict[tuple[str, str], str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def key(self, job: FoundJob) -> str:
        """The key as the manifest names it. A literal one is replaced by a variable."""
        line = self.imported.pasted.line(job.offset)
        if job.api_key is None:
            self.notes.append(f"line {line}: no API key was found; it is taken from {KEY}")
            return f"${{{KEY}}}"
        if only_references(job.api_key):
            return as_manifest(job.api_key)
        known = job.api_key in self.keys
        name = self.keys.setdefault(job.api_key, KEY if not self.keys else f"{KEY}_{len(self.keys) + 1}")
        if not known:
            self.notes.append(f"line {line}: the API key is not copied; set {name} to it before you run this")
        return f"${{{name}}}"

    def secret(self, hint: str, value: str, what: str, line: int) -> str:
        """A variable in place of a value that looks like a secret."""
        if has_reference(value) and only_references(value):
            return as_manifest(value)
        base = (
            re.sub(r"[^A-Za-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", hint)).strip("_").upper() or "SECRET"
        )
        base = f"AFT_{base}" if base[0].isdigit() else base
        if (base, value) not in self.hidden:
            taken = set(self.hidden.values())
            name = next(each for each in _numbered(base) if each not in taken)
            self.hidden[base, value] = name
            self.notes.append(f"line {line}: {what} looks like a secret and is not copied; set {name} to it")
        return f"${{{self.hidden[base, value]}}}"

    def server(self, job: FoundJob) -> _Server:
        """The job's server, secrets replaced."""
        line = self.imported.pasted.line(job.offset)
        headers: list[tuple[str, str]] = []
        for name, value in job.headers:
            if _SECRET_HEADER.search(name) or self.looks_secret(name):
                shown = self.secret(f"AFT_{name}", value, f"the header {name}", line)
                headers.append((name, shown))
            else:
                headers.append((name, as_manifest(value)))
        return _Server(
            as_manifest(job.url),
            self.key(job),
            replace(job.tls, insecure=False),
            tuple(headers),
            job.connect_timeout,
            job.read_timeout,
        )

    def job_name(self, job: FoundJob, number: int) -> str:
        """A name of its own for a job, where its script's does not serve; empty: the default is fine."""
        script = job.script
        default = re.split(r"[/\\]", script)[-1].removesuffix(".syncjs") if job.selector == "filePath" else script
        if has_reference(script) or not default.isprintable() or "${" in default:
            default, given = f"job-{number}", True
        else:
            given = False
        name = next(each for each in _spaced(default) if each not in self.names)
        self.names.add(name)
        return name if given or name != default else ""


def _numbered(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base}_{number}" for number in range(2, 100_000))


def _spaced(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base} {number}" for number in range(2, 1_000_000))


def manifest(imported: Imported, looks_secret: LooksSecret) -> str:
    """The manifest's text. `looks_secret` says of a param's name whether people give it to secrets."""
    writer = _Writer(imported, looks_secret)
    servers: dict[_Server, list[FoundJob]] = {}
    for job in imported.jobs:
        servers.setdefault(writer.server(job), []).append(job)
    names = _server_names(list(servers))
    chosen = {id(job): names[server] for server, jobs in servers.items() for job in jobs if len(servers) > 1}
    blocks = [_job(writer, job, number, chosen.get(id(job), "")) for number, job in enumerate(imported.jobs, 1)]
    lines = ["version: 1"]
    stem = re.split(r"[/\\]", imported.pasted.path)[-1].partition(".")[0]
    if re.fullmatch(r"\w[\w -]*", stem):
        lines.append(f"name: {scalar(stem)}")
    if len(servers) == 1:
        ((server, jobs),) = servers.items()
        lines += ["server:", *_server(server, jobs, "  ")]
    else:
        lines.append("servers:")
        for server, jobs in servers.items():
            lines += [f"  {scalar(names[server])}:", *_server(server, jobs, "    ")]
    lines.append("jobs:")
    for block in blocks:
        lines += block
    variables = sorted(set(re.findall(r"(?<!\$)\$\{([A-Za-z_]\w*)\}", "\n".join(lines))))
    writer.notes.append(f"set these variables before you run it: {', '.join(variables)}")
    return "\n".join([*_head(imported, writer, servers), *lines]) + "\n"


def _wrap(text: str, indent: str = "") -> list[str]:
    """A comment, wrapped."""
    lines, line = [], f"{indent}#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH and line.strip() != "#":
            lines.append(line)
            line = f"{indent}#  "
        line += f" {word}"
    return [*lines, line]


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _head(imported: Imported, writer: _Writer, servers: dict[_Server, list[FoundJob]]) -> list[str]:
    source = "standard input" if imported.pasted.path == "-" else imported.pasted.path
    lines = [f"# Made by `aftrun import` from {_comment(source)}. Read it, then try it:", "#"]
    lines += ["#   aftrun plan FILE               the exact requests, without sending them"]
    lines += ["#   aftrun apply FILE --sandbox    a rehearsal that starts no real job", "#"]
    notes = [*writer.notes, *imported.remarks]
    if len(imported.jobs) > 1:
        notes.append(
            "the jobs run one after another, each when the one before has ended well; to run them side by side add: "
            "strategy: {order: parallel}"
        )
    for server, jobs in servers.items():
        insecure = [job for job in jobs if job.tls.insecure]
        if insecure:
            line = imported.pasted.line(insecure[0].offset)
            notes.append(
                f"line {line}: certificate verification was switched off; aftrun pins the certificate instead: run "
                f"`aftrun trust {_comment(server.url)}` and put the fingerprint that it prints under tls, below"
            )
    if any(job.selector == "scriptId" for job in imported.jobs):
        notes.append("scriptId works, but `validate --strict` asks for scriptName, which says what runs")
    for note in dict.fromkeys(notes):
        lines += _wrap(f"- {_comment(note)}")
    return lines


def _server(server: _Server, jobs: Sequence[FoundJob], indent: str) -> list[str]:
    lines = [f"{indent}url: {scalar(server.url)}", f"{indent}apiKey: {server.api_key}"]
    tls = server.tls
    named = (("caFile", tls.ca_file), ("certFile", tls.cert_file), ("keyFile", tls.key_file))
    entries = [f"{key}: {scalar(as_manifest(value))}" for key, value in named if value]
    if entries:
        lines += [f"{indent}tls:", *(f"{indent}  {entry}" for entry in entries)]
    if any(job.tls.insecure for job in jobs):
        lines.append(f'{indent}# tls: {{fingerprint: "sha256:…"}} # from: aftrun trust {_comment(server.url)}')
    if server.connect_timeout:
        lines.append(f"{indent}connectTimeout: {server.connect_timeout}")
    if server.read_timeout:
        lines.append(f"{indent}readTimeout: {server.read_timeout}")
    if any(not isinstance(value, str) for job in jobs for _, value in job.params):
        lines.append(f"{indent}paramValues: json # numbers and booleans are sent as such, as they were")
    if server.headers:
        lines.append(f"{indent}headers:")
        lines += [f"{indent}  {scalar(name)}: {scalar(value)}" for name, value in server.headers]
    return lines


def _job(writer: _Writer, job: FoundJob, number: int, server: str) -> list[str]:
    line = writer.imported.pasted.line(job.offset)
    lines = [f"  # line {line}"]
    for note in job.notes:
        lines += _wrap(_comment(note), "  ")
    lines.append(f"  - {job.selector}: {scalar(as_manifest(job.script))}")
    name = writer.job_name(job, number)
    if name:
        lines.append(f"    name: {scalar(name)}")
    if server:
        lines.append(f"    server: {scalar(server)}")
    if job.params:
        lines.append("    params:")
    for key, value in job.params:
        shown = _value(value)
        if isinstance(value, str) and value and writer.looks_secret(key) and not sole_reference(value):
            shown = scalar(writer.secret(key, value, f"the param {key}", line))
        lines.append(f"      {scalar(key)}: {shown}")
    return lines


def _server_names(servers: Sequence[_Server]) -> dict[_Server, str]:
    """A name for each server, from its host."""
    result: dict[_Server, str] = {}
    for server in servers:
        host = urllib.parse.urlsplit(server.url).hostname if "${" not in server.url else ""
        base = re.sub(r"[^A-Za-z0-9.-]+", "-", host or "server")
        result[server] = next(each for each in _dashed(base) if each not in result.values())
    return result


def _dashed(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base}-{number}" for number in range(2, 100_000))
