"""The words of one command → what it starts. Programs that only run another one are looked through."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence

from aftrun.domain.frozen import replace
from aftrun.importer import aft
from aftrun.importer.body import job_of
from aftrun.importer.curl import Curl
from aftrun.importer.found import Notebook, Request, Word, basename, words
from aftrun.importer.marks import has_mark, unknown

Nested = Callable[[str, str, int], None]
"""Reads a text in a language: `bash`, `powershell` or `cmd`, all of it at one line."""

_CALLS = ("curl", "aft")
_SHELLS = ("bash", "sh", "dash", "zsh", "ksh", "su", "ssh")
_PLAIN = words(
    "sudo doas nohup time exec command then do else call start env nice ionice timeout stdbuf flock setsid chronic "
    "caffeinate @curl @aft if for not eval builtin"
)
"""Programs and words that change nothing about the request of the command behind them."""
_SAYS = words(
    "echo printf print which type command grep egrep man apt apt-get yum dnf apk brew pip pip3 rm cp mv ls cat "
    "touch logger log info warn error die fail hash whereis test [ [[ alias unalias where write-host write-output "
    "choco install winget scoop set rem docker-compose select-string"
)
"""What has `curl` or `aft` among its words without running it."""
_ELSEWHERE = ("ssh", "docker", "podman", "kubectl", "wsl", "vagrant")
_DEEPEST = 8


class Calls:
    """Looks at commands, one after another, and notes the jobs that they start."""

    def __init__(self, notebook: Notebook, nested: Nested) -> None:
        self._notebook, self._nested = notebook, nested
        self._depth = 0

    def request(self, request: Request) -> None:
        """Note the job that a request starts."""
        job = job_of(request, self._notebook)
        if job is not None:
            self._notebook.job(job)

    def run(self, words: Sequence[Word], stdin: str | None = None) -> bool:
        """Look at one command; says whether it was one that starts jobs or runs another text."""
        if not words:
            return False
        name = basename(words[0].text)
        if name in _CALLS:
            self._call(name, words, stdin)
        elif name in ("powershell", "pwsh") and self._powershell(words):
            pass
        elif name == "cmd" or (name in _SHELLS and any(word.text.startswith("-") for word in words)) or name == "ssh":
            self._shell(name, words)
        elif name == "schtasks":
            self._notebook.remark(
                words[0].line, "a schtasks line is not read; paste the command that stands behind its /tr"
            )
        elif name in ("wget", "http", "https", "xh") and any("/v1/jobs" in word.text for word in words):
            self._notebook.remark(words[0].line, f"`{name}` is not read; write the request as curl")
        elif name not in _SAYS or name in _PLAIN:
            return self._behind(name, words, stdin)
        else:
            return False
        return True

    def _call(self, name: str, words: Sequence[Word], stdin: str | None) -> None:
        self._notebook.seen.add(words[0].line)
        if name == "aft":
            aft.read(words, self._notebook)
            return
        for request in Curl(self._notebook, words[0].line, stdin).read(words[1:]):
            self.request(request)

    def _behind(self, name: str, words: Sequence[Word], stdin: str | None) -> bool:
        """A command that another one runs: `sudo curl …`, `retry 3 curl …`, `if errorlevel 1 curl …`."""
        for number, word in enumerate(words[1:], 1):
            inner = basename(word.text)
            rest = words[number + 1 :]
            starts = (inner == "aft" and bool(rest) and rest[0].text.lower() in ("start", "run")) or (
                inner == "curl" and any(each.text[:1] == "-" or "/" in each.text for each in rest)
            )
            if starts or (inner in ("powershell", "pwsh", "cmd", *_SHELLS) and rest and name in _PLAIN):
                if name in _ELSEWHERE:
                    said = f"the call ran on another machine, through `{name}`; aftrun runs on this one"
                    self._notebook.remark(word.line, said)
                elif name not in _PLAIN:
                    shown = f"`{name}`" if re.fullmatch(r"[a-z][a-z_.-]{0,24}", name) else "another command"
                    self._notebook.remark(word.line, f"the call stood behind {shown}, which is left out")
                return self.run(_filled(name, words, number), stdin)
        return False

    def _inner(self, language: str, text: str, line: int) -> None:
        if self._depth >= _DEEPEST:
            self._notebook.remark(line, "this is nested too deeply to be read")
            return
        self._depth += 1
        self._nested(language, text, line)
        self._depth -= 1

    def _shell(self, name: str, words: Sequence[Word]) -> None:
        line = words[0].line
        if name == "cmd":
            rest = [word.text for word in words[1:] if not re.match(r"/[a-zA-Z]$", word.text)]
            self._inner("cmd", " ".join(rest), line)
            return
        if name == "ssh":
            at = next((n for n, word in enumerate(words[1:], 1) if re.search(r"\b(curl|aft)\b", word.text)), 0)
            if at:
                said = "the call ran on another machine, through `ssh`; aftrun runs on this one"
                self._notebook.remark(line, said)
                self._inner("bash", " ".join(word.text for word in words[at:]), line)
            return
        for number, word in enumerate(words[1:], 1):
            if re.fullmatch(r"-[a-z]*c", word.text) and number + 1 < len(words):
                self._inner("bash", words[number + 1].text, line)

    def _powershell(self, words: Sequence[Word]) -> bool:
        line, rest = words[0].line, list(words[1:])
        while rest:
            text = rest.pop(0).text
            option = text.lower().lstrip("-/")
            if not text.startswith(("-", "/")) or has_mark(text) or (option and "command".startswith(option)):
                kept = [word.text for word in rest] if text.startswith(("-", "/")) else [text, *(w.text for w in rest)]
                self._inner("powershell", " ".join(kept), line)
                return True
            if option and ("encodedcommand".startswith(option) or option in ("ec", "enc")):
                self._encoded(rest[0].text if rest else "", line)
                return True
            if option == "file":
                self._notebook.remark(line, "a line that runs another script is left out: import that script itself")
                return True
            takes = (
                "executionpolicy",
                "windowstyle",
                "configurationname",
                "version",
                "psconsolefile",
                "workingdirectory",
            )
            if option in ("ep", "ex") or any(each.startswith(option) for each in takes):
                rest = rest[1:]
        return True

    def _encoded(self, text: str, line: int) -> None:
        try:
            inner = base64.b64decode(text, validate=True).decode("utf-16-le")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            self._notebook.remark(line, "an encoded command that cannot be decoded is left out")
            return
        self._inner("powershell", inner, line)


def _filled(name: str, words: Sequence[Word], at: int) -> list[Word]:
    """The words of a call behind `xargs`, `parallel` or `find`; what these put into it is not known here."""
    texts = [word.text for word in words[1:at]]
    place = "{}" if name in ("parallel", "find") else ""
    for number, text in enumerate(texts) if name in ("xargs", "parallel") else ():
        match = re.fullmatch(r"(?:-I|-i|--replace=?)(.*)", text)
        if match:
            place = match[1] or (texts[number + 1] if text == "-I" and number + 1 < len(texts) else "{}")
    if not place:
        return list(words[at:])

    def put(text: str, line: int) -> str:
        return text.replace(place, unknown("VALUE", f"`{name}` puts it in", line))

    return [replace(word, text=put(word.text, word.line)) for word in words[at:]]
