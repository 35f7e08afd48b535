"""What TAB offers beside the words of enums: manifests and what is in them, runs, job ids, codes.

A completer reads files, and says nothing: it sends no request, reads no value from outside, and where something is
wrong it offers nothing, since a message would land in the middle of what a person types. Shells put what is offered
on the line as it is, so a word that a shell would read as more than a word is not offered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aftrun.cli import names
from aftrun.domain.errors import AftrunError
from aftrun.domain.jobnames import job_key
from aftrun.domain.text import one_line
from aftrun.system.lines import DEFAULT_STATE_DIR

Offer = tuple[str, str]
"""A word, and what it means."""

_SUFFIXES = (".yaml", ".yml", ".json")
_WORD = re.compile(r"[\w@%+=:,./-]+")
_MANY = 200
"""Runs and ids that are offered at most, the newest first."""
_RECENT = 10
"""Runs whose jobs are offered."""


def _fitting(offers: Iterable[Offer], incomplete: str) -> Iterator[Offer]:
    """The words that begin so and are words to a shell, each once."""
    for word, meaning in dict(offers).items():
        if word.startswith(incomplete) and _WORD.fullmatch(word):
            yield word, one_line(meaning, 80)


def manifests(_: Any, incomplete: str) -> list[Offer]:
    """Manifests and folders whose path begins so."""
    folder, slash, beginning = incomplete.rpartition("/")
    found: list[Offer] = []
    with suppress(OSError):  # not a folder, or not ours to read
        for path in sorted(Path(folder + slash or ".").iterdir()):
            if path.name.startswith(".") and not beginning.startswith("."):
                continue
            if path.is_dir():
                found.append((f"{folder}{slash}{path.name}/", "folder"))
            elif path.suffix.lower() in _SUFFIXES:
                found.append((f"{folder}{slash}{path.name}", "manifest"))
    return list(_fitting(found, incomplete))


def _files(ctx: Any) -> list[str]:
    """The manifests on the line. Behind a flag that lacks its value, click has not told arguments from the rest."""
    return list(ctx.params.get("files") or ctx.args)


def jobs(ctx: Any, incomplete: str) -> list[Offer]:
    """Names and tags of the jobs in the manifests on the line, also behind the `+` of needs.

    A matrix job stands there under the name that its copies share.
    """
    found = names.of_files(_files(ctx))
    plus = "+" if incomplete.startswith("+") else ""
    offers = [
        (f"{plus}{word}", meaning)
        for each in found
        for name, meaning in each.jobs
        for word in (name, job_key(each.manifest, name))
    ]
    offers += [(f"tag:{tag}", "every job with it") for each in found for tag in each.tags]
    if "/" not in incomplete:
        offers = [offer for offer in offers if "/" not in offer[0]]
    return list(_fitting(offers, incomplete))


def variables(ctx: Any, incomplete: str) -> list[Offer]:
    """The variables under `vars`, with the `=` that follows."""
    found = names.of_files(_files(ctx))
    return list(_fitting(((f"{name}=", "") for each in found for name in each.variables), incomplete))


def servers(ctx: Any, incomplete: str) -> list[Offer]:
    """The names under `servers` of the manifest on the line."""
    found = names.of_files([ctx.params.get("manifest"), *_files(ctx)])
    return list(_fitting(((name, each.manifest) for each in found for name in each.servers), incomplete))


def _of_runs(rule: str) -> Callable[[Any, str], list[Offer]]:
    """The runs that a rule of `service/which.py` takes, which is loaded only where a run is completed."""

    def offered(ctx: Any, incomplete: str) -> list[Offer]:
        from aftrun.service import history as past  # only where a run is completed
        from aftrun.service import which

        wanted = getattr(which, rule) if rule else lambda *_: True
        with suppress(AftrunError), past.open_log(_state_dir(ctx)) as log:
            rows = which.runs(log, limit=_MANY)
            offers = ((row.id, f"{row.outcome}: {', '.join(row.manifests)}") for row in rows if wanted(log, row))
            return list(_fitting(offers, incomplete))
        return []

    return offered


runs = _of_runs("")
"""Runs on record, the newest first, with what became of them."""
open_runs = _of_runs("can_go_on")
"""The same for `resume`."""
bad_runs = _of_runs("can_be_retried")
"""The same for `retry`."""
live_runs = _of_runs("is_alive")
"""The same for `watch`, which follows others too, but seldom needs to."""


def past_jobs(ctx: Any, incomplete: str) -> list[Offer]:
    """Names of jobs that are on record."""
    from aftrun.service import history, past, which  # only where a job is completed

    with suppress(AftrunError), history.open_log(_state_dir(ctx)) as log:
        found = past.gather(log, which.runs(log, limit=_MANY))
        return list(_fitting(((job.name, job.manifest) for each in found.manifests for job in each.jobs), incomplete))
    return []


def job_ids(ctx: Any, incomplete: str) -> list[Offer]:
    """The server's ids of jobs that recent runs started."""
    from aftrun.service import history as past  # only where an id is completed

    with suppress(AftrunError), past.open_log(_state_dir(ctx)) as log:
        found = [(row, past.read(log, row).report) for row in log.runs()[:_RECENT]]
        offers = [(job.job_id or "", f"{job.name} of {row.id}") for row, report in found for job in report.jobs]
        return list(_fitting(offers, incomplete))
    return []


def jobs_in_doubt(ctx: Any, incomplete: str) -> list[Offer]:
    """The jobs of the run on the line whose end nobody saw."""
    from aftrun.service import history as past  # only where a job is completed
    from aftrun.service import settle, which

    offers: list[Offer] = []
    with suppress(AftrunError), past.open_log(_state_dir(ctx)) as log:
        row = which.find(which.runs(log), ctx.params.get("run"))
        for job in past.read(log, row).report.jobs:
            with suppress(AftrunError):  # its end was seen, or it was never sent
                settle.check(job, row.id, log.path.parent)
                offers.append((job.name, job.outcome.value if job.outcome else job.phase))
    return list(_fitting(offers, incomplete))


def codes(_: Any, incomplete: str) -> list[Offer]:
    """The codes of messages, and the keys of manifests."""
    from aftrun.manifest.check.diagnostics import CODES  # only where a code is completed
    from aftrun.manifest.check.keypages import keys

    return [*_fitting(CODES.items(), incomplete.upper()), *(_fitting(keys(), incomplete) if incomplete else ())]


def _state_dir(ctx: Any) -> Path:
    return Path(ctx.params.get("state_dir") or os.environ.get("AFTRUN_STATE_DIR") or DEFAULT_STATE_DIR)
