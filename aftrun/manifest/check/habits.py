"""What people bring from other tools: keys, forms and whole files that are something else, known by name.

A habit has one word of ours for it. What is said stays what it was (unknown key, unknown form); the hint names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aftrun.domain import urls
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode

_LONGEST_URL = 80

KEYS: Mapping[str, str] = {
    "if": "when: success, failure or always",
    "condition": "when: success, failure or always",
    "only": "when: success, failure or always",
    "continueonerror": "allowFailure: true",
    "allowfailures": "allowFailure: true",
    "ignoreerrors": "allowFailure: true",
    "dependson": "needs: [NAME]",
    "depends": "needs: [NAME]",
    "dependencies": "needs: [NAME]",
    "after": "needs: [NAME]",
    "requires": "needs: [NAME]",
    "with": "params: {NAME: value}",
    "env": "params: {NAME: value}",
    "environment": "params: {NAME: value}",
    "variables": "params: {NAME: value}",
    "args": "params: {NAME: value}",
    "arguments": "params: {NAME: value}",
    "parameters": "params: {NAME: value}",
    "inputs": "params: {NAME: value}",
    "timeoutminutes": "timeout: 5m",
    "timeoutseconds": "timeout: 300s",
    "maxtime": "timeout: 5m",
    "uses": "scriptName: the name of a stored script",
    "run": "scriptName: the name of a stored script",
    "command": "scriptName: the name of a stored script",
    "task": "scriptName: the name of a stored script",
    "file": "filePath: a .syncjs file on the server's disk",
    "path": "filePath: a .syncjs file on the server's disk",
    "runson": "server: NAME, with that name under servers",
    "host": "server: {url: https://HOST:44399} beside jobs",
    "url": "server: {url: https://HOST:44399} beside jobs",
    "apikey": "server: {apiKey: ${AFT_API_KEY}} beside jobs",
    "insecure": "server: {tls: {fingerprint: sha256:…}}, which aftrun trust URL prints",
    "verify": "server: {tls: {fingerprint: sha256:…}}, which aftrun trust URL prints",
    "schedule": "nothing: aftrun starts when it is called; put the apply line in cron, or use AFT!'s own cron jobs",
    "cron": "nothing: aftrun starts when it is called; put the apply line in cron, or use AFT!'s own cron jobs",
    "retries": "retry: {limit: 2}",
    "attempts": "retry: {limit: 2}",
    "parallel": "strategy: {order: parallel}",
    "concurrent": "strategy: {order: parallel}",
    "maxparallel": "strategy: {maxParallel: 8}",
    "failfast": "strategy: {failFast: true}",
    "steps": "jobs: a list, each with its script",
    "tasks": "jobs: a list, each with its script",
    "stages": "needs: [NAME], or order: sequential under strategy",
    "labels": "tags: [x]",
    "envfile": "--env-file FILE on the command line",
    "exclude": "matrix: {NAME: [value, …], exclude: [{NAME: value}]}",
    "defaultsettings": "defaults",
}
"""Keys of other tools, without case, `-` and `_`, and what to write."""


def key_hint(name: str) -> str:
    """What to write for a key that another tool has; empty: none that is known."""
    found = KEYS.get(re.sub(r"[-_ ]", "", name).lower(), "")
    if found.startswith("nothing: "):
        return found.removeprefix("nothing: ")
    return f"write {found}" if found else ""


def server_hint(path: Sequence[str | int], node: Node) -> str:
    """What to write where a server is given in another form than at this place; empty: nothing that is known."""
    key = path[-1] if path else ""
    if key == "server" and isinstance(node, MapNode):  # of a job, or of defaults
        return "describe it under servers: {NAME: {url: …}}, and write server: NAME"
    if not isinstance(node, ScalarNode) or path not in (["server"], ["servers", key]):
        return ""
    text = node.text
    if key == "server" and text != "localhost" and not any(sign in text for sign in ".:/$"):
        return "which of `servers` a job uses stands in the job, or for all under defaults: {server: NAME}"
    try:
        url = text if "$" in text else urls.full_url(text)
    except ValueError:
        url = ""
    return f'write {key}: {{url: "{url if 0 < len(url) <= _LONGEST_URL else "https://HOST:44399"}"}}'


_FILES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "a scenario of the sandbox",
        ("behaviours",),
        "`aftrun sandbox --scenario FILE` takes it",
    ),
    ("a report of a run", ("run", "summary", "jobs"), "`aftrun show RUN` and `aftrun report RUN` read runs"),
    ("a workflow of GitHub Actions", ("on", "jobs"), "let a step of it run `aftrun apply FILE`"),
    ("a file of Docker Compose", ("services",), "see integrations/ for how to run aftrun in a container"),
    ("an object of Kubernetes", ("apiVersion", "kind"), "a CronJob can run `aftrun apply FILE`"),
    ("a pipeline of GitLab CI", ("stages",), "let a job of it run `aftrun apply FILE`"),
    ("a pipeline of Azure", ("trigger", "pool"), "let a step of it run `aftrun apply FILE`"),
    ("a policy of aftrun", ("scripts", "env"), "give it with --policy FILE"),
)
"""What a file is, the keys that tell, and where it belongs."""

FORM = "a manifest has a script (scriptName: …) or a list of jobs (jobs: …)"


def foreign(document: Node) -> tuple[str, str]:
    """What a document is that is no manifest, and where it belongs; empty: nothing that is known."""
    if isinstance(document, MapNode):
        names = set(document.names)
        if any(name.startswith(("/*", "//")) for name in names):
            return "this is JSON with comments, which neither JSON nor YAML has", "YAML's comments begin with #"
        for what, keys, hint in _FILES:
            if names >= set(keys) and not (what.startswith("a workflow") and _has_list(document, "jobs")):
                return f"this is {what}, not a manifest", f"{hint}; {FORM}"
    if isinstance(document, ListNode):
        first = document.items[0] if document.items else None
        if isinstance(first, MapNode) and {"hosts", "tasks"} & set(first.names):
            return "this is a playbook of Ansible, not a manifest", f"let a task of it run `aftrun apply FILE`; {FORM}"
        message = "a manifest must be a mapping, with a script (scriptName: …) or a list of jobs (jobs: …)"
        return message, "put `jobs:` above the list, if it is one of jobs"
    return "", ""


def _has_list(document: MapNode, name: str) -> bool:
    return isinstance(document.get(name), ListNode)


_MANY = 2
"""Zero bytes at the beginning of a file that are a slip; more are no text."""

_MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive (or a document of Office)"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"-----BEGIN ", "a PEM file (a key or a certificate)"),
    (b"\x30\x82", "a DER file (a key or a certificate)"),
)


def binary(data: bytes) -> str:
    """What a file is that is no text; empty: it may be text."""
    for magic, what in _MAGIC:
        if data.startswith(magic):
            return what
    return "a binary file" if data[2:1024].count(b"\x00") > _MANY and b"\x00" not in data[:2] else ""


_LETTERS = {"yyyy": "%Y", "YYYY": "%Y", "yy": "%y", "YY": "%y", "MM": "%m", "dd": "%d", "DD": "%d"}
_LETTERS |= {"HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "SS": "%S"}
_DATES = re.compile("|".join(_LETTERS))


def date_hint(form: str) -> str:
    """How strftime writes a form of Java's, .NET's or Moment's, such as `yyyyMMdd`; as it stands where it is none."""
    return _DATES.sub(lambda match: _LETTERS[match.group()], form)


_ELSEWHERE = re.compile(r"(?P<scope>secrets|env|inputs|github|needs|steps)\.(?P<rest>.+)")


def inside_hint(content: str) -> str:
    """What to write for an expression of GitHub Actions; empty: it is none."""
    match = _ELSEWHERE.fullmatch(content.strip())
    if match is None:
        return ""
    scope, rest = match["scope"], match["rest"]
    if scope in ("secrets", "env"):
        return f"write ${{{rest}}}, which is a variable of the environment and is never shown"
    if scope in ("needs", "steps"):
        return f"write ${{{{ jobs.{rest} }}}}"
    return f"set a variable and write ${{{rest.upper().replace('.', '_')}}}, or declare it under vars"
