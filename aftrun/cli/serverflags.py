"""The flags that name a server and its key, where there is no manifest or only its server matters."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import complete, options
from aftrun.cli.boundary import say
from aftrun.cli.flags import flag
from aftrun.domain import urls
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import DEFAULT_KEY_VARIABLE, ServerSpec
from aftrun.domain.values import Template
from aftrun.system.lines import DEFAULT_STATE_DIR
from aftrun.system.shell import setting

if TYPE_CHECKING:
    from aftrun.domain.model import JobInfoMap
    from aftrun.manifest.policy import Governed
    from aftrun.service.jobs import KnownJob
    from aftrun.service.prepare import ServerOverride

ServerName = Annotated[
    str | None,
    flag(
        "--server-name",
        help="Which of the manifest's `servers`; default: the first.",
        metavar="NAME",
        complete=complete.servers,
    ),
]


@dataclass(frozen=True, slots=True)
class KeyFlags:
    """Where the key is said to come from. At most one is set; none: AFT_API_KEY, or whatever the manifest says."""

    api_key: Annotated[
        str | None,
        flag(
            "--api-key",
            "-a",
            help="The API key itself. Other users of this machine can see it there; prefer AFT_API_KEY.",
            metavar="KEY",
            show_envvar=False,
        ),
    ] = field(default=None, repr=False)
    api_key_file: Annotated[
        Path | None, flag("--api-key-file", help="Read the API key from this file.", metavar="FILE")
    ] = None
    api_key_keyring: Annotated[
        str | None, flag("--api-key-keyring", help="Read the API key from the keyring.", metavar="SERVICE/USER")
    ] = None

    def check(self) -> None:
        """Refuse what contradicts itself, and warn of a key that others can see.

        Raises:
            UsageError: several places were given, or a place that cannot be one.
        """
        given = [
            flag
            for flag, value in (
                ("--api-key", self.api_key),
                ("--api-key-file", self.api_key_file),
                ("--api-key-keyring", self.api_key_keyring),
            )
            if value is not None
        ]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="keep one of them")
        if self.api_key_keyring is not None and not all(self.api_key_keyring.rpartition("/")[::2]):
            raise UsageError("--api-key-keyring needs SERVICE/USER", hint="for example --api-key-keyring aft/backup")
        if self.api_key is not None and not self.api_key:
            raise UsageError("--api-key is empty", hint=f"set {DEFAULT_KEY_VARIABLE} instead")
        if self.api_key is not None and any(self.api_key in word for word in sys.argv):
            say(
                "warning: an API key on the command line can be seen by every user of this machine, and stays in the "
                f"shell's history\n  set {DEFAULT_KEY_VARIABLE}, or use --api-key-file or --api-key-keyring"
            )

    @property
    def given(self) -> bool:
        """Whether the command line says anything of the key."""
        return self.api_key is not None or self.api_key_file is not None or self.api_key_keyring is not None

    def reference(self) -> Template:
        """The key as a manifest would name it."""
        from aftrun.service.single_server import key_reference

        if self.api_key_file is not None:
            return key_reference("file", str(self.api_key_file.absolute()))
        if self.api_key_keyring is not None:
            return key_reference("keyring", self.api_key_keyring)
        return key_reference()

    def environ(self, outer: Governed, url: str, *, needed: bool) -> Governed:
        """Where values come from, with the key among them, asked for where a person is there to answer.

        Raises:
            UsageError: it is `needed`, and there is none.
        """
        if self.api_key is not None:
            return outer.over({DEFAULT_KEY_VARIABLE: self.api_key})
        if (
            not needed
            or self.api_key_file is not None
            or self.api_key_keyring is not None
            or outer.get(DEFAULT_KEY_VARIABLE)
        ):
            return outer
        if sys.stdin.isatty() and sys.stderr.isatty():
            import getpass  # only where there is a person

            key = getpass.getpass(f"API key for {url}: ").strip()
            if key:
                return outer.over({DEFAULT_KEY_VARIABLE: key})
        raise UsageError(
            f"there is no API key: {DEFAULT_KEY_VARIABLE} is not set",
            hint=f"{setting(DEFAULT_KEY_VARIABLE)}, or use --api-key-file FILE or --api-key-keyring SERVICE/USER",
        )


JobInfoFrom = Annotated[
    Path | None,
    flag(
        "--job-info-from",
        help="How to read job infos, from this file: one that `aftrun learn` wrote, or a manifest.",
        metavar="FILE",
    ),
]


def job_info_from(path: Path | None) -> Mapping[str, JobInfoMap]:
    """What a file says of how to read job infos, by the server's name; nothing without a file.

    Raises:
        ManifestError: something in it is wrong.
        UsageError: it cannot be read, or says nothing of the kind.
    """
    if path is None:
        return {}
    from aftrun.manifest import learned  # the parser is for commands that read manifests

    return learned.read(str(path))


@dataclass(frozen=True, slots=True)
class Target:
    """A server to talk to without a run."""

    spec: ServerSpec
    """Values from outside not yet filled in."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """The values that its manifest sends, where there is one: a server may give them back."""
    known: KnownJob | None = None
    """The job that was asked for, where the record tells that aftrun started it."""


@dataclass(frozen=True, slots=True)
class TargetFlags:
    """One server that a command talks to without a run: from flags, out of a manifest, or where the record says."""

    flags: options.ServerFlags = field(default_factory=options.ServerFlags)
    key: KeyFlags = field(default_factory=KeyFlags)
    manifest: Annotated[
        Path | None,
        flag("--manifest", "-m", help="Take the server's settings from this manifest.", metavar="FILE"),
    ] = None
    server_name: ServerName = None
    job_info_from: JobInfoFrom = None
    env_file: options.EnvFiles = None
    state: options.StateFlags = field(default_factory=options.StateFlags)
    policy: options.PolicyFlags = field(default_factory=options.PolicyFlags)

    def words(self) -> tuple[str, ...]:
        """The flags as they were given, the key apart, for a command that is to be pasted."""
        flags = self.flags
        given: list[tuple[str, object]] = [("--server", flags.server), ("--cacert", flags.tls.cacert)]
        given += [("--fingerprint", each) for each in flags.tls.fingerprint]
        given += [("--manifest", self.manifest), ("--server-name", self.server_name)]
        given += [("--api-key-file", self.key.api_key_file), ("--api-key-keyring", self.key.api_key_keyring)]
        given += [("--job-info-from", self.job_info_from)]
        given += [("--env-file", each) for each in self.env_file or ()]
        given += [("--policy", self.policy.policy)]
        if self.state.state_dir != DEFAULT_STATE_DIR:
            given.append(("--state-dir", self.state.state_dir))
        words = [word for name, value in given if value is not None for word in (name, str(value))]
        switches = (("--insecure", flags.insecure), ("--insecure-http", flags.tls.insecure_http))
        return (*words, *(name for name, given in switches if given))

    def outside(self) -> Governed:
        """Where values from outside come from."""
        return self.policy.environ(self.env_file)

    def spec(self) -> ServerSpec:
        """The server that they stand for, values from outside not yet filled in.

        Raises:
            ManifestError: the manifest is wrong.
            UsageError: flags contradict each other, or the manifest has no such server.
        """
        return self.target().spec

    def target(self, job_ids: Sequence[str] = ()) -> Target:
        """The server that they stand for; where they name none, the one where a run on record started these jobs.

        Raises:
            ManifestError: the manifest is wrong.
            UsageError: flags contradict each other, the manifest has no such server, or the jobs are on several.
        """
        self.key.check()
        if self.server_name is not None and self.manifest is None:
            raise UsageError("--server-name needs --manifest FILE, which holds the servers")
        found = self._target(job_ids)
        spec = found.spec
        if self.key.given:
            spec = replace(spec, api_key=self.key.reference())
        spec = override_of(self.flags).apply(spec)
        if self.job_info_from is not None:
            from aftrun.domain.words import of_server, unused, with_learned  # only for this flag

            learned = job_info_from(self.job_info_from)
            if text := unused(learned, [spec.name]):
                say(f"warning: {text}")
            words = of_server(learned, spec.name)
            spec = spec if words is None else replace(spec, job_info=with_learned(spec.job_info, words))
        return replace(found, spec=spec)

    def _target(self, job_ids: Sequence[str]) -> Target:
        if self.manifest is not None:
            return self._from_manifest(self.manifest)
        plain = Target(ServerSpec(api_key=self.key.reference()))
        return plain if self.flags.server is not None else self._on_record(job_ids) or plain

    def _from_manifest(self, path: Path) -> Target:
        from aftrun.cli.running import load  # the parser is for commands that read manifests
        from aftrun.service.single_server import hidden_values

        environ = self.outside()
        manifests = load([str(path)], {}, environ, insecure_http=self.flags.tls.insecure_http).manifests
        try:
            spec = manifests[0].server(self.server_name or "")
        except KeyError:
            names = ", ".join(each.name for each in manifests[0].servers if each.name) or "one server without a name"
            raise UsageError(f"{path} has no server {self.server_name!r}", hint=f"it has: {names}") from None
        return Target(spec, hidden_values(manifests, environ))

    def _on_record(self, job_ids: Sequence[str]) -> Target | None:
        """Where the record says that aftrun started these jobs; None where it knows none of them."""
        if not job_ids or not self.state.state_dir.is_dir():
            return None
        from aftrun.service import jobs
        from aftrun.service.single_server import hidden_values

        folder, environ = self.state.folder, self.outside()
        found = [known for each in job_ids if (known := jobs.find(folder, each)) is not None]
        if not found:
            return None
        manifests = [jobs.manifests_of(folder, known.run, environ) for known in found]
        specs = {jobs.server_of(known, those) for known, those in zip(found, manifests, strict=True)}
        if len({replace(spec, origin=None, name="") for spec in specs}) > 1:
            raise UsageError("these jobs are on different servers", hint="name those of one server at a time")
        hidden = hidden_values([each for those in manifests for each in those], environ)
        return Target(jobs.server_of(found[0], manifests[0]), hidden, found[0])

    def environ(self, spec: ServerSpec) -> Governed:
        """The environment that the server's values come from.

        Raises:
            UsageError: there is no key.
        """
        from aftrun.run.preview import url_of

        wanted = isinstance(spec.api_key, Template) and any(
            each.key == ("env", DEFAULT_KEY_VARIABLE) and each.default is None for each in spec.api_key.outsides()
        )
        return self.key.environ(self.outside(), url_of(spec).removesuffix(spec.submit_path), needed=wanted)


def override_of(flags: options.ServerFlags) -> ServerOverride:
    """What flags say of a server, as the manifests' servers take it.

    Raises:
        UsageError: flags contradict each other, or the URL is none.
    """
    from aftrun.service.prepare import ServerOverride

    override = ServerOverride(
        url=None if flags.server is None else full_url(flags.server),
        ca_file=None if flags.tls.cacert is None else str(flags.tls.cacert),
        fingerprints=flags.tls.fingerprint,
        insecure=flags.insecure,
        plain=flags.tls.insecure_http,
    )
    override.check()
    return override


def full_url(text: str) -> str:
    """A server as people name it: `https://HOST:PORT`, or `HOST` or `HOST:PORT` as `aft start --host` takes it.

    Raises:
        UsageError: it is none of these.
    """
    try:
        return urls.full_url(text)
    except ValueError as error:
        raise UsageError(f"the server's URL is not usable: {error}", hint=urls.URL_FORM) from error
