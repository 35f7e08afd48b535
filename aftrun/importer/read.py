"""Pasted text → the jobs in it: which language it is, and what each command starts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aftrun.errors import Problem
from aftrun.importer import aft, cron
from aftrun.importer.body import job_of
from aftrun.importer.curl import Curl
from aftrun.importer.pieces import (
    FoundJob,
    Notebook,
    Pasted,
    Request,
    Trouble,
    Word,
    basename,
    has_reference,
    is_clean,
    must_be_known,
    reference,
    strip_user_words,
)
from aftrun.importer.powershell import PowerShell
from aftrun.importer.psvalues import Encoded, Now, Unknown, date_reference
from aftrun.importer.rest import request_of, text_of
from aftrun.importer.shell import Command, Shell, printed
from aftrun.importer.shellwords import Scope
from aftrun.importer.windows import Batch

LONGEST = 4 * 1024 * 1024
"""Characters. Nobody pastes more."""

_REST = ("invoke-restmethod", "irm", "invoke-webrequest", "iwr")
_HARMLESS = {
    *("echo", "printf", "set", "exit", "true", ":", "logger", "date", "sleep", "unset", "shopt", "umask", "mkdir"),
    *("jq", "tee", "grep", "head", "tail", "python3", "cat", "cd", "pushd", "popd", "source", "rm", "wait", "trap"),
    *("title", "cls", "findstr", "timeout", "chcp", "test", "[", "[[", "awk", "sed", "cut", "tr"),
}
_READ = {"curl", "aft", "schtasks", "cmd", "powershell", "pwsh", "bash", "sh", "dash", "zsh", "ksh"}
"""Programs whose command lines are read."""
_HARMLESS_CMDLETS = {
    *("write-host", "write-output", "write-verbose", "write-error", "write-warning", "out-null", "out-file"),
    *("select-object", "select", "format-list", "format-table", "fl", "ft", "start-sleep", "set-location", "cd"),
    *("set-strictmode", "import-module", "exit", "echo", "out-host", "tee-object", "foreach-object", "%"),
    *("where-object", "?", "out-string", "start-transcript", "stop-transcript", "add-type", "set-executionpolicy"),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What was found. With problems there are no jobs to speak of."""

    pasted: Pasted
    jobs: tuple[FoundJob, ...]
    remarks: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_text(path: str, text: str, read: Callable[[str], bytes]) -> Imported:
    """Find the jobs in pasted text. `read` gives the bytes of a file that a command names, or raises OSError."""
    text = text.removeprefix("\ufeff")
    pasted = Pasted(path, text)
    notebook = Notebook(pasted, read)
    problems: list[Problem] = []
    if len(text) > LONGEST or not is_clean(text) or "\0" in text:
        problems.append(_problem(pasted, Trouble("this is no text that anybody has pasted", 0)))
    else:
        try:
            Reader(notebook).read(language(path, text))
        except Trouble as trouble:
            problems.append(_problem(pasted, trouble))
        except RecursionError:
            problems.append(_problem(pasted, Trouble("this is nested too deeply", 0)))
    if not problems and not notebook.jobs:
        hint = "it reads curl, Invoke-RestMethod, aft start and aft run, also inside crontab and schtasks lines"
        problems.append(_problem(pasted, Trouble("no command here starts a job", 0, hint)))
    return Imported(pasted, tuple(notebook.jobs), tuple(notebook.remarks), tuple(problems))


def _problem(pasted: Pasted, trouble: Trouble) -> Problem:
    line, column = pasted.place(trouble.offset)
    return Problem("import", trouble.message, pasted.path, line, column, hint=trouble.hint)


def language(path: str, text: str) -> str:
    """`powershell`, `batch` or `shell`: by the file's name, else by what only one of them has."""
    suffix = path.lower().rpartition(".")[2]
    if suffix in ("ps1", "psm1"):
        return "powershell"
    if suffix in ("bat", "cmd"):
        return "batch"
    if suffix in ("sh", "bash", "crontab", "cron"):
        return "shell"
    for line in text.splitlines():
        code = line.strip()
        if re.match(r"#!.*sh\b", code):
            return "shell"
        if code.startswith(("#", "::")):
            continue
        if re.match(r"(?i)@?(echo\s+off|rem\s|setlocal|schtasks(\.exe)?\s|set\s+\"?\w+=)", code) or code.endswith(" ^"):
            return "batch"
        wrapped = re.search(r"(?i)\b(powershell|pwsh)(\.exe)?[\"']?\s", code)
        rest = re.search(r"(?i)(?<![\w-])(Invoke-RestMethod|Invoke-WebRequest|irm|iwr)(?![\w-])", code)
        if (rest and not (wrapped and wrapped.start() < rest.start())) or re.match(
            r"(?i)(\[\w+\])?\$(env:|script:)?[\w.]+\s*=", code
        ):
            return "powershell"
        if re.match(r"(?i)\S*curl(\.exe)?\s.*%[A-Za-z_]\w*%", code):
            return "batch"
    return "shell"


class Reader:
    """Turns commands into jobs, whatever language they stand in."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._depth = 0

    def read(self, kind: str) -> None:
        """Read the whole text.

        Raises:
            Trouble: something cannot be read.
        """
        text = self._notebook.pasted.text
        if kind == "shell" and cron.looks_like(text):
            self._crontab(text)
        else:
            self._text(kind, text, range(len(text)), Scope())

    def _text(self, kind: str, text: str, offsets: Sequence[int], scope: Scope) -> None:
        if self._depth > 8:
            raise Trouble("this is nested too deeply", offsets[0] if offsets else 0)
        self._depth += 1
        if kind == "powershell":
            self._powershell(text, offsets)
        else:
            reader = Batch(text, offsets, scope) if kind == "batch" else Shell(text, offsets, scope)
            piped: Word | None = None
            for command in reader.commands():
                given = piped if command.operator == "|" and command.stdin is None else command.stdin
                self._command(replace(command, stdin=given))
                known = printed([word.text for word in command.words], command.stdin)
                piped = None if known is None else Word(known, command.offset)
        self._depth -= 1

    def _crontab(self, text: str) -> None:
        scope = Scope()
        for entry in cron.entries(text):
            if entry.name:
                scope.values[entry.name] = entry.text
                continue
            line = self._notebook.pasted.line(entry.offsets[0])
            self._notebook.schedule = (
                f"ran by cron at: {entry.when} (line {line}); keep that line, with: aftrun apply FILE"
            )
            self._text("shell", entry.text, entry.offsets, scope)
            self._notebook.schedule = ""

    # --- commands of shells ---------------------------------------------------------------------------------------

    def _command(self, command: Command) -> None:
        words = strip_user_words(command.words)
        if not words:
            return
        name = basename(words[0].text)
        if name in _READ:
            must_be_known([*words, *([command.stdin] if command.stdin else [])])
            self._program(name, words, command.stdin)
        elif command.operator == "$(":
            pass  # what it prints is not known, which matters only where that is needed
        elif has_reference(words[0].text):
            hint = "paste the command itself"
            raise Trouble("the command is in a variable, so it is not known here", words[0].offset, hint)
        elif name in _HARMLESS:
            if command.operator not in ("|", "|&", "||"):
                self._notebook.remark(words[0].offset, f"`{name}` is left out: it starts no job")
        else:
            shown = f"`{name}`" if re.fullmatch(r"[\w.-]{1,40}", name) else "this command"
            hint = "paste only the commands that start jobs: curl, Invoke-RestMethod, aft start, aft run"
            raise Trouble(f"{shown} cannot be read", words[0].offset, hint)

    def _program(self, name: str, words: Sequence[Word], stdin: Word | None) -> None:
        """One of the programs in `_READ`."""
        if name == "curl":
            for request in Curl(self._notebook, words[0].offset, stdin).read(words[1:]):
                self._job(request)
        elif name == "aft":
            self._notebook.jobs.append(aft.read(words[1:] or words, self._notebook))
        elif name in ("powershell", "pwsh"):
            self._call_powershell(words)
        elif name == "cmd":
            rest = [word for word in words[1:] if not re.match(r"/[a-zA-Z]$", word.text)]
            self._text("batch", *_joined(rest), Scope())
        elif name == "schtasks":
            self._schtasks(words)
        else:
            self._call_shell(words)

    def _job(self, request: Request) -> None:
        must_be_known(
            [request.url, *(value for _, value in request.headers), *([request.body] if request.body else [])]
        )
        job = job_of(request, self._notebook)
        if job is not None:
            self._notebook.jobs.append(job)

    def _call_shell(self, words: Sequence[Word]) -> None:
        for number, word in enumerate(words[1:], 1):
            if re.fullmatch(r"-[a-z]*c", word.text) and number + 1 < len(words):
                inner = words[number + 1]
                self._text("shell", inner.text, [inner.offset] * len(inner.text), Scope())
                return
        raise Trouble("this runs another script", words[0].offset, "import that script itself")

    def _call_powershell(self, words: Sequence[Word]) -> None:
        rest = list(words[1:])
        while rest:
            word = rest.pop(0)
            option = word.text.lower().lstrip("-/")
            if word.text.startswith(("-", "/")):
                if "command".startswith(option) or option == "c":
                    self._text("powershell", *_joined(rest), Scope())
                    return
                if "encodedcommand".startswith(option) or option in ("ec", "enc"):
                    self._encoded(rest, word)
                    return
                if "file".startswith(option):
                    raise Trouble("this runs another script", word.offset, "import that script itself")
                takes = ("executionpolicy", "windowstyle", "configurationname", "version", "psconsolefile")
                if option == "ep" or any(each.startswith(option) for each in takes):
                    rest = rest[1:]
                continue
            self._text("powershell", *_joined([word, *rest]), Scope())
            return
        raise Trouble("this PowerShell has no command", words[0].offset)

    def _encoded(self, rest: Sequence[Word], word: Word) -> None:
        try:
            text = base64.b64decode(rest[0].text, validate=True).decode("utf-16-le") if rest else ""
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise Trouble("the encoded command cannot be decoded", word.offset) from None
        self._text("powershell", text, [word.offset] * len(text), Scope())

    def _schtasks(self, words: Sequence[Word]) -> None:
        options: dict[str, Word] = {}
        rest = list(words[1:])
        while rest:
            word = rest.pop(0)
            if word.text.startswith(("/", "-")) and rest and not rest[0].text.startswith("/"):
                options[word.text[1:].lower()] = rest.pop(0)
        task = options.get("tr")
        if task is None:
            raise Trouble("this schtasks line has no /tr, so it runs nothing", words[0].offset)
        when = " ".join(options[key].text for key in ("sc", "mo", "d", "st") if key in options)
        line = self._notebook.pasted.line(words[0].offset)
        self._notebook.schedule = (
            f"ran by the Task Scheduler: {when or 'as set there'} (line {line}); keep the task, with: aftrun apply FILE"
        )
        for command in Batch(task.text, [task.offset] * len(task.text), Scope(), operators=False).commands():
            self._command(command)
        self._notebook.schedule = ""

    # --- PowerShell -----------------------------------------------------------------------------------------------

    def _powershell(self, text: str, offsets: Sequence[int]) -> None:
        before = len(self._notebook.jobs)
        reader = PowerShell(text, offsets, self._cmdlet)
        reader.read()
        if reader.skips_certificates:
            jobs = self._notebook.jobs
            jobs[before:] = [replace(job, tls=replace(job.tls, insecure=True)) for job in jobs[before:]]

    def _cmdlet(
        self, name: str, offset: int, plain: Sequence[tuple[Any, int]], named: dict[str, tuple[Any, int]], piped: Any
    ) -> Any:
        """The value of one command."""
        lower = name.lower()
        if lower in _REST:
            self._job(request_of(offset, plain, named, piped, self._notebook))
            return Unknown("it is what the server answers")
        if lower == "convertto-json":
            given = piped if piped is not None else named.get("inputobject", plain[0] if plain else (None, 0))[0]
            if isinstance(given, Unknown):
                return given
            return Encoded(given)
        if lower in ("get-content", "gc", "cat", "type"):
            path = named.get("path", named.get("literalpath", plain[0] if plain else (None, 0)))[0]
            if isinstance(path, str) and not has_reference(path):
                return reference("${file:" + path + "}")
            return Unknown("it is what a file holds")
        if lower == "get-date":
            form = named.get("format", (None, 0))[0]
            if isinstance(form, str):
                return date_reference(form) or Unknown("this format of a date is not known here")
            return Now()
        if lower in _HARMLESS_CMDLETS:
            return Unknown("it is what a command returned") if piped is not None else None
        if basename(name) in _READ:
            unescaped = [Word(text_of(each).replace('\\"', '"'), each[1]) for each in plain]
            self._command(Command((Word(name, offset), *unescaped), ";", offset))
            return Unknown("it is what a program prints")
        shown = f"`{name}`" if re.fullmatch(r"[\w.-]{1,40}", name) else "this command"
        if piped is not None or lower.startswith(("get-", "new-", "convertfrom-", "join-", "test-", "read-")):
            return Unknown(f"it is what {shown} returns")
        hint = "paste only the commands that start jobs, and the variables that they use"
        raise Trouble(f"{shown} cannot be read", offset, hint)


def _joined(words: Sequence[Word]) -> tuple[str, list[int]]:
    """Arguments as the one text that a shell makes of them again."""
    text = " ".join(word.text for word in words)
    offsets: list[int] = []
    for number, word in enumerate(words):
        offsets += [word.offset] * (len(word.text) + (1 if number + 1 < len(words) else 0))
    return text, offsets
