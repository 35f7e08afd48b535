"""One document, includes merged → one `Manifest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aftrun.domain.frozen import replace
from aftrun.domain.model import Job, Manifest, Notify, Order, Outcome, Overlap, Strategy, Unfinished
from aftrun.domain.values import Outside, Template, Value
from aftrun.manifest.build.fields import Fields, mapping
from aftrun.manifest.build.graph import Graph
from aftrun.manifest.build.jobs import Jobs
from aftrun.manifest.build.servers import NOTIFY_HINT, notify_fault, servers
from aftrun.manifest.check import layout, lint
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.outside import all_references
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node
from aftrun.manifest.policy import OPEN, Policy, of_manifest, of_references


def _vars(node: MapNode | None, fields: Fields, variables: Mapping[str, str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, item in node.pairs() if node is not None else ():
        fields.unexpanded(key, "the name of a variable")
        if key.text in variables:
            found[key.text] = variables[key.text]
            continue
        value = fields.value(item)
        if isinstance(value, Template) and value.insides():
            reference = value.insides()[0]
            message = f"vars cannot be made from other values: {reference.text}"
            hint = "only ${…} can stand here; join the parts where they are used"
            fields.findings.error_at(
                reference.origin or item.origin, "AFT041", message, hint, width=len(reference.text)
            )
            value = ""
        found[key.text] = "" if value is None else value  # the schema has said that there is none
    return found


def _strategy(node: MapNode | None, fields: Fields) -> Strategy:
    if node is None:
        return Strategy()
    default = Strategy()
    word = fields.choice(node.get("order"), "strategy", "order")
    order = Order(word) if word else default.order
    most = fields.integer(node.get("maxParallel"), "strategy", "maxParallel")
    lint.most_at_once(node, most, fields.findings)
    fail_fast = fields.flag(node.get("failFast"), "'failFast'")
    overlap = fields.choice(node.get("overlap"), "strategy", "overlap")
    unfinished = fields.choice(node.get("unfinished"), "strategy", "unfinished")
    return Strategy(
        order=order,
        max_parallel=default.max_parallel if most is None else most,
        fail_fast=order is Order.SEQUENTIAL if fail_fast is None else fail_fast,
        says_fail_fast=fail_fast is not None,
        finish_by=fields.finish_by(node.get("finishBy")) or "",
        overlap=Overlap(overlap) if overlap else default.overlap,
        unfinished=Unfinished(unfinished) if unfinished else default.unfinished,
    )


def _notify(node: MapNode | None, fields: Fields) -> Notify:
    if node is None:
        return Notify()
    known = layout.words("notify", "on")
    on = tuple(Outcome(text) for text, _ in fields.fixed_list(node.get("on"), "'on'") if text in known)
    urls_node = node.get("urls")
    items = urls_node.items if isinstance(urls_node, ListNode) else (urls_node,) if urls_node is not None else ()
    urls, origins = [], []
    for item in items:
        url = fields.early(item)
        if fields.broken is item:
            continue
        if isinstance(url, str) and (fault := notify_fault(url)):
            message = f"the URL to notify is not usable: {fault}"
            fields.findings.late_error(item, "AFT057", message, NOTIFY_HINT)
        elif url:
            urls.append(url)
            origins.append(item.origin)
    if not items:
        where = node.key("urls") or node
        fields.findings.late_error(where, "AFT022", "'notify' names nobody to tell", "give it urls: [https://…]")
    return Notify(urls=tuple(urls), on=on or Notify().on, origins=tuple(origins))


def _check_servers(specs: Any, fields: Fields) -> None:
    """`${{ … }}` in what is needed before the first request: vars only."""
    for spec in specs:
        tls = spec.tls
        values = (spec.url, spec.api_key, tls.ca_file, tls.cert_file, tls.key_file, *tls.fingerprints)
        for value in (*values, *(value for _, value in spec.headers)):
            if isinstance(value, Template):
                for reference in value.insides():
                    _only_known_early(reference, fields)


def _only_known_early(reference: Any, fields: Fields) -> None:
    if reference.path[0] in ("vars", "run"):
        fields.check_scope(reference, {})
    elif reference.origin is not None:
        message = f"{reference.text} has no meaning here, where no job is at hand"
        hint = "vars.x, run.id, run.date and run.started do"
        fields.findings.error_at(reference.origin, "AFT042", message, hint, width=len(reference.text))


def _jobs(document: MapNode, items: list[Node], fields: Fields, names: tuple[str, ...]) -> tuple[Job, ...]:
    builder = Jobs(fields, mapping(document.get("defaults")), names)
    drafts, built, starts = builder.take(items)
    graph = Graph(drafts, fields)
    drafts.clear()
    for needs, start, end in zip(graph.needs, starts, starts[1:], strict=False):
        if needs.names:
            built[start:end] = [replace(job, needs=needs.names) for job in built[start:end]]
    first = [built[start] for start in starts[:-1]]
    for position, needs in enumerate(graph.needs):
        for where, need in zip(needs.nodes, needs.drafts, strict=True):
            lint.need(first[position], first[need], where, fields.findings)
        graph.check(position, first[position], first)
    lint.never_run(first, graph.needs, fields.findings)
    return tuple(built)


def manifest(
    document: MapNode,
    items: list[Node],
    default_name: str,
    *,
    findings: Findings,
    environ: Mapping[str, str] | None,
    variables: Mapping[str, str],
    policy: Policy = OPEN,
    met: dict[Outside, None] | None = None,
) -> Manifest:
    """Build a manifest from a document whose includes are merged. Mistakes go to `findings`.

    What the policy does not allow is a mistake, too. `items` holds the nodes of its jobs and is emptied. The result is
    of use only if there were no errors. `met` takes every reference to the outside.
    """
    fields = Fields(findings, environ)
    fields.vars = _vars(mapping(document.get("vars")), fields, variables)
    name_node = document.get("name")
    name = fields.fixed(name_node, "a manifest's name")
    if name and name_node is not None and ("/" in name or not name.isprintable() or len(name) > 200):
        message = "the manifest's name must be one line of at most 200 characters without a slash"
        findings.late_error(name_node, "AFT053", message)
    specs = servers(document, fields)
    _check_servers(specs, fields)
    strategy = _strategy(mapping(document.get("strategy")), fields)
    notify = _notify(mapping(document.get("notify")), fields)
    for url in notify.urls:
        for reference in url.insides() if isinstance(url, Template) else ():
            _only_known_early(reference, fields)
    if not items and not findings.failed:
        hint = "add jobs: [{scriptName: …}], or include a file that has some"
        findings.error(document, "AFT022", "the manifest has no jobs", hint)
    jobs = _jobs(document, items, fields, tuple(spec.name for spec in specs))
    made = Manifest(
        name=name or default_name,
        path=document.source.path,
        jobs=jobs,
        servers=specs,
        strategy=strategy,
        vars=tuple(fields.vars.items()),
        notify=notify,
        description=fields.shown(document.get("description"), "'description'") or "",
        sha256=document.source.sha256,
        origin=document.origin,
    )
    references = [*fields.references.values(), *all_references([made])]
    if met is not None:
        met.update(dict.fromkeys(references))
    if not policy.open and not findings.failed:
        for problem in (*of_references(policy, references), *of_manifest(policy, made)):
            findings.add(problem)
    return made
