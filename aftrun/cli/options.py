"""Flags that several commands share. Every flag has a mirror in the environment: `--max-x` is `AFTRUN_MAX_X`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from aftrun.cli.flags import Argument, Flag
from aftrun.cli.words import Ci, Output

option = Flag
"""A flag that is mirrored by a variable of the environment: `--max-x` is `AFTRUN_MAX_X`."""

Files = Annotated[
    list[str],
    Argument(
        help="Manifests: files, folders (every *.yaml, *.yml and *.json in them), or - for standard input.",
        metavar="FILE",
        show_default=False,
    ),
]
Variables = Annotated[
    list[str] | None,
    option("--var", help="Set a variable of `vars` (repeatable).", metavar="NAME=VALUE", many=str),
]
EnvFiles = Annotated[
    list[Path] | None,
    option(
        "--env-file",
        help="Values for ${VAR} from NAME=value lines; the environment wins (repeatable).",
        metavar="FILE",
        many=Path,
    ),
]
Select = Annotated[
    list[str] | None,
    option(
        "--select",
        help="Only these jobs: name, manifest/job, glob, tag:x; +name adds needs, name+ dependants (repeatable).",
        metavar="EXPR",
        many=str,
    ),
]
Exclude = Annotated[
    list[str] | None,
    option("--exclude", help="Not these jobs; as --select (repeatable).", metavar="EXPR", many=str),
]
StateDir = Annotated[
    Path,
    option("--state-dir", help="Where runs are recorded.", metavar="DIR"),
]
Server = Annotated[
    str | None,
    option("--server", help="URL of the server, instead of what the manifests say.", metavar="URL"),
]
CaCert = Annotated[
    Path | None,
    option("--cacert", help="Trust the certificates in this PEM file, and no others.", metavar="FILE"),
]
Fingerprint = Annotated[
    list[str] | None,
    option(
        "--fingerprint",
        help="Accept the certificate with this SHA-256 fingerprint (repeatable), and no other.",
        metavar="sha256:HEX",
        many=str,
    ),
]
Insecure = Annotated[
    bool,
    option("--insecure", "-k", help="Do NOT verify the certificate. Anyone on the way can read the key."),
]
Verbose = Annotated[int, option("--verbose", "-v", help="Say more; twice: tracebacks too.", count=True)]
Quiet = Annotated[bool, option("--quiet", "-q", help="Only errors, and the result.")]

ReportJson = Annotated[
    list[Path] | None,
    option("--report-json", help="Write the report as JSON here too (repeatable).", metavar="PATH", many=Path),
]


def _report(name: str, what: str) -> Any:
    return option(f"--report-{name}", help=f"Write the report as {what} (repeatable).", metavar="PATH", many=Path)


ReportJunit = Annotated[list[Path] | None, _report("junit", "JUnit XML, for CI servers")]
ReportHtml = Annotated[list[Path] | None, _report("html", "one HTML page with a timeline")]
ReportMarkdown = Annotated[list[Path] | None, _report("markdown", "Markdown")]
ReportTap = Annotated[list[Path] | None, _report("tap", "TAP 14")]
Events = Annotated[
    str | None,
    option("--events", help="Write what happens, as it happens, as NDJSON; - is standard output.", metavar="PATH"),
]
MetricsTextfile = Annotated[
    Path | None,
    option("--metrics-textfile", help="Keep this file for Prometheus' textfile collector up to date.", metavar="PATH"),
]
CiServer = Annotated[
    Ci | None, option("--ci", help="Speak to this CI server, instead of the one that is detected.", show_default=False)
]
OutputFormat = Annotated[Output, option("--output", "-o", help="What to print at the end.")]
NoProgress = Annotated[bool, option("--no-progress", help="Say only how jobs end, not what they do.")]
NoExitStatus = Annotated[bool, option("--no-exit-status", help="Exit with 0 even if jobs did not succeed.")]


def parse_variables(pairs: list[str] | None) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; the last of a name wins.

    Raises:
        UsageError: one has no `=` or no name.
    """
    from aftrun.errors import UsageError  # noqa: PLC0415  # only when it is needed

    result: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--var {pair}: not of the form NAME=VALUE", hint="write for example --var year=2027")
        result[name] = value
    return result


def report_paths(
    json: list[Path] | None,
    junit: list[Path] | None,
    html: list[Path] | None,
    markdown: list[Path] | None,
    tap: list[Path] | None,
) -> dict[str, tuple[Path, ...]]:
    """The `--report-…` flags, by format."""
    given = {"json": json, "junit": junit, "html": html, "markdown": markdown, "tap": tap}
    return {name: tuple(paths) for name, paths in given.items() if paths}


def output_beside(events: str | None, output: Output) -> Output:
    """What to print at the end: a stream of events on standard output leaves no room for a table.

    Raises:
        UsageError: events and the report were both asked for there.
    """
    if events == "-" and output is Output.JSON:
        from aftrun.errors import UsageError  # noqa: PLC0415  # only when it is needed

        raise UsageError(
            "--events - and --output json would both go to standard output", hint="write one of them to a file"
        )
    return Output.NONE if events == "-" and output is Output.TABLE else output
