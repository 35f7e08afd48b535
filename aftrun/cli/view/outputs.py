"""What comes of a run beside its table: reports in every format, metrics, notices, a trace, and the CI server's share.

Each takes the finished report, does one thing, and returns what went wrong; the caller says it. A report that cannot
be written costs the exit code (74); a notice or a trace that cannot be sent never does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aftrun.cli.boundary import Form, emit
from aftrun.domain.durations import human_duration
from aftrun.domain.errors import StateError, UsageError
from aftrun.domain.model import RunReport
from aftrun.domain.values import Bindings, Value, nothing_inside, preview, render
from aftrun.report import registry, rehearsal
from aftrun.run.pool import within
from aftrun.run.store.folder import holds
from aftrun.system.files import LASTING, identity, write_atomic

STDOUT = Path("-")
"""Instead of a path: standard output, as everywhere."""

NOTICE, TRACE = 30.0, 300.0
"""How long a notice to one recipient, and a trace, may take, seconds: somebody waits for the run's exit code."""

if TYPE_CHECKING:
    from aftrun.domain.model import Manifest
    from aftrun.domain.past import JobPast
    from aftrun.domain.secrets import Scrubber
    from aftrun.service.prepare import PreparedRun
    from aftrun.telemetry import Read


def check_places(places: Iterable[Path], state_dir: Path, inputs: Iterable[str] = ()) -> None:
    """Refuse, before any job is sent, to write over what a run is made from or recorded in, or where a folder is.

    Raises:
        UsageError: one of `places`, however it is spelled, is one of the files `inputs`, of the record, another of
            them, or a folder.
    """
    taken = {identity(path): path for path in inputs}
    seen: set[str] = set()
    for place in places:
        if place == STDOUT:
            continue
        try:
            folder, file = place.is_dir(), place.is_file()
        except OSError:
            continue  # who writes there says what is wrong with it
        if folder:
            raise UsageError(f"{place} is a folder, not a file to write to", hint="name a file in it")
        if file and identity(str(place)) in taken:
            raise UsageError(f"{place} is a manifest of this run, and is not written over", hint="name another file")
        if holds(state_dir, place):
            raise UsageError(f"{place} is of the record of runs, and is not written over", hint="name another file")
        path = os.path.realpath(place)
        if path in seen and (file or not place.exists()):
            raise UsageError(
                f"two outputs would be written to {place}, one over the other", hint="name a file for each"
            )
        seen.add(path)


def rehearse(
    setup: PreparedRun, environ: Mapping[str, str], paths: Mapping[str, Sequence[Path]], metrics: Path | None
) -> None:
    """Make everything that will be made of the report, of a run that was made up, and throw it away.

    So what is needed is loaded, and what is missing is said, before any job is sent.

    Raises:
        UsageError: a format needs a package that is not installed.
    """
    for name, places in paths.items():
        if places:
            registry.render(name, rehearsal.REPORT, lambda: nights(None, rehearsal.REPORT))
    if metrics is not None:
        from aftrun.report.metrics import render as render_metrics  # few ask for it

        render_metrics(rehearsal.REPORT, "", nights(None, rehearsal.REPORT))
    urls = [] if setup.sandbox else [url for manifest in setup.manifests for url in manifest.notify.urls]
    if urls:
        from aftrun import notify as notices  # few manifests notify

        notices.load([render(url, setup.bindings, nothing_inside).value for url in urls])
    if traced(environ):
        from aftrun import telemetry  # few ask for it

        if telemetry.wanted(environ):
            telemetry.load(environ, rehearsal.REPORT)
            nights(None, rehearsal.REPORT)


_FORMS = {"json": Form.JSON, "junit": Form.MARKUP, "html": Form.MARKUP}
"""How each report is made safe on standard output; Markdown and TAP are texts for people."""


def nights(state_dir: Path | None, report: RunReport) -> Mapping[str, JobPast]:
    """How the jobs of a run fared in earlier runs on record, by key; nothing where that cannot be read."""
    from aftrun.service.reading import Record  # few reports tell it

    try:
        return {} if state_dir is None else Record(state_dir).before(report)
    except (StateError, UsageError):
        return {}  # a page without them is a page all the same


def write_reports(
    report: RunReport, paths: Mapping[str, Sequence[Path]], past: Callable[[], Mapping[str, JobPast]] = dict
) -> list[Exception]:
    """Write the report in each format (`json`, `junit`, `html`, `markdown`, `tap`) to each of its paths.

    `past` is asked how the jobs fared in earlier runs, by key, by formats that say that.
    A format is rendered once, and one that fails keeps none of the others from being written.
    """
    errors: list[Exception] = []
    for name, places in paths.items():
        if not places:
            continue
        try:
            text = registry.render(name, report, past)
        except Exception as error:  # noqa: BLE001  # the caller says it, with the exit code that it deserves
            errors.append(error)
            continue
        for path in places:
            try:
                if path == STDOUT:
                    emit(text, _FORMS.get(name, Form.TEXT))
                else:
                    write_atomic(path, text, pauses=LASTING)
            except Exception as error:  # noqa: BLE001  # the same
                errors.append(error)
    return errors


def write_metrics(report: RunReport, path: Path, past: Callable[[], Mapping[str, JobPast]] = dict) -> list[StateError]:
    """Bring the file for Prometheus' textfile collector up to date."""
    from aftrun.report import metrics  # few ask for it

    try:
        previous = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        write_atomic(path, metrics.render(report, previous, past()), pauses=LASTING)
    except StateError as error:
        return [error]
    except OSError as error:
        return [StateError(f"cannot read {path}: {error.strerror or error}", hint="check who may read it")]
    return []


def notify(report: RunReport, manifests: Sequence[Manifest], bindings: Bindings, scrubber: Scrubber) -> tuple[str, ...]:
    """Tell whom the manifests want told. Nobody hears of a sandbox."""
    if report.sandbox or not any(manifest.notify.urls for manifest in manifests):
        return ()
    from aftrun.notify import Recipient, notice, send  # few manifests notify

    problems: list[str] = []
    for manifest in manifests:
        note = notice(report, manifest.name, manifest.notify.on)
        if note is None:
            continue
        for url in manifest.notify.urls:
            recipient = Recipient(render(url, bindings, nothing_inside).value, _shown(url))
            try:
                problems += within(NOTICE, partial(send, note, [recipient], scrubber=scrubber))
            except TimeoutError:
                took = human_duration(NOTICE)
                problems.append(f"{recipient.shown} may not have been notified: it had not answered after {took}")
    return tuple(dict.fromkeys(problems))


def _shown(url: Value) -> str:
    """A recipient as it may be shown: `${SLACK_URL}`; of a URL that stands in the manifest, the scheme alone."""
    shown = preview(url, nothing_inside)
    return re.sub(r"(?<=://).*", "…", shown, flags=re.DOTALL) if isinstance(url, str) else shown


def traced(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a collector for traces."""
    return bool(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))


def trace(
    report: RunReport,
    environ: Mapping[str, str],
    reads: Sequence[Read] = (),
    past: Callable[[], Mapping[str, JobPast]] = dict,
) -> tuple[str, ...]:
    """Send the run's trace, where the environment names a collector."""
    if not traced(environ):
        return ()
    from aftrun import telemetry  # few ask for it

    if not telemetry.wanted(environ):
        return ()
    try:
        return within(TRACE, partial(telemetry.send, report, environ, reads=reads, past=past()))
    except TimeoutError:
        return (f"the trace may not have been sent: the collector had not answered after {human_duration(TRACE)}",)
