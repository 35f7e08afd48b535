"""Names out of manifests: jobs and their copies, tags, servers, variables.

This is no loader. It takes from PyYAML's event stream just what has a name, checks nothing, and gives up at a limit of
size, depth or time with what it has. A manifest that is being written, and so is broken, gives no names.
"""

from __future__ import annotations

import os
import stat
import time
from itertools import islice, product

MAX_BYTES = 4 * 1024 * 1024
"""Of all files together."""
MAX_FILES = 50
MAX_DEPTH = 64
MAX_COPIES = 500
"""Copies of one matrix job that are offered."""
SECONDS = 1.0
"""Of processor time: nobody waits longer for a key."""
SUFFIXES = (".yaml", ".yml", ".json")

_LONGEST_NAME = 200


class GivenUp(Exception):
    """A limit was passed."""


class Names:
    """What manifests name, in order, each once (as keys of dicts)."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        """Names, those of copies too, each with a description."""
        self.full: dict[str, str] = {}
        """The same as `manifest/job`."""
        self.tags: dict[str, str] = {}
        self.servers: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.manifests: dict[str, str] = {}


class Reader:
    """Reads manifests one after another, under one limit of bytes, files and time."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.names = Names()
        self.deadline = time.process_time() + seconds
        self.bytes_left = MAX_BYTES
        self.seen: set[str] = set()

    def read(self, path: str) -> None:
        """Take in a file, or every manifest directly in a folder. Whatever cannot be read is left out.

        Raises:
            GivenUp: a limit was passed; `names` holds what was found before.
        """
        path = os.path.expanduser(path)  # noqa: PTH111 - pathlib takes longer to import than all of this
        try:
            if os.path.isdir(path):  # noqa: PTH112 - as above
                for name in sorted(os.listdir(path)):  # noqa: PTH208 - as above
                    if name.endswith(SUFFIXES):
                        self._file(os.path.join(path, name))  # noqa: PTH118 - as above
            else:
                self._file(path)
        except OSError:
            return

    def _file(self, path: str) -> None:
        stem = os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122 - as above
        for document in self._documents(path):
            if isinstance(document, dict):
                self._manifest(document, stem, path)

    def _documents(self, path: str) -> list[object]:
        """The documents of a file as dicts, lists and texts; nothing of one that is no plain file or was read."""
        whole = os.path.abspath(path)  # noqa: PTH100 - as above
        if whole in self.seen:
            return []
        self.seen.add(whole)
        if len(self.seen) > MAX_FILES:
            raise GivenUp
        try:
            with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:  # noqa: PTH123 - as above
                found = os.fstat(stream.fileno())
                if not stat.S_ISREG(found.st_mode):  # a pipe would be emptied, and is another's to read
                    return []
                if found.st_size > self.bytes_left:
                    raise GivenUp
                data = stream.read(self.bytes_left + 1)
        except OSError:
            return []
        self.bytes_left -= len(data)
        return self._parse(data)

    def _parse(self, data: bytes) -> list[object]:
        if b"\\ud" in data.lower() and data.lstrip()[:1] in (b"{", b"["):
            return _parse_json(data)  # halves of characters, as JSON may escape them, are no YAML
        import yaml  # noqa: PLC0415 - only where names are needed

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data)
        builder = _Builder()
        handlers = {
            yaml.ScalarEvent: builder.scalar,
            yaml.AliasEvent: builder.alias,
            yaml.MappingStartEvent: builder.start,
            yaml.SequenceStartEvent: builder.start,
            yaml.MappingEndEvent: builder.end_mapping,
            yaml.SequenceEndEvent: builder.end_sequence,
            yaml.DocumentEndEvent: builder.end_document,
        }
        try:
            count = 0
            while loader.check_event():
                event = loader.get_event()
                handler = handlers.get(type(event))
                if handler is not None:
                    handler(event)
                count += 1
                if not count % 500:
                    self._check_time()
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # documents that were complete before it broke off are as good as ever
        finally:
            loader.dispose()
        return builder.documents

    def _check_time(self) -> None:
        if time.process_time() > self.deadline:
            raise GivenUp

    def _manifest(self, document: dict[str, object], stem: str, path: str) -> None:
        name = _text(document.get("name")) if "jobs" in document else ""
        # The one-job form may have a name too; then it is the job's.
        self._contents(document, _safe(name) or _safe(stem) or "manifest", path)

    def _contents(self, document: dict[str, object], manifest: str, path: str) -> None:
        """What a document names, that of the files which it includes first."""
        self._check_time()
        for each in _texts(document.get("include")):
            inner = os.path.join(os.path.dirname(path), each)  # noqa: PTH118, PTH120 - as above
            for included in self._documents(inner)[:1]:
                if isinstance(included, dict):
                    self._contents(included, manifest, inner)
        self.names.manifests[manifest] = ""
        servers = document.get("servers")
        for server, spec in servers.items() if isinstance(servers, dict) else ():
            self.names.servers[server] = _text(spec.get("url")) if isinstance(spec, dict) else ""
        variables = document.get("vars")
        for variable, value in variables.items() if isinstance(variables, dict) else ():
            text = _text(value)
            self.names.variables[variable] = "" if "${" in text else text
        jobs = document.get("jobs")
        defaults = document.get("defaults")
        for job in jobs if isinstance(jobs, list) else (document,):
            if isinstance(job, dict) and ("jobs" not in job):
                self._job({**defaults, **job} if isinstance(defaults, dict) else job, manifest)

    def _job(self, job: dict[str, object], manifest: str) -> None:
        name = job_name(job)
        if not name:
            return
        about = _text(job.get("description")) or next(
            (_text(job[key]) for key in ("scriptName", "scriptId", "filePath") if key in job), ""
        )
        for each in (name, *copies(name, job.get("matrix"))):
            self.names.jobs.setdefault(each, "" if about == each else about)
            self.names.full.setdefault(f"{manifest}/{each}", about)
        for tag in _texts(job.get("tags")):
            self.names.tags.setdefault(tag, "")
        if len(self.names.jobs) % 500 == 0:
            self._check_time()


class _Builder:
    """YAML events → dicts, lists and texts. What an alias stands for is shared, not copied, so nothing can swell."""

    def __init__(self) -> None:
        self.documents: list[object] = []
        self.frames: list[tuple[list[object], str | None]] = []
        self.anchors: dict[str, object] = {}

    def add(self, value: object, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = value
        (self.frames[-1][0] if self.frames else self.documents).append(value)

    # PyYAML's events have no types of their own: `ScalarEvent` and so on are Any to a type checker.
    def scalar(self, event: object) -> None:
        self.add(event.value, event.anchor)  # type: ignore[attr-defined]  # a ScalarEvent has both

    def alias(self, event: object) -> None:
        self.add(self.anchors.get(event.anchor, ""), None)  # type: ignore[attr-defined]  # an AliasEvent has one

    def start(self, event: object) -> None:
        if len(self.frames) >= MAX_DEPTH:
            raise GivenUp
        self.frames.append(([], event.anchor))  # type: ignore[attr-defined]  # as above

    def end_sequence(self, _: object) -> None:
        children, anchor = self.frames.pop()
        self.add(children, anchor)

    def end_mapping(self, _: object) -> None:
        children, anchor = self.frames.pop()
        found: dict[str, object] = {}
        merged: object = None
        for key, value in zip(children[::2], children[1::2], strict=True):
            if key == "<<":
                merged = value
            elif isinstance(key, str):
                found[key] = value
        for under in merged if isinstance(merged, list) else (merged,):
            if isinstance(under, dict):
                for key in islice(under, 1000):
                    found.setdefault(key, under[key])
        self.add(found, anchor)

    def end_document(self, _: object) -> None:
        self.anchors.clear()


def _parse_json(data: bytes) -> list[object]:
    import json  # noqa: PLC0415 - rarely needed

    try:
        return [json.loads(data, parse_int=str, parse_float=str)]
    except (ValueError, RecursionError):
        return []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    """A text or a list of texts, those with references in them left out."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item and "${" not in item]


def _safe(text: str) -> str:
    """A name made of other text: without what a name cannot hold."""
    return "".join(char if _may_stand(char) else "-" for char in text)


def _may_stand(char: str) -> bool:
    return char not in "/\u2028\u2029" and not (char < " " or "\x7f" <= char <= "\x9f")


def job_name(job: dict[str, object]) -> str:
    """The job's own name, else its script's, as the loader would have it; empty where a reference is part of it."""
    name = _text(job.get("name"))
    if name:
        return "" if "${" in name else name.replace("$$", "$")
    for key in ("scriptName", "scriptId", "filePath"):
        text = _text(job.get(key))
        if text:
            if key == "filePath":
                last = text.replace("\\", "/").rpartition("/")[2]
                head, dot, _ = last.rpartition(".")
                text = head if dot and head else last
            return _safe(text)[:_LONGEST_NAME]
    return ""


def copies(name: str, matrix: object) -> list[str]:
    """The names of a matrix job's copies, in order, not more than `MAX_COPIES`."""
    if not isinstance(matrix, dict):
        return []
    axes = {key: _texts(value) for key, value in matrix.items() if key != "exclude"}
    if not axes or not all(axes.values()):
        return []
    without = matrix.get("exclude")
    excluded = [each for each in without if isinstance(each, dict)] if isinstance(without, list) else []
    found = (
        values
        for values in product(*axes.values())
        if not any(dict(zip(axes, values, strict=True)).items() >= each.items() for each in excluded)
    )
    return [f"{name}[{','.join(values)}]" for values in islice(found, MAX_COPIES)]
