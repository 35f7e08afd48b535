"""A scenario file of the sandbox, checked by its JSON Schema, with messages at the places of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aftrun.domain.errors import ManifestError, Problem
from aftrun.domain.model import Json
from aftrun.manifest.check import messages
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.parse import nodes
from aftrun.manifest.parse.nodes import Source
from aftrun.manifest.parse.source import documents
from aftrun.system.schemas import validator


def read(path: str, data: bytes) -> Json:
    """A scenario file as plain data, which fits schemas/scenario.schema.json. Empty text is None.

    Raises:
        ManifestError: it is not YAML, passes the limits that manifests have, or does not fit the schema.
    """
    return of_schema("scenario", path, data)


def of_schema(name: str, path: str, data: bytes) -> Json:
    """A file of one document as plain data, which fits the schema of that name. Empty text is None.

    Raises:
        ManifestError: it is not YAML, holds several documents, passes the limits that manifests have, or does not fit
            the schema.
    """
    problems: list[Problem] = []
    found = documents(Source(path, data), problems)
    if problems:
        raise ManifestError(problems, files=((path, data),), what=name)
    if not found:
        return None
    value = nodes.plain(found[0])
    findings = Findings()
    for more in found[1:]:
        findings.error(more, "AFT020", f"a {name} is one document, and another begins here", "remove the line `---`")
    check = validator(name)
    for error in check.iter_errors(value):
        for each in _meant(error):
            messages.report(each, found[0], findings, f"the {name}", check.schema["$defs"])
    if findings.problems:
        in_order = sorted(findings.problems, key=lambda each: (each.line, each.column))
        raise ManifestError(in_order, files=((path, data),), what=name)
    return value


def _meant(error: Any) -> Iterator[Any]:
    """Of several forms, the errors of the one that fits best: a mapping with `min` was meant to have `max`."""
    forms: dict[Any, list[Any]] = {}
    for each in error.context or ():
        forms.setdefault(each.relative_schema_path[0], []).append(each)
    fitting = [form for form in forms.values() if not any(_of_another_type(each, error) for each in form)]
    if isinstance(error.instance, dict) and fitting:
        for each in min(fitting, key=len):
            yield from _meant(each)
    else:
        yield error


def _of_another_type(error: Any, whole: Any) -> bool:
    return error.validator in ("type", "anyOf", "const") and error.absolute_path == whole.absolute_path
