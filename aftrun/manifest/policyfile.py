"""Policies as files: which one is in force, what it says, and one that is made of manifests that are there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from aftrun.domain import urls
from aftrun.domain.errors import UsageError
from aftrun.domain.model import Manifest
from aftrun.domain.values import Outside, Value
from aftrun.manifest.check.masking import masked
from aftrun.manifest.check.scenario import of_schema
from aftrun.manifest.policy import OPEN, Policy, script_of
from aftrun.system.gitinfo import work_tree
from aftrun.system.inputs import read_input

NAME = ".aftrun-policy.yaml"
_MISNAMED = ".aftrun-policy.yml"
_LARGEST = 1024 * 1024
_KEYS = ("servers", "env", "files", "keyring", "scripts", "notify")


def in_force(given: Path | None) -> Policy:
    """The policy of a file that was named, else the nearest `.aftrun-policy.yaml`, else one that allows all.

    It is looked for from the working folder up to the root of the git work tree, and in the working folder alone
    where there is none.

    Raises:
        ManifestError: it is no policy.
        UsageError: it cannot be read, is empty, or has a name that is not looked for.
    """
    path = given if given is not None else _nearest()
    return OPEN if path is None else read(path)


def _nearest() -> Path | None:
    try:
        here = Path.cwd()
    except OSError:
        return None  # the folder is gone, and what was in it
    root = work_tree(here)
    folders = [here] if root is None else [each for each in (here, *here.parents) if each.is_relative_to(root)]
    for folder in folders:
        if os.path.lexists(folder / NAME):
            return folder / NAME
        if os.path.lexists(misnamed := folder / _MISNAMED):
            raise UsageError(f"{misnamed} is not looked for, so it holds nobody to anything", hint=f"call it {NAME}")
    return None


def read(path: Path) -> Policy:
    """The policy that a file holds.

    Raises:
        ManifestError: it is none, with the places of all mistakes.
        UsageError: it cannot be read, or is empty.
    """
    try:
        data = read_input(path, _LARGEST)
    except OSError as error:
        hint = "check the path; without a policy that can be read, nothing is sent"
        raise UsageError(f"the policy {path} cannot be read: {error.strerror or error}", hint=hint) from None
    found = of_schema("policy", str(path), data[:_LARGEST])
    if found is None:  # what was to be written there was not: a copy, say, that failed
        hint = "a key that is left out allows all; if that is meant, write version: 1"
        raise UsageError(f"the policy {path} is empty, and an empty one would allow all", hint=hint)
    said = found if isinstance(found, dict) else {}
    lists = {key: tuple(map(str, value)) for key in _KEYS if isinstance(value := said.get(key), list)}
    for pattern in lists.get("servers", ()):
        if pattern != "*" and (fault := urls.url_fault(pattern)):
            raise UsageError(f"{path}: the server {masked(pattern)!r} is not usable: {fault}", hint=urls.URL_FORM)
    return Policy(path=str(path), folder=os.path.realpath(path.parent), **lists)


_ABOUT = {
    "servers": "where requests, and with them the key, may go",
    "env": "variables that ${…} may read",
    "files": "files that ${file:…} may read, relative to this file; * ends at a slash, ** is any folders",
    "keyring": "entries that ${keyring:…} may read: SERVICE/USER",
    "scripts": "scriptName, scriptId and filePath that may be started",
    "notify": "where notices may go, as Apprise's URLs",
}


def made_of(manifests: Sequence[Manifest], references: Iterable[Outside], folder: str) -> str:
    """A policy that allows what these manifests do, and nothing else.

    `references` are all that are made to the outside, `folder` is where the policy is going to lie.
    """
    found: dict[str, dict[str, None]] = {key: {} for key in _KEYS}
    unknown: dict[str, None] = {}

    def note(key: str, text: str | None, value: Value) -> None:
        if text:
            found[key][text] = None
        elif text is None:
            unknown[f"{key}: {value if isinstance(value, str) else value.raw}"] = None

    for manifest in manifests:
        for server in manifest.servers:
            note("servers", server.url if isinstance(server.url, str) else None, server.url)
        for job in manifest.jobs:
            note("scripts", script_of(manifest, job), job.script.value)
        for url in manifest.notify.urls:
            first = url if isinstance(url, str) else url.parts[0]
            known = isinstance(first, str) and "://" in first
            # What follows may be a token.
            note("notify", f"{str(first).partition('://')[0]}://*" if known else None, url)
    for reference in references:
        _note_reference(reference, folder, found)
    lines = [
        "# What manifests may do here; made by `aftrun policy init` of those that are there. Read it, and make it fit:",
        "# a key that is left out allows all, an empty list allows nothing, * stands for any text.",
        "# A policy that comes with a checkout guards against slips. Against a stranger's pull request only one from",
        "# elsewhere does: --policy FILE, or AFTRUN_POLICY.",
        *(f"# To be added by hand, since it is known only when it runs: {each}" for each in unknown),
        "version: 1",
    ]
    for key in _KEYS:
        lines.append(f"{key}: # {_ABOUT[key]}")
        lines += [f"  - {json.dumps(text, ensure_ascii=False)}" for text in found[key]]
        lines[-1] = f"{key}: [] # {_ABOUT[key]}" if not found[key] else lines[-1]
    return "\n".join(lines) + "\n"


def _note_reference(reference: Outside, folder: str, found: dict[str, dict[str, None]]) -> None:
    if reference.source == "file":
        path = os.path.realpath(reference.name)
        found["files"][Path(os.path.relpath(path, folder)).as_posix()] = None
    else:
        found["env" if reference.source == "env" else "keyring"][reference.name] = None


__all__ = ["NAME", "in_force", "made_of", "read"]
