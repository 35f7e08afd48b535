"""Found jobs → the text of a manifest, with comments that say what was changed and what is left to do."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import urllib.parse
from collections.abc import Callable, Iterable, Sequence

from aftrun.domain import urls
from aftrun.domain.digits import as_written, exact_json
from aftrun.domain.frozen import dataclass
from aftrun.importer.found import FoundJob, Number, Scalar, Tls
from aftrun.importer.marks import Mark, first_unknown, has_mark, joined, only_marks, sole
from aftrun.importer.read import Imported

KEY = "AFT_API_KEY"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*")
_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:/-]*[A-Za-z0-9/]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|password", re.IGNORECASE)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|ApiKey) +", re.IGNORECASE)
_SHORT_SECRET = 8
"""Characters. A shorter one may be a part of any word, and is hidden only where it is a whole value."""
_WIDTH = 118

LooksSecret = Callable[[str], bool]


def scalar(text: str) -> str:
    """Text as a YAML scalar: plain where that is safe, else in double quotes."""
    if _URL.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"#(?=#)", r"\\u0023", _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The text of a manifest, and what a person should read about it: line (0: about all of it) and text."""

    text: str
    remarks: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Server:
    """What jobs must have in common to share a server."""

    url: str
    api_key: str
    tls: Tls
    headers: tuple[tuple[str, str], ...]
    connect_timeout: str
    read_timeout: str


@dataclasses.dataclass(slots=True)
class _Writer:
    imported: Imported
    looks_secret: LooksSecret
    hidden: dict[str, str] = dataclasses.field(default_factory=dict)
    """The variable that stands for each literal secret."""
    parts: set[str] = dataclasses.field(default_factory=set)
    """Secrets that are parts of hidden values."""
    filled: dict[Mark, str] = dataclasses.field(default_factory=dict)
    names: set[str] = dataclasses.field(default_factory=set)
    remarks: dict[tuple[int, str], None] = dataclasses.field(default_factory=dict)

    def remark(self, line: int, text: str) -> None:
        """A remark about a line, each once."""
        self.remarks[line, text] = None

    def text(self, text: str) -> str:
        """The text as the manifest writes it: marks as references, literal secrets as the variables for them."""
        if text in self.hidden:
            return f"${{{self.hidden[text]}}}"
        return joined(text, self._named, self.clean)

    def clean(self, text: str) -> str:
        """A literal text without the secrets that are known, whose place it is not."""
        for secret in sorted({*self.hidden, *self.parts, *self.imported.secrets}, key=len, reverse=True):
            if len(secret) >= _SHORT_SECRET or secret == text:
                text = text.replace(secret, "***")
        return text

    def _named(self, mark: Mark) -> str:
        """A mark as the manifest writes it. What is not known becomes a variable that somebody must set."""
        if not mark.why:
            return mark.text
        if mark not in self.filled:
            name = next(each for each in _numbered(f"FILL_{mark.text[:40]}") if each not in self.filled.values())
            self.filled[mark] = name
            self.remark(mark.line, f"{name} is to be filled in: {self.clean(mark.why)}")
        name = self.filled[mark]
        where = f"line {mark.line}: " if mark.line else ""
        why = re.sub(r"[{}$\\]", "", self.clean(mark.why))
        return f"${{{name}:?{where}{why}}}"

    def key(self, job: FoundJob) -> str:
        """The key as the manifest names it. A literal one is replaced by a variable."""
        if job.api_key is None or not job.api_key:
            self.remark(job.line, f"no API key was found; it is taken from {KEY}")
            return f"${{{KEY}}}"
        mark = first_unknown(job.api_key)
        if mark is not None:
            self.remark(job.line, f"the API key is not known here ({mark.why}); it is taken from {KEY}")
            return f"${{{KEY}}}"
        if only_marks(job.api_key):
            return self.text(job.api_key)
        return f"${{{self._hide(KEY, job.api_key, 'the API key', job.line)}}}"

    def _hide(self, base: str, value: str, what: str, line: int) -> str:
        if value not in self.hidden:
            self.hidden[value] = next(each for each in _numbered(base) if each not in self.hidden.values())
            self.remark(line, f"{what} is not copied; set {self.hidden[value]} to it before you run this")
        return self.hidden[value]

    def secret(self, hint: str, value: str, what: str, line: int) -> str:
        """A variable in place of a value that looks like a secret."""
        scheme = _SCHEME.match(value)
        rest = value[scheme.end() :] if scheme else value
        if only_marks(rest):
            return self.text(value)
        base = re.sub(r"[^A-Za-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", hint)).strip("_").upper()
        base = f"AFT_{base}" if not base or base[0].isdigit() else base
        if scheme:
            self.parts.add(rest)
        return f"${{{self._hide(base, value, f'{what} looks like a secret and', line)}}}"

    def server(self, job: FoundJob) -> _Server:
        """The job's server, secrets replaced."""
        headers = []
        for name, value in job.headers:
            secret = _SECRET_HEADER.search(name) or self.looks_secret(name)
            shown = self.secret(f"AFT_{name}", value, f"the header {name}", job.line) if secret else self.text(value)
            headers.append((name, shown))
        key = self.key(job)
        times = job.connect_timeout, job.read_timeout
        return _Server(self.text(job.url), key, dataclasses.replace(job.tls, insecure=False), tuple(headers), *times)

    def job_name(self, job: FoundJob, number: int) -> str:
        """A name of its own for a job, where its script's does not serve; empty: the default is fine."""
        script = job.script
        default = re.split(r"[/\\]", script)[-1].removesuffix(".syncjs") if job.selector == "filePath" else script
        given = bool(has_mark(script) or not default.isprintable() or "${" in default or self.text(script) != script)
        name = next(each for each in _spaced(f"job-{number}" if given else default) if each not in self.names)
        self.names.add(name)
        return name if given or name != default else ""


def _numbered(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base}_{number}" for number in range(2, 1_000_000))


def _spaced(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base} {number}" for number in range(2, 1_000_000))


def manifest(imported: Imported, looks_secret: LooksSecret) -> Manifest:
    """The manifest of what was found. `looks_secret` says of a param's name whether people give it to secrets."""
    writer = _Writer(imported, looks_secret)
    servers: dict[_Server, list[FoundJob]] = {}
    for job in imported.jobs:
        writer.key(job)  # so that a key is known, and hidden, before anything else is written
    for job in imported.jobs:
        servers.setdefault(writer.server(job), []).append(job)
    names = _server_names(list(servers))
    chosen = {id(job): names[server] for server, jobs in servers.items() for job in jobs if len(servers) > 1}
    blocks = [_job(writer, job, number, chosen.get(id(job), "")) for number, job in enumerate(imported.jobs, 1)]
    lines = ["version: 1"]
    stem = re.split(r"[/\\]", imported.path)[-1].partition(".")[0]
    if re.fullmatch(r"\w[\w -]*", stem):
        lines.append(f"name: {scalar(stem)}")
    if len(servers) == 1:
        ((server, jobs),) = servers.items()
        lines += ["server:", *_server(writer, server, jobs, "  ")]
    else:
        lines.append("servers:")
        for server, jobs in servers.items():
            lines += [f"  {scalar(names[server])}:", *_server(writer, server, jobs, "    ")]
    lines.append("jobs:")
    for block in blocks:
        lines += block
    remarks = _remarks(writer, servers, "\n".join(lines))
    return Manifest("\n".join([*_head(imported, writer, remarks), *lines]) + "\n", remarks)


def _remarks(writer: _Writer, servers: dict[_Server, list[FoundJob]], text: str) -> tuple[tuple[int, str], ...]:
    """What was noted while reading and writing, in the order of lines; what concerns all of it comes last."""
    imported = writer.imported
    for line, said in imported.remarks:
        writer.remark(line, said)
    for job in imported.jobs:
        for what in job.around:
            writer.remark(job.line, f"the call stood {what}")
    for server, jobs in servers.items():
        insecure = [job for job in jobs if job.tls.insecure]
        if insecure:
            said = (
                "certificate verification was switched off; aftrun pins the certificate instead: run "
                f"`aftrun trust {_trusted(server)}` and put the fingerprint that it prints under tls, below"
            )
            writer.remark(insecure[0].line, said)
        if _in_clear(server):
            writer.remark(jobs[0].line, f"{urls.IN_CLEAR}; use https:// if the server can")
    found = dict.fromkeys((line, _printable(writer.clean(said))) for line, said in sorted(writer.remarks))
    closing = []
    if len(imported.jobs) > 1:
        said = "the jobs run one after another, each when the one before has ended well; to run them side by side add: "
        closing.append(f"{said}strategy: {{order: parallel}}")
    if any(job.selector == "scriptId" for job in imported.jobs):
        closing.append("scriptId works, but `validate --strict` asks for scriptName, which says what runs")
    variables = sorted(set(re.findall(r"(?<!\$)\$\{([A-Za-z_]\w*)(?=\}|:\?)", text)))
    if variables:
        closing.append(f"set these variables before you run it: {', '.join(variables)}")
    return (*found, *((0, said) for said in closing))


def _in_clear(server: _Server) -> bool:
    found = urls.literal_host(server.url + "/")
    return found is not None and found[0] == "http" and not urls.is_loopback(found[1])


def _trusted(server: _Server) -> str:
    return "URL" if ":?" in server.url else _printable(server.url)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _wrap(text: str, indent: str = "") -> list[str]:
    """A comment, wrapped."""
    lines, line = [], f"{indent}#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH and line.strip() != "#":
            lines.append(line)
            line = f"{indent}#  "
        line += f" {word}"
    return [*lines, line]


def _head(imported: Imported, writer: _Writer, remarks: Sequence[tuple[int, str]]) -> list[str]:
    source = "standard input" if imported.path == "-" else writer.clean(imported.path)
    lines = [f"# Made by `aftrun import` from {_printable(source)}. Read it, then try it:", "#"]
    lines += ["#   aftrun plan FILE               the exact requests, without sending them"]
    lines += ["#   aftrun apply FILE --sandbox    a rehearsal that starts no real job", "#"]
    for line, said in remarks:
        lines += _wrap(f"- line {line}: {said}" if line else f"- {said}")
    return lines


def _server(writer: _Writer, server: _Server, jobs: Sequence[FoundJob], indent: str) -> list[str]:
    lines = [f"{indent}url: {scalar(server.url)}", f"{indent}apiKey: {server.api_key}"]
    tls = server.tls  # curl takes the key from the certificate's file where it is given no other
    key_file = (tls.key_file or tls.cert_file) if tls.cert_file else ""
    named = (("caFile", tls.ca_file), ("certFile", tls.cert_file), ("keyFile", key_file))
    entries = [f"{key}: {scalar(writer.text(value))}" for key, value in named if value]
    if _in_clear(server):
        entries.append("plain: true # http:// to another machine, as it was; https:// if the server can")
    if entries:
        lines += [f"{indent}tls:", *(f"{indent}  {entry}" for entry in entries)]
    if any(job.tls.insecure for job in jobs):
        lines.append(f'{indent}# tls: {{fingerprint: "sha256:…"}} # from: aftrun trust {_trusted(server)}')
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
    lines = [f"  # line {job.line}", f"  - {job.selector}: {scalar(writer.text(job.script))}"]
    name = writer.job_name(job, number)
    if name:
        lines.append(f"    name: {scalar(name)}")
    if server:
        lines.append(f"    server: {scalar(server)}")
    if job.params:
        lines.append("    params:")
    for key, value in job.params:
        lines.append(f"      {scalar(writer.clean(key))}: {_param(writer, key, value, job.line)}")
    return lines


def _param(writer: _Writer, key: str, value: Scalar, line: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        if writer.clean(value.text) != value.text:
            return scalar(writer.text(value.text))
        sent = _sent(value.text)
        if sent != value.text:
            said = f"the number of the param {key} goes out as {sent}"
            writer.remark(line, said)
        return value.text
    if value and writer.looks_secret(key) and not sole(value):
        return scalar(writer.secret(key, value, f"the param {key}", line))
    return scalar(writer.text(value))


def _sent(digits: str) -> str:
    """A number as aftrun sends it: with its digits where JSON can carry them, and as text where it is none for JSON."""
    number = as_written(digits)
    return exact_json(number) if math.isfinite(number) else json.dumps(digits)


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
