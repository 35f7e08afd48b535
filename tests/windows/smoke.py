r"""Thirty command lines as a person types them in `C:\Users\Jörg Müller\…`, and what must come of each.

The program is whatever is to be tried: aftrun.exe under Wine or on Windows, or the one file of `make standalone` on any
system. The server that it talks to is the sandbox, in this process.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.waiting import HANG

NIGHT = "Nächtliche Übertragung.yaml"
FOLDER = Path("Nacht [1]")


@dataclass(frozen=True)
class Done:
    """What came of a line."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """Where lines are typed, and the program that they name."""

    command: Sequence[str]
    """What `aftrun` stands for."""
    folder: Path
    environ: Mapping[str, str]
    windows: bool
    shell: Sequence[str] = ()
    """What takes a line as its last argument; empty: the line is taken apart here."""

    def words(self, line: str) -> list[str]:
        """A line as the C library of Windows takes it apart: blanks and double quotes count, a backslash does not."""
        reader = shlex.shlex(line, posix=True)
        reader.whitespace_split, reader.escape, reader.quotes, reader.commenters = True, "", '"', ""
        return list(reader)

    def type(self, line: str) -> Done:
        """Type a line."""
        name = self.shell[0] if self.shell else ""
        words: Sequence[str] | str = [*self.command, *self.words(line)[1:]]
        if name == "cmd":
            words = f'{" ".join(self.shell)} "{line}"'  # it takes quotes off in a way of its own
        elif name:
            utf8 = "[Console]::OutputEncoding = [Text.UTF8Encoding]::new()"
            words = [*self.shell, f"{utf8}; {line}; exit $LASTEXITCODE"]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HANG,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode("utf-8", "replace")
        if name not in ("", "cmd"):
            out = out.replace("\r\n", "\n")  # PowerShell reads what programs print, and writes its own lines
        return Done(done.returncode, out, err)


Check = Callable[[Done], object]


@dataclass(frozen=True)
class Line:
    """A line, its exit code, and what else must hold."""

    text: str
    code: int = 0
    holds: Check = lambda _: True


def said(*texts: str) -> Check:
    """All of these are somewhere in what was printed."""
    return lambda done: all(text in done.out + done.err for text in texts)


def bytes_as_written(*texts: str) -> Check:
    """The same on standard output alone, in which no line has a CR."""
    return lambda done: "\r" not in done.out and all(text in done.out for text in texts)


def is_json(done: Done) -> bool:
    """Standard output is JSON."""
    json.loads(done.out)
    return "\r" not in done.out


def are_events(done: Done) -> bool:
    """Standard output is NDJSON, from a run's start to its end."""
    types = [json.loads(line)["type"] for line in done.out.splitlines()]
    return types[:2] == ["stream", "runStarted"] and types[-1] == "runEnded" and "\r" not in done.out


def is_junit(path: Path) -> bool:
    """Whether a file is a whole JUnit report."""
    text = path.read_text(encoding="utf-8")
    return text.startswith("<?xml") and text.rstrip().endswith("</testsuites>")


def prepare(place: Place, server: Sandbox) -> None:
    """The files of that person, as Windows' editors and shells save them."""
    at = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}}}\n"
    name = "${Mein_Wert}" if place.windows else "${MEIN_WERT}"
    params = f"params: {{Ziel: '{name}', Ort: 'D:\\Archiv'}}"
    night = f"{at}jobs:\n  - scriptName: Übertragung München\n    {params}\n    once: Nacht für Nacht\n"
    folder = place.folder
    (folder / FOLDER).mkdir(parents=True)
    (folder / NIGHT).write_bytes(b"\xef\xbb\xbf" + night.replace("\n", "\r\n").encode())
    (folder / "schlecht.yaml").write_text(f"{at}jobs: [{{scriptName: bad}}]\n", encoding="utf-8")
    (folder / "ohne.yaml").write_text(f"{at}jobs: [{{scriptName: x, params: {{a: '${{FEHLT}}'}}}}]\n", encoding="utf-8")
    (folder / FOLDER / "A.YAML").write_text("scriptName: a\n", encoding="utf-8")
    (folder / FOLDER / "b.yml").write_text("scriptName: b\n", encoding="utf-8")
    (folder / "werte.env").write_bytes(b"\xff\xfe" + "# Werte\r\nfehlt=größe\r\n".encode("utf-16-le"))
    (folder / "schlüssel.txt").write_bytes(b"\xef\xbb\xbf" + server.api_key.encode() + b"\r\n")
    (folder / "skript.ps1").write_bytes(
        b"\xef\xbb\xbf"
        b"Invoke-RestMethod -Method Post -Uri 'https://h:44399/v1/jobs' -Headers @{'X-API-Key'='k'} "
        b"""-ContentType 'application/json' -Body '{"scriptName": "x"}'\r\n"""
    )
    if not place.windows:  # there, names of variables are what is written
        (folder / "werte.env").write_bytes("FEHLT=größe\n".encode())


def lines(place: Place, server: Sandbox) -> list[Line]:
    """The thirty."""
    reach = f"--server {server.url} --fingerprint {server.fingerprint}"
    folder = place.folder
    sep = "\\" if place.windows else "/"

    def last_job(_: Done) -> bool:
        return len(server.jobs()) > 0

    return [
        Line("aftrun --version", 0, said("aftrun ")),
        Line("aftrun --help", 0, said("apply", "watch")),
        Line("aftrun init anfang.yaml", 0, lambda _: (folder / "anfang.yaml").is_file()),
        Line("aftrun validate anfang.yaml"),
        Line(f'aftrun validate "{NIGHT}" --strict'),
        Line(f'aftrun validate "{FOLDER}"', 0, said("2 ")),
        Line(f'aftrun validate ".{sep}{FOLDER}{sep}*.yml"', 0 if place.windows else 2),
        Line("aftrun validate fehlt.yaml", 2, said("there is no file")),
        Line("aftrun explain AFT046", 0, said("AFT046")),
        Line("aftrun schema", 0, is_json),
        Line("aftrun completion bash", 0, bytes_as_written("complete")),
        Line(f'aftrun plan "{NIGHT}"', 0, said("München")),
        Line(f'aftrun plan "{NIGHT}" --format curl', 0, bytes_as_written("curl ")),
        Line(f'aftrun plan "{NIGHT}" --format powershell', 0, bytes_as_written("Invoke-RestMethod")),
        Line(f'aftrun plan "{NIGHT}" --format json', 0, is_json),
        Line("aftrun import skript.ps1", 0, bytes_as_written("scriptName: x")),
        Line(f"aftrun trust {server.url}", 0, said(server.fingerprint)),
        Line(f"aftrun doctor {reach} --api-key-file schlüssel.txt", 0, said("every value is there", "accepted")),
        Line(f'aftrun start -n "My Backup Job" --param Ziel=D:\\Archiv {reach}', 0, last_job),
        Line("aftrun apply anfang.yaml --sandbox --state-dir proben", 0, said("succeeded")),
        Line(
            f'aftrun apply "{NIGHT}" --report-junit "Bericht ü.xml" --report-html Bericht.html',
            0,
            lambda _: is_junit(folder / "Bericht ü.xml") and (folder / "Bericht.html").is_file(),
        ),
        Line(f'aftrun apply "{NIGHT}"', 0, said("up to date since")),
        Line("aftrun apply ohne.yaml", 2, said("FEHLT", "not set")),
        Line("aftrun apply ohne.yaml --env-file werte.env --events - -o none", 0, are_events),
        Line("aftrun apply schlecht.yaml", 1, said("aftrun retry ")),
        Line("aftrun retry", 1, said("failed")),
        Line("aftrun history", 0, said("failed", "succeeded")),
        Line("aftrun history --report-html Verlauf.html", 0, lambda _: (folder / "Verlauf.html").is_file()),
        Line("aftrun show", 0, said("bad")),
        Line("aftrun report --report-tap -", 0, bytes_as_written("not ok")),
    ]


def smoke(place: Place, tell: Callable[[str], None]) -> tuple[int, int]:
    """Type all lines; returns how many did what they must, and how many there are."""
    scenario: dict[str, Json] = {
        "defaults": {"queue": "0s", "duration": "50ms"},
        "behaviours": [{"match": {"scriptName": "bad"}, "outcome": "failed"}],
    }
    with Sandbox(parse(scenario)) as server:
        prepare(place, server)
        key = "aft_api_key" if place.windows else "AFT_API_KEY"
        value = "MEIN_WERT"
        here = Place(
            place.command,
            place.folder,
            {**place.environ, key: server.api_key, value: "Größe"},
            place.windows,
            place.shell,
        )
        right, all_lines = 0, lines(here, server)
        for line in all_lines:
            done = here.type(line.text)
            try:
                fine = done.code == line.code and bool(line.holds(done))
            except (ValueError, OSError, LookupError) as error:
                fine = False
                tell(f"  {type(error).__name__}: {error}")
            right += fine
            tell(f"{'ok  ' if fine else 'FAIL'} {line.text}")
            if not fine:
                tell(f"  exit code {done.code}, expected {line.code}\n{_indented(done.out)}{_indented(done.err)}")
        return right, len(all_lines)


def _indented(text: str) -> str:
    return re.sub(r"(?m)^", "  | ", text[-3000:].rstrip()) + "\n" if text.strip() else ""
