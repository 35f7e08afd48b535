"""Flags that several commands share, in groups: a command takes a group, and `flags.expanded` makes its flags of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import complete
from aftrun.cli.choices import Ci, Output
from aftrun.cli.flags import Completer, argument, flag
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import dataclass, replace
from aftrun.report.registry import FORMATS
from aftrun.system.lines import DEFAULT_STATE_DIR

if TYPE_CHECKING:
    from aftrun.manifest.policy import Governed, Policy

Files = Annotated[
    list[str],
    argument(
        help="Manifests: files, folders (every *.yaml, *.yml and *.json in them), or - for standard input.",
        metavar="FILE",
        show_default=False,
        complete=complete.manifests,
    ),
]
EnvFiles = Annotated[
    list[Path] | None,
    flag(
        "--env-file",
        help="Values for ${VAR} from NAME=value lines; the environment wins (repeatable).",
        metavar="FILE",
        many=Path,
    ),
]
Variables = Annotated[
    list[str] | None,
    flag(
        "--var",
        help="Set a variable of `vars` (repeatable).",
        metavar="NAME=VALUE",
        many=str,
        complete=complete.variables,
    ),
]
DryRun = Annotated[bool, flag("--dry-run", help="Show the plan and send nothing.")]
WithSandbox = Annotated[bool, flag("--sandbox", help="Run against a sandbox on this machine; starts no real job.")]
Scenario = Annotated[
    Path | None,
    # No variable stands for it: one that was set for `aftrun sandbox` is no reason to refuse a real run.
    flag("--scenario", help="With --sandbox: what it does, to rehearse a failure.", metavar="FILE", mirrored=False),
]
Quiet = Annotated[bool, flag("--quiet", "-q", help="Only errors, and the result.")]
NoProgress = Annotated[bool, flag("--no-progress", help="Say only how jobs end, not what they do.")]
Verbose = Annotated[int, flag("--verbose", "-v", help="Say more; twice: tracebacks too.", count=True)]


def _run(which: Completer, what: str) -> object:
    return argument(
        help=f"The run's id, or enough of its beginning; {what} without one.", metavar="RUN", complete=which
    )


Run = Annotated[str | None, _run(complete.runs, "the newest run")]
OpenRun = Annotated[str | None, _run(complete.open_runs, "the newest run that can go on")]
BadRun = Annotated[str | None, _run(complete.bad_runs, "the newest run")]
LiveRun = Annotated[str | None, _run(complete.live_runs, "the one that is under way")]
Last = Annotated[str | None, flag("--last", help="Only runs started within this time, such as 7d.", metavar="D")]
OfManifest = Annotated[str | None, flag("--manifest", help="Only runs of the manifest of this name.", metavar="NAME")]
OutputFormat = Annotated[Output, flag("--output", "-o", help="What to print at the end.")]


@dataclass(frozen=True, slots=True)
class StateFlags:
    """Where the record is, and whether to believe it."""

    state_dir: Annotated[Path, flag("--state-dir", help="Where runs are recorded.", metavar="DIR")] = DEFAULT_STATE_DIR
    trust_state: Annotated[
        bool,
        flag(
            "--trust-state",
            help="Accept the state folder as your own, although aftrun did not make it here for you: it comes out of "
            "a cache, say, or was moved.",
        ),
    ] = False

    @property
    def folder(self) -> Path:
        """The state folder, accepted where that was said. Whoever opens it makes sure that it may be opened."""
        if self.trust_state:
            from aftrun.run.store.folder import accept  # only for this flag

            accept(self.state_dir)
        return self.state_dir


def _expression(name: str, help: str) -> object:  # noqa: A002  # typer's own name for it
    return flag(name, help=help, metavar="EXPR", many=str, complete=complete.jobs)


@dataclass(frozen=True, slots=True)
class PolicyFlags:
    """What manifests may do that come from somebody else."""

    policy: Annotated[
        Path | None,
        flag(
            "--policy",
            help="Hold manifests to this policy: servers, values from outside, scripts, notices. Default: "
            ".aftrun-policy.yaml, from here up to the root of the git work tree.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None

    def in_force(self) -> Policy:
        """The policy that is in force.

        Raises:
            ManifestError: it is none.
            UsageError: it cannot be read.
        """
        from aftrun.manifest import policyfile  # the parser is for commands that read manifests

        return policyfile.in_force(self.policy)

    def environ(self, env_files: Sequence[Path] | None = None) -> Governed:
        """Where values from outside come from: the environment, then these files, under the policy in force."""
        from aftrun.manifest.envfile import with_env_files
        from aftrun.manifest.policy import Governed

        return Governed(self.in_force(), with_env_files(os.environ, env_files or ()))


@dataclass(frozen=True, slots=True)
class ChoiceFlags:
    """Which jobs of the manifests."""

    select: Annotated[
        tuple[str, ...],
        _expression(
            "--select",
            "Only these jobs: name, manifest/job, glob, tag:x; +name adds needs, name+ dependants (repeatable).",
        ),
    ] = ()
    exclude: Annotated[tuple[str, ...], _expression("--exclude", "Not these jobs; as --select (repeatable).")] = ()


@dataclass(frozen=True, slots=True)
class TlsFlags:
    """How to verify the server's certificate, instead of what the manifests say."""

    cacert: Annotated[
        Path | None, flag("--cacert", help="Trust the certificates in this PEM file, and no others.", metavar="FILE")
    ] = None
    fingerprint: Annotated[
        tuple[str, ...],
        flag(
            "--fingerprint",
            help="Accept the certificate with this SHA-256 fingerprint (repeatable), and no other.",
            metavar="sha256:HEX",
            many=str,
        ),
    ] = ()
    insecure_http: Annotated[
        bool,
        flag("--insecure-http", help="Take http:// to another machine. Anyone on the way can read key and params."),
    ] = False

    @property
    def ca_file(self) -> str | None:
        """The PEM file, absolute, so that a run that is resumed elsewhere finds it."""
        return None if self.cacert is None else str(self.cacert.absolute())


@dataclass(frozen=True, slots=True)
class ServerFlags:
    """Which server, instead of what the manifests say."""

    server: Annotated[
        str | None, flag("--server", help="URL of the server, instead of what the manifests say.", metavar="URL")
    ] = None
    tls: TlsFlags = field(default_factory=TlsFlags)
    insecure: Annotated[
        bool, flag("--insecure", "-k", help="Do NOT verify the certificate. Anyone on the way can read the key.")
    ] = False


@dataclass(frozen=True, slots=True)
class ViewFlags:
    """How much is said while jobs run, and to whom."""

    events: Annotated[
        str | None,
        flag("--events", help="Write what happens, as it happens, as NDJSON; - is standard output.", metavar="PATH"),
    ] = None
    ci: Annotated[
        Ci | None,
        flag("--ci", help="Speak to this CI server, instead of the one that is detected.", show_default=False),
    ] = None
    no_progress: NoProgress = False
    quiet: Quiet = False
    verbose: Verbose = 0


if TYPE_CHECKING:

    class ReportPaths:
        """Where to write the report: a field, and so a flag, for each format of `report.registry`."""

        def by_format(self) -> dict[str, tuple[Path, ...]]:
            """The paths that were given."""

else:

    def _by_format(self: ReportPaths) -> dict[str, tuple[Path, ...]]:
        return {name: paths for name in FORMATS if (paths := getattr(self, f"report_{name}"))}

    ReportPaths = make_dataclass(
        "ReportPaths",
        [
            (
                f"report_{each.name}",
                Annotated[
                    tuple[Path, ...],
                    flag(
                        f"--report-{each.name}",
                        help=f"Write the report as {each.title} (repeatable).",
                        metavar="PATH",
                        many=Path,
                    ),
                ],
                (),
            )
            for each in FORMATS.values()
        ],
        frozen=True,
        slots=True,
        namespace={"by_format": _by_format},
    )


@dataclass(frozen=True, slots=True)
class ReportFlags:
    """What is done with the report at the end."""

    paths: ReportPaths = field(default_factory=ReportPaths)
    metrics_textfile: Annotated[
        Path | None,
        flag(
            "--metrics-textfile", help="Keep this file for Prometheus' textfile collector up to date.", metavar="PATH"
        ),
    ] = None
    output: OutputFormat = Output.TABLE
    no_exit_status: Annotated[bool, flag("--no-exit-status", help="Exit with 0 even if jobs did not succeed.")] = False

    def beside(self, view: ViewFlags) -> ReportFlags:
        """The same where events or a report go to standard output, which leaves no room there for a table.

        Raises:
            UsageError: several things were asked for there.
        """
        claims = ["--events -"] if view.events == "-" else []
        claims += on_stdout(self.paths)
        if not claims:
            return self
        alone_on_stdout([*claims, *(["--output json"] if self.output is Output.JSON else [])])
        return replace(self, output=Output.NONE)


def check_order(jobs: int | None, *, sequential: bool) -> None:
    """Raises UsageError where both orders were asked for."""
    from aftrun.service import arguments  # --help needs it not

    arguments.check_order(jobs, sequential=sequential, called="--jobs {} and --sequential")


def on_stdout(paths: ReportPaths) -> list[str]:
    """The flags of reports that go to standard output, as they were given."""
    return [f"--report-{name} -" for name, places in paths.by_format().items() for path in places if str(path) == "-"]


def alone_on_stdout(claims: Sequence[str]) -> None:
    """Raises UsageError where more than one thing shall go to standard output, which no program could take apart."""
    if len(claims) > 1:
        both = "both" if len(claims) == 2 else "all"
        message = f"{' and '.join(claims)} would {both} go to standard output"
        raise UsageError(message, hint="write all but one of them to files")


def parse_variables(pairs: list[str] | None) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; the last of a name wins.

    Raises:
        UsageError: one has no `=` or no name.
    """
    result: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--var {pair}: not of the form NAME=VALUE", hint="write for example --var year=2027")
        result[name] = value
    return result
