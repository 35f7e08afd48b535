"""Paths → manifests: every problem of every file in one go."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from aftrun.domain.errors import ManifestError, Problem, Severity, UsageError
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import Manifest
from aftrun.domain.text import did_you_mean
from aftrun.domain.values import Outside
from aftrun.manifest.build import include
from aftrun.manifest.build import manifest as build
from aftrun.manifest.check import lint, schema
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.outside import Noted
from aftrun.manifest.parse.nodes import MapNode, Source
from aftrun.manifest.parse.source import documents
from aftrun.manifest.parse.syntax import MAX_BYTES
from aftrun.manifest.policy import Policy, policy_of
from aftrun.system.collector import no_collector
from aftrun.system.files import identity
from aftrun.system.gitinfo import work_tree
from aftrun.system.inputs import read_input

_SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
_EXPANDS = os.name == "nt"
"""Whether `*` in a path is ours to expand: shells do it, but for those of Windows."""
_OF_ABSENT_NAMES = frozenset({"AFT022", "AFT042", "AFT043", "AFT044", "AFT045", "AFT051", "AFT054", "AFT107", "AFT111"})
"""What may be wrong only because a part of the manifest is not there."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load_all` found."""

    manifests: tuple[Manifest, ...]
    """In the order given; documents of a file in order."""
    warnings: tuple[Problem, ...]
    files: tuple[tuple[str, bytes], ...]
    """Path and bytes of every file that was read, includes too: enough to load the same again without the files."""
    notes: tuple[str, ...] = ()
    """What is not wrong, but good to know: arguments that stand for one file."""
    references: tuple[Outside, ...] = ()
    """Every reference to the outside, also those of fields that are expanded at once."""


_SAME = b"# aftrun: the same file as "


class _Reader:
    """Gets the bytes of files, and remembers them.

    A file that is met under a second path is remembered as a comment that names the first, so that whoever reads the
    files that were kept knows them for one as well.
    """

    def __init__(self, stdin: BinaryIO | None, read: Callable[[str], bytes] | None) -> None:
        self.stdin = stdin
        self.given = read
        self.on_disk = read is None
        self.files: dict[str, bytes] = {}
        self._roots: dict[str, str] = {}

    def open(self, path: str) -> Source:
        """A file. Raises OSError where it cannot be read."""
        if path not in self.files:
            self.files[path] = self._bytes(path)
        return Source(path, self.files[path])

    def root(self, folder: str) -> str:
        """Where the includes of a manifest stay: the git work tree that it is in, else its folder; links resolved."""
        if folder not in self._roots:
            here = Path(os.path.abspath(folder))  # noqa: PTH100 - the folder may be gone, or never have been
            self._roots[folder] = str((work_tree(here) if self.on_disk else None) or here.resolve())
        return self._roots[folder]

    def same(self, path: str, first: str) -> None:
        """Two paths are one file."""
        self.files.setdefault(path, _SAME + json.dumps(first).encode("ascii"))

    def identity(self, path: str) -> object:
        """Equal for two paths of one file; None where there is none."""
        if self.given is None:
            return identity(path) if path != STDIN else self._of_stdin()
        try:
            data = self.given(path)
        except OSError:
            return None
        if data.startswith(_SAME) and b"\n" not in data:
            return os.path.abspath(json.loads(data.removeprefix(_SAME)))  # noqa: PTH100 - text in, text out
        return os.path.abspath(path) if path != STDIN else STDIN  # noqa: PTH100 - as above

    def _of_stdin(self) -> object:
        try:
            return identity(self.stdin.fileno()) if self.stdin is not None else None
        except (OSError, ValueError):
            return None  # bytes in memory

    def _bytes(self, path: str) -> bytes:
        if self.given is not None:
            return self.given(path)
        if path == STDIN:
            if self.stdin is None:
                raise UsageError("'-' stands for standard input, and there is none")
            with suppress(
                OSError, ValueError, AttributeError
            ):  # bytes in memory; Windows has no such thing before 3.12
                os.set_blocking(self.stdin.fileno(), True)  # or a part of what is on its way would be taken for all
            return self._whole(self.stdin)
        return read_input(path, MAX_BYTES)

    @staticmethod
    def _whole(stream: BinaryIO) -> bytes:
        data: bytes | None = stream.read(MAX_BYTES + 1)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return data


def _folder(path: str) -> list[str]:
    """The manifests in a folder, as `*.yaml` finds them: a name that begins with a dot is put aside, or a policy's."""

    def file(entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_file()
        except OSError:
            return True  # reading it will say what is wrong

    with os.scandir(path) as entries:
        shown = (entry for entry in entries if not entry.name.startswith("."))
        names = sorted(entry.name for entry in shown if entry.name.lower().endswith(_SUFFIXES) and file(entry))
    if not names:
        raise UsageError(
            f"{path} holds no manifest", hint="a folder stands for the *.yaml, *.yml and *.json files directly in it"
        )
    return [os.path.join(path, name) for name in names]  # noqa: PTH118 - text in, text out


def _matching(pattern: str) -> list[str]:
    import glob  # noqa: PLC0415 - only for a path that does not exist

    # `[` is a character of names, and none of a pattern, in Windows' shells.
    found = sorted(glob.glob(pattern.replace("[", "[[]"))) if _EXPANDS else []  # noqa: PTH207 - text in, text out
    if not found:
        raise UsageError(f"there is no file {pattern}", hint="check the path; it is relative to the working directory")
    return found


def _files_of(path: str) -> list[str]:
    """The files that one argument stands for."""
    if _EXPANDS and re.search(r"[*?]", path):
        return _matching(path)  # no name on Windows has one of these, and looking for it would be an error of its own
    try:
        return _folder(path) if stat.S_ISDIR(Path(path).stat().st_mode) else [_as_its_folder_has_it(path)]
    except (FileNotFoundError, NotADirectoryError):
        return _matching(path)
    except OSError as error:
        raise unreadable(path, error) from None


def _as_its_folder_has_it(path: str) -> str:
    """The path, with the file's own name: where NIGHT.YAML opens night.yaml, both are the manifest `night`.

    Else a job with `once` would be another one for each spelling, and be sent again. Windows and macOS are such
    systems, and file systems of theirs elsewhere; some take letters with accents in either form as well.
    """
    folder, name = os.path.split(path)
    if os.name != "nt" and name.isascii() and not os.path.exists(os.path.join(folder, name.swapcase())):  # noqa: PTH110, PTH118 - as above
        return path
    try:
        names = os.listdir(folder or os.curdir)  # noqa: PTH208 - as above
        same = [] if name in names else [each for each in names if os.path.samefile(os.path.join(folder, each), path)]  # noqa: PTH118, PTH121 - as above
    except OSError:  # a folder that may be entered and not listed, say
        return path
    return os.path.join(folder, same[0]) if len(same) == 1 else path  # noqa: PTH118 - as above


def unreadable(path: str, error: OSError) -> UsageError:
    """What is said of a manifest, or a folder of manifests, that cannot be read."""
    return UsageError(f"{path} cannot be read: {error.strerror or error}", hint="check who may read it")


def _expand(paths: Sequence[str], reader: _Reader) -> tuple[list[str], list[str]]:
    """The files that the arguments stand for, each once however it is spelled; and what to say of the others."""
    if not paths:
        raise UsageError("no manifest was given", hint="name files or folders, or '-' for standard input")
    found: dict[object, str] = {}
    notes: list[str] = []
    for argument in paths:
        for path in _files_of(argument) if reader.on_disk and argument != STDIN else [argument]:
            this = reader.identity(path) or path
            first = found.get(this)
            if first is None:
                found[this] = path
            else:
                also = f"{path} is {first} again" if first != path else f"{path} was named twice"
                notes.append(f"{also}; it is taken once")
    return list(found.values()), notes


def _stem(path: str) -> str:
    if path == STDIN:
        return "stdin"
    # A name that is not UTF-8 becomes text that every file and every output can hold.
    name = os.fsencode(Path(path).stem).decode("utf-8", "backslashreplace")
    stem = re.sub(r"[\x00-\x1f\x7f-\x9f/]", "-", name)
    return stem or "manifest"


def _named(manifests: list[Manifest], nodes: list[MapNode], findings: Findings) -> tuple[Manifest, ...]:
    """Make names unique: the second of a name gets `-2`, and so on."""
    taken: set[str] = {manifest.name for manifest in manifests}
    seen: set[str] = set()
    next_numbers: dict[str, int] = {}
    result: list[Manifest] = []
    for manifest, node in zip(manifests, nodes, strict=True):
        name = manifest.name
        if name in seen:
            number = next_numbers.get(name, 2)
            while f"{name}-{number}" in taken:
                number += 1
            next_numbers[name] = number + 1
            if any(job.once for job in manifest.jobs):
                message = (
                    f"another manifest is called {name!r} too, and jobs with `once` are known by it from run to run"
                )
                hint = "give each a name of its own, with `name`"
                findings.error(node.get("name") or node, "AFT064", message, hint)
            elif node.key("name") is not None:
                message = f"another manifest is called {name!r} too; this one becomes {name}-{number}"
                findings.warning(node.get("name") or node, "AFT109", message, "give each a name of its own")
            name = f"{name}-{number}"
            taken.add(name)
        seen.add(name)
        result.append(manifest if name == manifest.name else replace(manifest, name=name))
    return tuple(result)


def load_all(
    paths: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
    variables: Mapping[str, str] | None = None,
    read: Callable[[str], bytes] | None = None,
    insecure_http: bool = False,
    policy: Policy | None = None,
) -> Loaded:
    """Load the manifests of files, folders (`*.yaml`, `*.yml`, `*.json`, sorted) and `-` (standard input).

    Args:
        paths: files and folders, in order.
        environ: for `${…}` in fields that are needed before the run; None: those fields keep their defaults.
        stdin: what `-` stands for.
        variables: override `vars`; a name that no manifest declares is refused.
        policy: what the manifests may do; None: what `environ` brings along. Nothing is read where it is not allowed.
        insecure_http: `http://` to another machine is meant, wherever it stands: a warning, not an error.
        read: gives the bytes of a file instead of the disk, or raises OSError; paths are then files, never folders.

    Raises:
        ManifestError: with every problem of every file.
        UsageError: no such file, a folder without manifests or that cannot be entered, an unknown variable.
    """
    noted = None if environ is None else Noted(environ)
    policy = policy_of(environ) if policy is None else policy
    reader = _Reader(stdin, read)
    with no_collector():
        if noted is not None and not policy.open:  # all of what is not allowed is found before any value is read
            _load_all(paths, reader, None, variables or {}, insecure_http=insecure_http, policy=policy)
        loaded = _load_all(paths, reader, noted, variables or {}, insecure_http=insecure_http, policy=policy)
    if noted is None:
        return loaded
    return replace(loaded, manifests=tuple(replace(each, taken=noted.used) for each in loaded.manifests))


def _load_all(
    paths: Sequence[str],
    reader: _Reader,
    environ: Noted | None,
    variables: Mapping[str, str],
    *,
    insecure_http: bool,
    policy: Policy,
) -> Loaded:
    findings = Findings()
    manifests: list[Manifest] = []
    nodes: list[MapNode] = []
    declared: set[str] = set()
    met: dict[Outside, None] = {}
    expanded, notes = _expand(paths, reader)
    for path in expanded:
        try:
            source = reader.open(path)
        except OSError as error:
            raise unreadable(path, error) from None
        before = len(findings.problems)
        problems: list[Problem] = []
        roots = documents(source, problems)
        for problem in problems:
            findings.add(problem)
        if not roots and len(findings.problems) == before:
            hint = "the smallest manifest is one line: scriptName: My Backup Job"
            findings.add(source.problem("AFT010", "there is no manifest in the file", hint=hint))
        roots.reverse()
        while roots:
            root = schema.check(roots.pop(), findings)
            if root is None:
                continue
            includer = include.Includer(source, reader, findings)
            merged, items = includer.merge(root)
            before = len(findings.problems)
            known = merged.get("vars")
            if isinstance(known, MapNode):
                declared.update(key.text for key in known.keys)
            manifests.append(
                build.manifest(
                    merged,
                    items,
                    _stem(path),
                    findings=findings,
                    environ=environ,
                    variables=variables,
                    policy=policy,
                    met=met,
                )
            )
            nodes.append(merged)
            if includer.incomplete:
                # Those names may well stand in the file that could not be included.
                findings.problems[before:] = [
                    problem for problem in findings.problems[before:] if problem.code not in _OF_ABSENT_NAMES
                ]
    found = _named(manifests, nodes, findings)
    lint.shown_variables(found, findings)
    findings.problems = list(map(_meant, findings.problems)) if insecure_http else findings.problems
    if findings.failed:
        raise ManifestError(_ordered(findings.problems, reader.files), files=tuple(reader.files.items()))
    for name in variables:
        if name not in declared:
            hint = did_you_mean(name, declared) or "variables are declared under vars"
            raise UsageError(f"--var {name}: no manifest declares a variable of that name", hint=hint)
    warnings = _ordered(findings.problems, reader.files)
    return Loaded(found, warnings, tuple(reader.files.items()), tuple(notes), tuple(met))


def _meant(problem: Problem) -> Problem:
    """A problem where `http://` is meant."""
    if problem.code != "AFT062":
        return problem
    return replace(problem, code="AFT108", severity=Severity.WARNING, hint="")


def _ordered(problems: list[Problem], files: Mapping[str, bytes]) -> tuple[Problem, ...]:
    """In the order of files and lines, whatever order they were found in."""
    order = {path: number for number, path in enumerate(files)}
    return tuple(
        sorted(
            problems,
            key=lambda p: (order.get(p.path, len(order)), p.line, p.column, p.severity is Severity.WARNING, p.code),
        )
    )
