"""aftrun as a library: `load`, `apply` and `Client`, with the same machinery as the command line.

>>> manifest = aftrun.load("nightly.yaml")
>>> report = aftrun.apply(manifest)
>>> report.outcome, report.exit_code
('succeeded', 0)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from aftrun.domain import jobids
from aftrun.domain.errors import Ambiguous, Refused, Rejected, UnderWay, Unreachable, UsageError
from aftrun.domain.events import Event, Reason
from aftrun.domain.model import (
    DEFAULT_URL,
    Answer,
    Endpoint,
    Failure,
    Job,
    JobInfo,
    Json,
    Manifest,
    Overlap,
    RunReport,
    Unfinished,
)
from aftrun.domain.secrets import Scrubber
from aftrun.run import policy
from aftrun.run.once import ALL
from aftrun.service.arguments import body_of, check_bounds, check_manifests, check_seconds
from aftrun.service.options import RunOptions
from aftrun.service.prepare import prepare, prepare_run
from aftrun.system.lines import DEFAULT_STATE_DIR, about_run

if TYPE_CHECKING:
    from aftrun.run.fold import ReportBuilder
    from aftrun.run.ports import Listener
    from aftrun.sandbox.server import Sandbox
    from aftrun.service.prepare import PreparedRun
    from aftrun.service.recording import OnDisk


def load(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Manifest:
    """Load the one manifest of a file.

    Args:
        path: a YAML or JSON file with one document.
        variables: override `vars`.
        environ: where `${…}` is found in fields that are needed at once; `os.environ` by default.

    Raises:
        ManifestError: everything that is wrong with it.
        UsageError: there is no such file, or it holds several documents (see `load_all`).
    """
    found = load_all([path], variables=variables, environ=environ)
    if len(found) != 1:
        raise UsageError(f"{os.fspath(path)} holds {len(found)} manifests", hint="load them with aftrun.load_all")
    return found[0]


def load_all(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[Manifest, ...]:
    """Load all manifests of files and folders (or of one), in order.

    Raises:
        ManifestError: everything that is wrong with them.
        UsageError: there is no such file, or a variable that no manifest declares.
    """
    from aftrun import manifest  # noqa: PLC0415  # the parser, for those who load

    environ = os.environ if environ is None else environ
    names = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    return manifest.load_all(names, environ=environ, variables=variables).manifests


def apply(
    *manifests: Manifest,
    environ: Mapping[str, str] | None = None,
    state_dir: str | os.PathLike[str] = DEFAULT_STATE_DIR,
    on_event: Callable[[Event], None] | None = None,
    sandbox: bool = False,
    max_parallel: int | None = None,
    sequential: bool = False,
    fail_fast: bool | None = None,
    wait: bool = True,
    timeout: float | None = None,
    again: bool = False,
    overlap: str | None = None,
    unfinished: str | None = None,
    trust_state: bool = False,
) -> RunReport:
    """Run the jobs of manifests, wait for them, and return what was seen.

    Failures are in the report, not raised: look at `report.exit_code`. The run is recorded in `state_dir`, where
    `aftrun resume` can take it up if this process is killed.

    Where another run of the same jobs is alive there, or was cut off and may have jobs on the server, nothing is sent
    and `UnderWay` is raised, unless `overlap` and `unfinished`, here or in the manifest, say otherwise. A run that is
    followed or resumed instead is the one whose report is returned, and whose events are heard.

    Args:
        manifests: from `load` or `load_all`.
        environ: where `${…}` is found; `os.environ` by default.
        state_dir: the folder of the record.
        on_event: hears every event after it was recorded, on this thread.
        sandbox: run against a sandbox in this process instead of the real servers.
        max_parallel: run jobs side by side, so many at once.
        sequential: run jobs one after another.
        fail_fast: after a bad end start nothing new, or (False) go on.
        wait: False: accepted is enough.
        timeout: seconds for each job, from its acceptance.
        again: run jobs with `once` whatever the record says: done, under way or in doubt.
        overlap: `refuse`, `wait`, `attach` or `allow`, instead of what the manifests say.
        unfinished: `refuse`, `resume` or `ignore`, likewise.
        trust_state: take `state_dir` for your own, although aftrun did not make it here for you.

    Raises:
        ManifestError: a value from outside is missing; nothing was sent.
        StateError: the record could not be begun; nothing was sent.
        UnderWay: another run of these jobs is under way, or was cut off and is open; nothing was sent.
        UsageError: an argument is wrong, or a file that TLS settings name cannot be used; nothing was sent.
        Exception: whatever `on_event` raises. Nothing more is started then; answers under way are on record first.
    """
    from aftrun.manifest import bind, without_keys  # noqa: PLC0415  # the parser, for those who run
    from aftrun.run.store.folder import accept  # noqa: PLC0415  # the same
    from aftrun.run.store.rows import StoredFile  # noqa: PLC0415  # the record, likewise
    from aftrun.service import history, which  # noqa: PLC0415  # the same
    from aftrun.service.admission import Admission, Left, begin_or_join  # noqa: PLC0415  # the same
    from aftrun.service.execution import RunExecution  # noqa: PLC0415  # the same
    from aftrun.service.recording import OnDisk  # noqa: PLC0415  # the same

    check_manifests(manifests)
    check_bounds(max_parallel, sequential=sequential)
    if timeout is not None:
        check_seconds("timeout", timeout)
    environ = os.environ if environ is None else environ
    options = RunOptions(
        paths=tuple(dict.fromkeys(each.path for each in manifests)),
        max_parallel=max_parallel,
        sequential=sequential,
        fail_fast=fail_fast,
        no_wait=not wait,
        timeout=timeout,
        sandbox=sandbox,
        again=(ALL,) if again else (),
    )

    def tell(event: Event, _: ReportBuilder) -> None:
        if on_event is not None:
            on_event(event)

    def carried_out(setup: PreparedRun, record: OnDisk) -> RunReport:
        finished = RunExecution(setup, record, listeners=[tell]).run()
        if finished.failure is not None:
            raise finished.failure
        return finished.report

    folder = Path(state_dir).absolute()  # whatever the program does with its working folder meanwhile
    if trust_state:
        accept(folder)
    files = tuple(StoredFile(path, data) for path, data in _own_copy(manifests))
    rules = _word(Overlap, "overlap", overlap), _word(Unfinished, "unfinished", unfinished)

    def run(prepared: tuple[Manifest, ...], sandbox: Sandbox | None = None) -> RunReport:
        # The sandbox never sees a real key.
        values = environ if sandbox is None else without_keys(environ, manifests, sandbox.api_key)
        bindings = bind(prepared, values)
        setup = prepare_run(prepared, bindings, options)
        if sandbox is not None:  # it ends with its run, so there is nobody to be in the way of
            return carried_out(setup, OnDisk(folder, files))
        admission = Admission(setup.plan, folder, environ, overlap=rules[0], unfinished=rules[1])

        def begin() -> RunReport:
            now = prepare_run(prepared, bindings, options) if admission.waited else setup
            return carried_out(now, OnDisk(folder, files, admit=admission.check))

        def resume(other: str) -> RunReport:
            with history.open_log(folder) as log:
                again = history.resume_setup(log, history.read(log, which.find(log.runs(), other)), environ)
            return carried_out(again, OnDisk(folder, resume=True))

        report = begin_or_join(admission, begin=begin, follow=lambda other: _follow(folder, other, tell), resume=resume)
        assert not isinstance(report, Left), "nobody interrupts it but by an exception"  # noqa: S101  # for the type checker
        return report

    if not sandbox:
        return run(prepare(manifests, options))
    from aftrun.sandbox.server import Sandbox  # noqa: PLC0415  # an extra

    with Sandbox() as server:
        return run(prepare(manifests, options, server), server)


def _follow(state_dir: Path, run: str, listener: Listener) -> RunReport:
    """The report of a run that another process carries out, when that has ended.

    Raises:
        UnderWay: it was cut off.
    """
    from aftrun.service import history  # noqa: PLC0415  # the record, for those who run
    from aftrun.service.watching import RunWatcher, WatchEnd  # noqa: PLC0415  # the same

    with history.open_log(state_dir) as log:
        watched = RunWatcher(log, run, streams=[listener]).run()
    if watched.end is WatchEnd.CUT_OFF:
        raise UnderWay(f"run {run} was cut off while it was followed", hint=about_run("resume", run, state_dir))
    return watched.report


W = TypeVar("W", Overlap, Unfinished)


def _word(words: type[W], name: str, given: str | None) -> W | None:
    """What a text stands for.

    Raises:
        UsageError: nothing.
    """
    if given is None:
        return None
    try:
        return words(given)
    except ValueError:
        raise UsageError(f"{name}={given!r}: it is one of {', '.join(words)}") from None


def _own_copy(manifests: Sequence[Manifest]) -> list[tuple[str, bytes]]:
    """The files that manifests came from, where they are still what was loaded; a run can only be resumed with them."""
    from aftrun.manifest.redact import without_keys  # noqa: PLC0415  # the parser, for those who run

    files: dict[str, bytes] = {}
    for each in manifests:
        try:
            data = Path(each.path).read_bytes()
        except OSError:
            continue  # a manifest made in memory, or from standard input: it runs, but cannot be resumed
        if hashlib.sha256(data).hexdigest() == each.sha256:
            files[each.path] = without_keys(each.path, data)
    return list(files.items())


class Client:
    """One AFT! server: one request a call, never repeated. Thread-safe; use it as a context manager, or `close` it.

    Args:
        url: of the server.
        api_key: its key.
        fingerprint: pins of the certificate, `sha256:…`, one or several.
        ca_file: trust this PEM file instead.
        insecure: do not verify the certificate at all.
        plain: take `http://` to another machine, which sends key and params in clear.
        connect_timeout: seconds for the connection.
        read_timeout: seconds for the whole answer.

    Raises:
        UsageError: the arguments make no sense, or a file cannot be used.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str = "",
        *,
        fingerprint: str | Sequence[str] = (),
        ca_file: str | os.PathLike[str] | None = None,
        insecure: bool = False,
        plain: bool = False,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
    ) -> None:
        from aftrun.client.client import AftClient  # noqa: PLC0415  # `requests` takes 100 ms to import

        check_seconds("connect_timeout", connect_timeout)
        check_seconds("read_timeout", read_timeout)
        pins = (fingerprint,) if isinstance(fingerprint, str) else tuple(fingerprint)
        endpoint = Endpoint(
            url=url.rstrip("/"),
            api_key=api_key,
            fingerprints=pins,
            ca_file=None if ca_file is None else os.fspath(ca_file),
            insecure=insecure,
            plain=plain,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )
        self._client = AftClient(endpoint, scrubber=Scrubber([api_key]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def submit(self, job: Job | Mapping[str, Json]) -> JobInfo:
        """Start a job, once: a `Job` without references, or the body of the request, such as `{"scriptName": "x"}`.

        Raises:
            Ambiguous: the request left, and the job may or may not have been created. Do not repeat it blindly.
            Refused: 401 or 403.
            Rejected: any other definite refusal.
            Unreachable: provably no job was created.
            UsageError: that is no job that can be sent; nothing was.
        """
        reply = self._client.submit(body_of(job))
        decision = policy.after_submit(reply)
        if isinstance(decision, policy.Created):
            assert isinstance(reply, Answer), "only an answer can say so"  # noqa: S101  # for the type checker
            assert reply.info is not None, "the id comes from it"  # noqa: S101  # the same
            return reply.info
        message, _, hint = decision.message.partition("\n")
        if isinstance(decision, policy.NotProcessed):
            raise Unreachable(message, hint=decision.hint)
        kinds = {Reason.KEY: Refused, Reason.REFUSED: Rejected, Reason.TLS: Unreachable}
        raise kinds.get(decision.reason, Ambiguous)(message, hint=hint)

    def status(self, job_id: str) -> JobInfo:
        """Read a job, once.

        Raises:
            Ambiguous: the server answers with the job info of another job.
            Refused: 401 or 403.
            Rejected: the server answers, but with no job info: no such job, say.
            Unreachable: no answer.
            UsageError: that is no id of a job; nothing was sent.
        """
        reply = self._client.status(jobids.checked(job_id))
        if isinstance(reply, Failure):
            raise Unreachable(reply.message, hint=reply.hint)
        if 200 <= reply.status < 300 and reply.info is not None:
            strange = jobids.mismatch(reply.info, job_id)
            if strange:
                raise Ambiguous(f"nothing is known of job {job_id}: {strange}", hint=policy.NAME_ITS_ID)
            return reply.info
        text = f"HTTP {reply.status}" + (
            f": {reply.message or reply.problem}" if reply.message or reply.problem else ""
        )
        raise (Refused if reply.status in (401, 403) else Rejected)(text)
