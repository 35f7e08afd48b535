"""The JSON Schema's verdict on a document, as problems at exact places.

The document is checked before expansion. Jobs are checked one by one against `$defs/job`, and jobs of the same
shape once: ten thousand jobs of one making cost one validation, and never more plain data than one job's.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from aftrun.domain.model import Json
from aftrun.domain.text import did_you_mean
from aftrun.manifest.check import keys, layout, messages
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.check.habits import foreign
from aftrun.manifest.parse import nodes, scalars
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode
from aftrun.system.schemas import validator

FREE_TEXT = frozenset(
    {"name", "description", "scriptName", "scriptId", "filePath", "server", "concurrency", "correlation"}
)
"""Fields of a job of which the schema asks only that they be text, empty or not. A test holds it to that."""
FREE_LISTS = frozenset({"needs", "tags", "expect"})
"""Fields of a job of which the schema asks only that they be text, or lists of text."""
_LONGEST_SHAPE = 300

_OLD = "jobType"
"""Of AFT! v3: what it meant to start is a job."""
_MAKINGS = ("jobs", "include", *keys.SELECTORS)
"""The keys of which a manifest has at least one."""


def is_single(document: MapNode) -> bool:
    """Whether a document is the one-job form: a script of its own and no list of jobs."""
    present = document.names
    if "jobs" in present:
        return False
    return any(name in present for name in (*layout.one_job(), _OLD)) and "include" not in present


def check(document: Node, findings: Findings) -> MapNode | None:
    """Report all that the schema finds wrong. None where the document is not even a mapping."""
    what, hint = foreign(document)
    if what:
        findings.error(document, "AFT010" if isinstance(document, MapNode) else "AFT020", what, hint)
        return None
    if not isinstance(document, MapNode):
        message = "a manifest must be a mapping, with a script (scriptName: …) or a list of jobs (jobs: …)"
        findings.error(document, "AFT020", message)
        return None
    if _is_something_else(document):
        hint = "a manifest has a script (scriptName: …) or a list of jobs (jobs: …)"
        findings.error(document.keys[0], "AFT010", "this does not look like a manifest", hint)
        return None
    misspelt = not {"jobs", "include"} & set(document.names) and keys.misspelt_selector(document) is not None
    if misspelt or is_single(document):
        _report("single", _data(document), document, findings, "")
        return document
    if not any(name in document.names for name in layout.many_jobs()):
        messages.no_script(document, "the manifest", findings, also=" or a list of jobs")
    jobs = document.get("jobs")
    items = jobs.items if isinstance(jobs, ListNode) else ()
    shell = document
    if items:
        # One stand-in for all jobs: they have their own turn below.
        shell = document.copy(document.keys, tuple(_NO_JOBS if value is jobs else value for value in document.values))
    data = nodes.plain(shell)
    if items and isinstance(data, dict):
        data["jobs"] = [{"scriptName": "x"}]
    _report("manifest", data, document, findings, "")
    _check_jobs(items, findings)
    return document


def _is_something_else(document: MapNode) -> bool:
    """Whether no key of a document has anything to do with manifests, not even as a slip of the pen."""
    known = {_OLD, *(name for part in ("manifest", "single", "job") for name in layout.keys(part))}
    return bool(document.names) and not any(
        name in known or name.startswith("x-") or did_you_mean(name, _MAKINGS) for name in document.names[:_MOST_KEYS]
    )


_MOST_KEYS = 100
_NO_JOBS = ScalarNode(nodes.Source("", b""), 1, 1, 1, 1, "", True)


def _check_jobs(items: Iterable[Node], findings: Findings) -> None:
    good: set[Hashable] = set()
    for number, job in enumerate(items, 1):
        shape = _shape(job)
        if shape is not None and shape in good:
            continue
        if not _report("job", _data(job), job, findings, messages.job_title(job, number)) and shape is not None:
            good.add(shape)


def _data(job: Node) -> Json:
    """A job as plain data. Params that are all scalars are left out: a million of them would take long to validate."""
    if isinstance(job, MapNode):
        params = job.get("params")
        if isinstance(params, MapNode) and _are_scalars(params):
            return {name: {} if value is params else nodes.plain(value) for name, value in job.items()}
    return nodes.plain(job)


def _are_scalars(params: MapNode) -> bool:
    """All that the schema asks of params."""
    return all(node is None and not (plain and scalars.is_null(text)) for _, text, plain, node in params.said())


def _kind(text: str, plain: bool) -> int:
    """What the schema can tell apart in free text: text, empty text, anything else."""
    if plain and not scalars.is_text(text):
        return 2
    return 1 if text else 0


def _shape(job: Node) -> Hashable | None:
    """Jobs of equal shape are all valid or all invalid. None: too unusual to compare."""
    if not isinstance(job, MapNode):
        return None
    shape: list[Hashable] = []
    for name, text, plain, value in job.said():
        shape.append(name)
        if value is None:
            shape.append(_kind(text, plain) if name in FREE_TEXT else (plain, text))
        elif name == "params" and isinstance(value, MapNode):
            if not _are_scalars(value):
                return None
        elif name in FREE_LISTS and isinstance(value, ListNode):
            if not all(isinstance(item, ScalarNode) and _kind(item.text, item.plain) == 1 for item in value.items):
                return None
        else:
            rest = repr(nodes.plain(value))
            if len(rest) > _LONGEST_SHAPE:
                return None
            shape.append(rest)
    return tuple(shape)


def _report(part: str, data: Json, node: Node, findings: Findings, title: str) -> bool:
    """Validate plain data against a part of the schema; report each error at its node. True if there was one."""
    before = len(findings.problems)
    errors = list(validator("manifest", part).iter_errors(data))
    for error in errors:
        messages.report(error, node, findings, title, layout.parts())
    return bool(errors) or len(findings.problems) > before
