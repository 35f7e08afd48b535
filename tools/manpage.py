"""Write `man/aftrun.1` from the commands themselves.

`python -m tools.manpage` writes it; a test fails when it is not what this would write.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aftrun
from aftrun.errors import ExitCode
from tools.commands import Command, Parameter, commands

PAGE = Path(__file__).parent.parent / "man" / "aftrun.1"
DATE = "November 23, 2026"
"""Of the last change that readers should know of; set by hand, so that the page does not change by itself."""

SHARED_BY = 4
"""A flag of so many commands is explained once."""

CODES = {
    ExitCode.OK: "Everything asked for succeeded.",
    ExitCode.FAILED: "At least one job failed, was rejected, or was not run because of that.",
    ExitCode.USAGE: "Usage or manifest error. Nothing was sent.",
    ExitCode.UNREACHABLE: "No job was created: the server cannot be reached, or its certificate was refused.",
    ExitCode.REFUSED: "No job was created: the server refused the key or the address (401, 403).",
    ExitCode.CANCELLED: "A job was cancelled on the server.",
    ExitCode.UNKNOWN: "The outcome of at least one job is unknown. A person must look.",
    ExitCode.BUG: "A bug in aftrun.",
    ExitCode.STATE: "Its state or a report could not be written: disk full, or read-only.",
    ExitCode.GAVE_UP: "Gave up waiting. The job may still be running.",
    ExitCode.SIGINT: "Interrupted. Jobs go on, on the server, and `aftrun resume` takes the run up again.",
    ExitCode.SIGTERM: "Terminated. As for 130.",
}

ENVIRONMENT = {
    "AFT_API_KEY": "The API key, unless the manifest takes it from somewhere else.",
    "AFTRUN_*": "Every flag has a variable, named with its description above. What is given on the command line wins. "
    "For a flag that can be given several times it holds one value a line.",
    "NO_COLOR": "When set, nothing is coloured.",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "Proxies, as for curl; not used for this machine itself.",
    "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE": "Certificates to trust where neither the manifest nor a flag "
    "says how to verify the server.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Where a trace of each run is sent, if the extra `otel` is installed.",
    "CI, GITHUB_ACTIONS, GITLAB_CI, TF_BUILD, TEAMCITY_VERSION": "Tell which CI server to speak to; see `--ci`.",
}

FILES = {
    ".aftrun/state.db": "Every event of every run, in the folder that `--state-dir` names. It holds no secret.",
    ".aftrun/runs/RUN/report.json": "The report of a run, true at every moment.",
}

EXAMPLES = (
    (
        "Check a manifest, and run it against a server on this machine that starts no real job:",
        "aftrun validate nightly.yaml\naftrun apply nightly.yaml --sandbox",
    ),
    (
        "Run it, eight jobs at once, with a report for a CI server:",
        "aftrun apply nightly.yaml -j 8 --report-junit aft.xml",
    ),
    ("Run one job and all that needs it:", "aftrun apply nightly.yaml --select 'extract+'"),
    ("Take up what was interrupted; then run again what failed:", "aftrun resume\naftrun retry"),
)


def text(line: str) -> str:
    """Characters of prose as roff has them."""
    line = line.replace("\\", "\\e")
    line = re.sub(r"(?<![\w-])-(?=[\w-])|(?<=-)-", r"\\-", line)  # flags are to be copied as they stand
    line = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in line)
    return "\\&" + line if line[:1] in (".", "'") else line


def word(argument: str) -> str:
    """A word as an argument of a macro."""
    shown = text(argument).replace('"', "\\(dq")
    # Punctuation and the names of macros would be read as such.
    special = re.fullmatch(r"[.,:;()\[\]?!|]|[A-Z][a-z]", argument)
    return f'"{shown}"' if " " in shown else "\\&" + shown if special else shown


def prose(paragraph: str) -> Iterator[str]:
    """A paragraph, each sentence on lines of its own; what stands in backquotes is set off."""
    plain = re.sub(r"`([^`]+)`", "\u2018\\1\u2019", " ".join(paragraph.split()))
    for sentence in re.split(r"(?<=[.!?]) (?=[A-Z0-9\u2018])", plain):
        for line in textwrap.wrap(sentence, 60, break_long_words=False, break_on_hyphens=False):
            yield text(line).replace("\\[u2018]", "\\(oq").replace("\\[u2019]", "\\(cq")


def paragraphs(whole: str) -> Iterator[str]:
    """Several paragraphs."""
    for number, paragraph in enumerate(whole.split("\n\n")):
        if number:
            yield ".Pp"
        yield from prose(paragraph)


def flag(name: str) -> str:
    """`--jobs` as mdoc's Fl wants it."""
    return "Fl " + name[1:].replace("-", "\\-")


def value(parameter: Parameter) -> str:
    """What stands behind a flag."""
    if not parameter.takes_value:
        return ""
    return " Cm " + " | ".join(parameter.choices) if parameter.choices else f" Ar {word(parameter.metavar)}"


def option(each: Parameter) -> Iterator[str]:
    """One flag, explained."""
    names = sorted((*each.flags, *each.opposites), key=lambda name: (name.startswith("--"), name in each.opposites))
    yield ".It " + " , ".join(flag(name) for name in names) + value(each)
    yield from prose(each.help)
    if each.default:
        yield from prose(f"Default: {each.default}.")
    if each.variable:
        yield f".Pq Ev {each.variable}"


def argument(each: Parameter) -> str:
    """An argument as it stands in a synopsis."""
    if each.choices:
        shown = "Cm " + " | ".join(each.choices)
    else:
        name = each.metavar.strip("[]…")
        shown = f"Ar {word(name)}" + (" ..." if each.many else "")
    return shown if each.required else f"Oo {shown} Oc"


def listed(items: dict[str, str], macro: str) -> Iterator[str]:
    """A list of things, each with its paragraph."""
    yield ".Bl -tag -width Ds"
    for name, about in items.items():
        yield f".It {macro} " + " , ".join(word(part) for part in name.split(", "))
        yield from prose(about)
    yield ".El"


def section(command: Command, shared: set[Parameter]) -> Iterator[str]:
    """One command."""
    yield f".Ss {command.name}"
    synopsis = " ".join(argument(each) for each in command.arguments)
    yield (
        f".Nm Ic {command.name}"
        + (" Oo Ar options Oc" if command.options else "")
        + (f" {synopsis}" if synopsis else "")
    )
    yield ".Pp"
    yield from paragraphs(command.help)
    explained = [each for each in command.arguments if each.help]
    own = [each for each in command.options if each not in shared]
    if explained or own:
        yield ".Bl -tag -width Ds"
        for each in explained:
            yield ".It " + argument(each).removeprefix("Oo ").removesuffix(" Oc")
            yield from prose(each.help)
            if each.default:
                yield from prose(f"Default: {each.default}.")
        for each in own:
            yield from option(each)
        yield ".El"
    common = [each for each in command.options if each in shared]
    if common:
        yield ".Pp"
        yield "Shared options:"
        names = [flag(max(each.flags, key=len)) for each in common]
        yield from (f".{name} ,".replace(" ,", " ." if name is names[-1] else " ,") for name in names)


def page() -> str:
    """The text of the page."""
    found = list(commands())
    uses = Counter(option for command in found for option in command.options)
    shared = {option for option, count in uses.items() if count >= SHARED_BY}
    lines = [
        '.\\" Written by: python -m tools.manpage',
        f".Dd {DATE}",
        ".Dt AFTRUN 1",
        ".Os",
        ".Sh NAME",
        ".Nm aftrun",
        ".Nd declarative job runner for Syncplify AFT! servers",
        ".Sh SYNOPSIS",
        ".Nm",
        ".Ar command",
        ".Op Ar options",
        ".Op Ar argument ...",
        ".Nm",
        ".Fl \\-version",
        ".Nm",
        ".Op Ar command",
        ".Fl \\-help",
        ".Sh DESCRIPTION",
        ".Nm",
        *prose(
            "starts file-transfer jobs on Syncplify AFT! servers from YAML manifests, follows each to its end over the "
            "REST API, and reports what it saw. It never calls an unknown outcome a success, never submits a job "
            "twice, never shows a secret, and pins the server's certificate instead of switching TLS off."
        ),
        ".Pp",
        *prose("Data goes to standard output, progress and messages to standard error."),
        ".Sh COMMANDS",
    ]
    for command in found:
        lines += section(command, shared)
    lines += [".Sh SHARED OPTIONS", "Each command above names those that it takes.", ".Bl -tag -width Ds"]
    for each in uses:
        if each in shared:
            lines += option(each)
    lines += [".It Fl h , Fl \\-help", "Show the help of the program or of a command.", ".El"]
    lines += [".Sh ENVIRONMENT", *listed(ENVIRONMENT, "Ev")]
    lines += [".Sh FILES", *listed(FILES, "Pa")]
    lines += [".Sh EXIT STATUS", *listed({str(int(code)): CODES[code] for code in ExitCode}, "")]
    lines += [".Pp", *prose("Where several apply: 130 or 143, 74, 6, 124, 1, 5, then 4 or 3.")]
    lines += [".Sh EXAMPLES"]
    for about, example in EXAMPLES:
        lines += [*prose(about), ".Bd -literal -offset indent", *map(text, example.splitlines()), ".Ed", ".Pp"]
    lines[-1:] = [".Sh SEE ALSO", ".Lk https://github.com/aftrun/aftrun", ".Pp"]
    lines += [*prose(f"This page is about version {aftrun.__version__}. `aftrun COMMAND --help` says the same.")]
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
