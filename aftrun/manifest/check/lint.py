"""Warnings: what works, but is probably not meant, or not wise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from aftrun.domain.model import Job, Manifest, State, When
from aftrun.domain.text import brief, did_you_mean, unseen_names
from aftrun.domain.values import Template, Value
from aftrun.domain.words import LESS_HOPEFUL_FIRST, normal
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.check.masking import looks_secret
from aftrun.manifest.outside import keys_of
from aftrun.manifest.parse.nodes import MapNode, Node, ScalarNode


def job(node: MapNode, findings: Findings) -> None:
    """The script selector."""
    for name in ("name", "scriptName", "scriptId", "filePath"):
        text(node.get(name), findings)
    script_id = node.key("scriptId")
    if script_id is not None:
        hint = "the id is kept for old integrations; a name says what runs"
        findings.warning(script_id, "AFT101", "prefer scriptName to scriptId", hint)
    path = node.get("filePath")
    if isinstance(path, ScalarNode) and not path.text.lower().endswith(".syncjs") and not path.text.endswith("}"):
        message = "'filePath' does not end in .syncjs"
        findings.warning(path, "AFT102", message, "it names a script file on the server's disk")


def param(name: str, node: ScalarNode, value: Value, findings: Findings) -> None:
    """A literal value under a name that is given to secrets, or one that is probably not what was meant."""
    text(node, findings)
    if isinstance(value, str) and value and looks_secret(name) and node.text not in ("true", "false"):
        variable = "".join(char if char.isalnum() else "_" for char in name).upper()
        message = f"param {brief(name)!r} looks like a secret, and its value stands in the manifest"
        hint = f'write {brief(name)}: "${{{brief(variable)}}}" and set that variable; its value is then never shown'
        findings.warning(node, "AFT105", message, hint)


_DRIVE = re.compile(r'^"[A-Za-z]:\\[^\\]')
_QUOTES = frozenset("\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb")
_ABUT = re.compile(r"\s+(#\S{1,20})\s*$")


def text(node: Node | None, findings: Findings) -> None:
    r"""Text that is right as YAML and probably not what was meant.

    A tab or a line break in what looks like a path of Windows (``"C:\temp\new"``), a `#2` that has become a comment,
    characters that nobody sees, and quotes that are none to YAML.
    """
    if not isinstance(node, ScalarNode):
        return
    names = unseen_names(node.text)
    source = node.source
    written = source.line(node.line)[node.column - 1 : node.end_column - 1] if names else ""
    if not node.plain and node.line == node.end_line and written.startswith('"') and _DRIVE.search(written):
        message = f"this text holds {' and '.join(names)}: in double quotes a backslash begins an escape"
        hint = f"write it in single quotes, where it stands for itself: '{written[1:-1]}'"
        findings.warning(node, "AFT115", message, hint)
        return
    hidden = [name for name in unseen_names(written) if name != "a tab"]  # one that was written as an escape is seen
    if hidden:
        message = f"this text holds {' and '.join(hidden)}, which nobody sees, and which makes it another text"
        findings.warning(node, "AFT117", message, r'remove it; if it is meant, write it as an escape, such as "\u00a0"')
    if node.plain and node.text[:1] in _QUOTES and node.text[-1:] in _QUOTES:
        message = "these quotes are typographic, and YAML takes them for a part of the text"
        findings.warning(node, "AFT118", message, "write straight quotes, or none")
    if node.plain and source.has_comments and node.line == node.end_line:
        match = _ABUT.match(source.line(node.line)[node.end_column - 1 :])
        if match:
            message = f"the text ends before {match.group(1)}, which YAML takes for a comment"
            hint = f"write it in quotes if it belongs to the text: '{node.text} {match.group(1)}'"
            findings.warning(node, "AFT116", message, hint)


def once(node: Node, value: Value | None, findings: Findings) -> None:
    """A key under which nothing is ever found again."""
    for part in value.insides() if isinstance(value, Template) else ():
        if part.path == ("run", "id") or (part.path == ("run", "started") and not part.format):
            message = f"{part.text} is new in every run, so no run finds what an earlier one has done under this key"
            hint = "use what stays the same, such as ${{ run.date }}"
            findings.warning(node, "AFT113", message, hint)


def most_at_once(strategy: MapNode, most: int | None, findings: Findings) -> None:
    """How many jobs may run side by side, where they run one after another."""
    place = strategy.key("maxParallel")
    if place is not None and most is not None and most > 1 and "order" not in strategy.names:
        message = f"maxParallel: {most} has no effect: without 'order', jobs run one after another"
        findings.warning(place, "AFT121", message, "add order: parallel; or remove maxParallel")


def words_of_two_states(lists: Mapping[State, Sequence[tuple[str, Node]]], findings: Findings) -> None:
    """A server's word that stands under two states, however it is spelled there."""
    meant: dict[str, State] = {}
    for state, words in lists.items():
        for word, node in words:
            other = meant.setdefault(normal(word), state)
            if other is not state:
                counts = min(state, other, key=LESS_HOPEFUL_FIRST.index)
                what = f"{brief(word)!r} stands under {other} and under {state}"
                hint = "keep it where it belongs; words are compared without case, blanks, - and _"
                findings.warning(node, "AFT119", f"{what}: {counts} counts, the less hopeful one", hint)


def shown_variables(manifests: Sequence[Manifest], findings: Findings) -> None:
    """What `vars` would show that must not be shown: of all manifests of a run, since they show it all."""
    keys = keys_of(manifests)
    for manifest, name, value in ((each, *pair) for each in manifests for pair in each.vars):
        for each in value.outsides() if isinstance(value, Template) else ():
            origin = each.origin or manifest.origin
            if origin is None:
                continue
            what, shown = keys.get(each.key), brief(f"${{{each.name}}}" if each.source == "env" else each.text)
            if each.source != "env":
                what = f"a value from {'a file' if each.source == 'file' else 'the keyring'}"
            if what is not None:
                message = f"vars declares {shown} as fit to be shown, and it is {what}"
                hint = f"write {shown} where it is used: it is then never shown"
                findings.error_at(origin, "AFT063", message, hint, width=len(each.text))
            elif looks_secret(name) or looks_secret(each.name):
                message = f"vars declares {shown} as fit to be shown, and its name says that it is a secret"
                hint = f"write {shown} where it is used: it is then never shown"
                findings.warning_at(origin, "AFT120", message, hint, width=len(each.text))


def unknown_server(node: Node, name: str, known: Sequence[str], findings: Findings) -> None:
    """A job asks for a server that the manifest does not have."""
    names = [each for each in known if each]
    if names:
        hint = did_you_mean(name, names) or "servers holds " + ", ".join(map(brief, names[:10]))
    else:
        hint = "give the manifest several servers by name: servers: {name: {url: …}}"
    findings.error(node, "AFT054", f"there is no server {brief(name)!r}", hint)


def need(built: Job, needed: Job, where: Node, findings: Findings) -> None:
    """A need that is met before anybody knows how it ends."""
    if not needed.wait and built.when is not When.ALWAYS:
        message = f"job {brief(needed.name)!r} has wait: false, so this need is met as soon as it is accepted"
        findings.warning(where, "AFT106", message, "its end is not waited for")


def finished(built: Job, node: MapNode, has_needs: bool, findings: Findings) -> None:
    """What shows only once the job is built, defaults and all."""
    if built.when is When.FAILURE and not has_needs:
        where = node.key("when") or node
        message = "when: failure without needs: there is nothing whose failure would start this job"
        findings.warning(where, "AFT107", message, "name the jobs that it watches: needs: [...]")
    if not built.wait and (built.outputs or built.expect):
        for what in ("expect", "outputs"):
            if getattr(built, what):
                where = node.key(what) or node
                message = f"wait: false, so {what!r} is never evaluated: aftrun does not see how the job ends"
                findings.warning(where, "AFT112", message, f"remove {what!r}, or let the job be waited for")
    if built.correlation and any(param.name == built.correlation for param in built.params):
        where = node.key("correlation") or node
        message = f"param {brief(built.correlation)!r} is filled by correlation; the value given under params is lost"
        findings.warning(where, "AFT110", message, "remove one of the two")


class Wanted(Protocol):
    """What one job needs: see `graph.Needs`."""

    @property
    def drafts(self) -> tuple[int, ...]:
        """The positions of the jobs."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Where each is named."""


def never_run(first: Sequence[Job], needs: Sequence[Wanted], findings: Findings) -> None:
    """Jobs that no end of any other job can start. `first` holds one copy of each job; `needs` what each needs."""
    dead: set[int] = set()
    for position, wanted in enumerate(needs):
        if first[position].when is not When.FAILURE:
            continue
        if not wanted.drafts:
            dead.add(position)
        elif all(first[need].allow_failure for need in wanted.drafts):
            message = "when: failure, but every need has allowFailure: true, so what they do wrong does not count"
            findings.warning(wanted.nodes[0], "AFT107", message, "remove allowFailure there, or use when: always here")
    if not dead:
        return
    dependants: dict[int, list[int]] = {}
    for position, wanted in enumerate(needs):
        for need in wanted.drafts:
            dependants.setdefault(need, []).append(position)
    stack = sorted(dead, reverse=True)
    while stack:
        culprit = stack.pop()
        for position in dependants.get(culprit, ()):
            job = first[position]
            if position in dead or job.when is When.ALWAYS:
                continue
            wanted = needs[position]
            if job.when is When.FAILURE and not dead.issuperset(wanted.drafts):
                continue
            dead.add(position)
            stack.append(position)
            name = brief(first[culprit].template or first[culprit].name)
            message = f"this job can never run: it needs {name!r}, which never runs"
            findings.warning(
                wanted.nodes[wanted.drafts.index(culprit)], "AFT111", message, "fix that one, or use when: always here"
            )
