"""Unknown keys → messages: what was probably meant, or where the key belongs."""

from __future__ import annotations

from collections.abc import Iterable

from aftrun.domain.model import Selector
from aftrun.domain.text import brief, did_you_mean, unseen_names
from aftrun.manifest.check import layout
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.check.habits import key_hint
from aftrun.manifest.check.layout import Schema
from aftrun.manifest.parse.nodes import MapNode, ScalarNode

SELECTORS = tuple(selector.value for selector in Selector)
_MOST_GUESSES = 50
"""Unknown keys of one mapping that get a "did you mean": guessing takes time."""


def _nearest(name: str, known: Iterable[str]) -> str:
    """The hint for a misspelt key."""
    names = list(known)
    if name.casefold() == "script" and "scriptName" in names:
        return "did you mean 'scriptName'?"
    return did_you_mean(name, names)


def misspelt_selector(node: MapNode) -> ScalarNode | None:
    """The key that was probably meant to name the script."""
    if any(name in SELECTORS for name in node.names):
        return None
    meant = {f"did you mean {name!r}?" for name in SELECTORS}
    known = dict.fromkeys([*layout.keys("job"), *layout.keys("manifest")])
    for name in node.names[:_MOST_GUESSES]:
        if name not in known and not name.startswith("x-") and _nearest(name, known) in meant:
            return node.key(name)
    return None


_HABITUAL = ("Job", "One job", "Many jobs", "Defaults", "Strategy")
"""The mappings into which people bring keys of other tools."""

_OF_YOUR_OWN = "keys of your own begin with x-"


def unknown_keys(node: MapNode, schema: Schema, title: str, findings: Findings, defs: Schema) -> None:
    """Report each key of a mapping that its schema does not have."""
    known = schema.get("properties", {})
    where = schema.get("title", "")
    inside = {"Job": title, "One job": "a manifest with one job", "Many jobs": "a manifest"}.get(where, where.lower())
    unknown = [key for key in node.keys if key.text not in known and not key.text.startswith("x-")]
    lone = "include" in node.names and "jobs" not in node.names and any(each in node.names for each in SELECTORS)
    for number, key in enumerate(unknown):
        name = key.text
        if where == "Many jobs" and lone and name in defs["job"]["properties"]:
            if name in SELECTORS:
                message = f"'include' needs the many-jobs form, and {name!r} stands beside it"
                findings.error(key, "AFT021", message, f"put the script under jobs: jobs: [{{{name}: …}}]")
            continue  # what belongs to the script moves with it
        if where == "One job" and (name in defs["job"]["properties"] or name in defs["manifest"]["properties"]):
            message = f"{name!r} needs the many-jobs form, and this manifest has one script and no list of jobs"
            findings.error(key, "AFT021", message, "put the script under jobs: jobs: [{scriptName: …}]")
            continue
        if where == "Defaults" and name in ("name", "needs", *SELECTORS):
            message = "defaults cannot hold name, needs or the script: they belong to each job"
            findings.error(key, "AFT021", message, f"move {name!r} into each job")
            continue
        if name == "jobType" and "scriptName" in known:
            hint = "remove it: what runs is named by scriptName, scriptId or filePath alone"
            findings.error(key, "AFT028", "'jobType' belongs to AFT! v3 and is not used any more", hint)
            continue
        if where == "Many jobs" and name in SELECTORS:
            message = f"a manifest has either a list of jobs or a script of its own, not both: {name!r} and 'jobs'"
            findings.error(key, "AFT021", message, "move it into jobs: as a job of its own")
            continue
        hidden = unseen_names(name)
        if hidden:
            what = " and ".join(hidden)
            findings.error(key, "AFT021", f"unknown key {brief(name)!r} in {inside}", f"it holds {what}: type it anew")
            continue
        habit = _habit(node, name, where) if defs is layout.parts() else ""
        if habit:
            findings.error(key, "AFT021", f"unknown key {brief(name)!r} in {inside}", habit)
            continue
        hint = _belongs(name, where) if defs is layout.parts() else _OF_YOUR_OWN
        if number < _MOST_GUESSES:
            guesses = (*known, *SELECTORS) if where == "Many jobs" and "jobs" not in node.names else known
            hint = _nearest(name, guesses) or hint
        findings.error(key, "AFT021", f"unknown key {brief(name)!r} in {inside}", hint)


def _habit(node: MapNode, name: str, where: str) -> str:
    """What to write for a key of another tool; empty where it is none, or one of ours that stands elsewhere."""
    if where not in _HABITUAL:
        return ""
    inner = node.get(name)
    if name == "strategy" and isinstance(inner, MapNode) and "matrix" in inner.names:
        return "write matrix: {NAME: [value, …]} in the job itself"
    return key_hint(name) if _belongs(name, where) == _OF_YOUR_OWN else ""


def _belongs(name: str, where: str) -> str:
    """Where a key that exists elsewhere should stand."""
    if where == "Many jobs" and name in layout.keys("job"):
        return "it belongs to a job, or under defaults" if name in layout.keys("defaults") else "it belongs to a job"
    if where in ("Job", "Defaults") and name in layout.keys("manifest"):
        return "it belongs to the manifest, beside jobs"
    if place := layout.place(name, "job" if where in ("Job", "Defaults", "One job") else "manifest"):
        return f"it belongs under {place}"
    return _OF_YOUR_OWN if not where.startswith("Job info") else ""
