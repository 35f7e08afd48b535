"""Warnings: what works, but is probably not meant, or not wise."""

from __future__ import annotations

from collections.abc import Sequence

from aftrun.manifest.diagnostics import Findings
from aftrun.manifest.nodes import MapNode, Node, ScalarNode
from aftrun.manifest.text import did_you_mean, looks_secret, shorten
from aftrun.model import Job, When
from aftrun.values import Value


def job(node: MapNode, findings: Findings) -> None:
    """The script selector."""
    script_id = node.key("scriptId")
    if script_id is not None:
        hint = "the id is kept for old integrations; a name says what runs"
        findings.warning(script_id, "AFT101", "prefer scriptName to scriptId", hint)
    path = node.get("filePath")
    if isinstance(path, ScalarNode) and not path.text.lower().endswith(".syncjs") and not path.text.endswith("}"):
        message = "'filePath' does not end in .syncjs"
        findings.warning(path, "AFT102", message, "it names a script file on the server's disk")


def param(name: str, node: ScalarNode, value: Value, findings: Findings) -> None:
    """A literal value under a name that is given to secrets."""
    if isinstance(value, str) and value and looks_secret(name) and node.text not in ("true", "false"):
        variable = "".join(char if char.isalnum() else "_" for char in name).upper()
        message = f"param {shorten(name)!r} looks like a secret, and its value stands in the manifest"
        hint = f'write {shorten(name)}: "${{{shorten(variable)}}}" and set that variable; its value is then never shown'
        findings.warning(node, "AFT105", message, hint)


def unknown_server(node: Node, name: str, known: Sequence[str], findings: Findings) -> None:
    """A job asks for a server that the manifest does not have."""
    names = [each for each in known if each]
    if names:
        hint = did_you_mean(name, names) or "servers holds " + ", ".join(map(shorten, names[:10]))
    else:
        hint = "give the manifest several servers by name: servers: {name: {url: …}}"
    findings.error(node, "AFT054", f"there is no server {shorten(name)!r}", hint)


def need(built: Job, needed: Job, where: Node, findings: Findings) -> None:
    """A need that is met before anybody knows how it ends."""
    if not needed.wait and built.when is not When.ALWAYS:
        message = f"job {shorten(needed.name)!r} has wait: false, so this need is met as soon as it is accepted"
        findings.warning(where, "AFT106", message, "its end is not waited for")


def finished(built: Job, node: MapNode, findings: Findings) -> None:
    """What shows only once the job is built, defaults and all."""
    if built.when is When.FAILURE and not built.needs:
        where = node.key("when") or node
        message = "when: failure without needs: there is nothing whose failure would start this job"
        findings.warning(where, "AFT107", message, "name the jobs that it watches: needs: [...]")
    if built.correlation and any(param.name == built.correlation for param in built.params):
        where = node.key("correlation") or node
        message = f"param {shorten(built.correlation)!r} is filled by correlation; the value given under params is lost"
        findings.warning(where, "AFT110", message, "remove one of the two")
