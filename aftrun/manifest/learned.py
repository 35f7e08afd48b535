"""How a job info is to be read, from a file of its own or out of a manifest: what `--job-info-from` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from aftrun.domain.errors import ManifestError, Problem, UsageError
from aftrun.domain.model import JobInfoMap
from aftrun.domain.words import ANY, EXPRESSIONS
from aftrun.manifest.build.fields import Fields
from aftrun.manifest.build.servers import job_info
from aftrun.manifest.check import layout, messages
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.load import load_all
from aftrun.manifest.parse import nodes
from aftrun.manifest.parse.nodes import MapNode, Node, Source
from aftrun.manifest.parse.source import documents
from aftrun.manifest.parse.syntax import MAX_BYTES
from aftrun.system.inputs import read_input
from aftrun.system.schemas import validator

_OF_A_FRAGMENT = ("version", "jobInfo", "server", "servers")


def read(path: str) -> Mapping[str, JobInfoMap]:
    """How to read job infos, by the server's name in `servers`; `ANY` for all others.

    The file is a manifest, or a part of one: `jobInfo:`, `server: {jobInfo: …}` or `servers: {NAME: {jobInfo: …}}`.

    Raises:
        ManifestError: something in it is wrong.
        UsageError: it cannot be read, or says nothing of job infos.
    """
    try:
        data = read_input(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"--job-info-from {path}: {error.strerror or error}", hint="check the path") from None
    return parse(path, data)


def parse(path: str, data: bytes) -> Mapping[str, JobInfoMap]:
    """The same, from the bytes of the file.

    Raises:
        ManifestError: something in it is wrong.
        UsageError: it says nothing of job infos.
    """

    def read_file(each: str) -> bytes:
        return data if each == path else Path(each).read_bytes()

    source = Source(path, data)
    problems: list[Problem] = []
    roots = documents(source, problems)
    if problems:
        raise ManifestError(problems, files=((path, data),))
    for root in roots:
        if isinstance(root, MapNode) and root.names and set(root.names) <= {*EXPRESSIONS, "states"}:
            problem = root.problem("AFT010", f"{root.names[0]!r} stands under no key", "put it under `jobInfo:`")
            raise ManifestError([problem], files=((path, data),))
    if all(isinstance(root, MapNode) and set(root.names) <= {*_OF_A_FRAGMENT} for root in roots):
        found = _of_fragments(roots, ((path, data),))
    else:
        manifests = load_all([path], read=read_file, insecure_http=True).manifests
        servers = [server for manifest in manifests for server in manifest.servers]
        found = {server.name: server.job_info for server in servers if server.job_info != JobInfoMap()}
    if not found:
        raise UsageError(
            f"--job-info-from {path}: it says nothing of how to read a job info",
            hint="`aftrun learn JOB_ID --to FILE` writes such a file; it holds server: {jobInfo: {states: …}}",
        )
    return found


def _of_fragments(roots: list[Node], files: tuple[tuple[str, bytes], ...]) -> dict[str, JobInfoMap]:
    findings = Findings()
    fields = Fields(findings, None)
    found: dict[str, JobInfoMap] = {}
    for root in roots:
        for name, node in _places(root):
            for error in validator("manifest", "jobInfo").iter_errors(nodes.plain(node)):
                messages.report(error, node, findings, "jobInfo", layout.schema()["$defs"])
            if isinstance(node, MapNode):
                found[name] = job_info(node, fields)
    if findings.failed:
        raise ManifestError(findings.problems, files=files)
    return found


def _places(root: Node) -> Iterator[tuple[str, Node]]:
    """Each `jobInfo` of a fragment, beside the name of its server."""
    if not isinstance(root, MapNode):
        return
    servers = root.get("servers")
    named = servers.items() if isinstance(servers, MapNode) else ()
    for name, holder in ((ANY, root), (ANY, root.get("server")), *named):
        node = holder.get("jobInfo") if isinstance(holder, MapNode) else None
        if node is not None:
            yield name, node
