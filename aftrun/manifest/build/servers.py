"""`server` and `servers` → `ServerSpec`s."""

from __future__ import annotations

import re
from typing import Any

from aftrun.domain import urls
from aftrun.domain.model import DEFAULT_KEY_VARIABLE, JobInfoMap, Poll, ServerSpec, State, Tls
from aftrun.domain.values import Origin, Outside, Template, Value
from aftrun.domain.words import EXPRESSIONS
from aftrun.manifest.build.fields import Fields, mapping
from aftrun.manifest.check import lint
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode

_OWN_HEADERS = {
    "x-api-key": "the key is set with apiKey",
    "content-type": "requests are always application/json",
    "content-length": "it follows from the request",
    "transfer-encoding": "it follows from the request",
    "connection": "connections are aftrun's own business",
    "host": "it follows from url",
}


def default_key(origin: Origin) -> Template:
    """`${AFT_API_KEY}`, standing where the server is described."""
    text = "${" + DEFAULT_KEY_VARIABLE + "}"
    return Template((Outside("env", DEFAULT_KEY_VARIABLE, text, origin=origin, implied=True),), text)


NOTIFY_HINT = "Apprise's forms work: slack://…, mailto://…, json://HOST/PATH, https://hooks.slack.com/services/…"


def notify_fault(text: str) -> str:
    """What makes a URL unusable for a notice; empty: nothing. Which services there are is Apprise's to say."""
    return "" if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", text) else "it is no URL: there is no scheme://"


def _url(node: Node | None, fields: Fields, *, plain: bool) -> Value | None:
    value = fields.early(node)
    if value is None or node is None or fields.broken is node:
        return None
    if isinstance(value, Template):
        beginning = value.parts[0] if isinstance(value.parts[0], str) else ""
        host = urls.literal_host(beginning)
        if beginning.startswith("http://") and (host is None or not urls.is_loopback(host[1])):
            _plain_http(node, fields.findings, meant=plain, certain=host is not None)
        return value
    try:
        url = urls.parse_url(value)
    except ValueError as fault:
        fields.findings.late_error(node, "AFT057", f"'url' is not usable: {fault}", urls.URL_FORM)
        return None
    if not (url.secure or url.loopback):
        _plain_http(node, fields.findings, meant=plain)
    message, hint = urls.path_doubt(value)
    if message:
        fields.findings.warning(node, "AFT114", message, hint)
    return value.rstrip("/")


def _plain_http(node: Node, findings: Findings, *, meant: bool, certain: bool = True) -> None:
    """`meant`: the manifest says so. `certain`: the host is known, and is another machine; `bind` will see otherwise.

    A flag can give another server, or insist, so that the error waits until it is known what is sent where.
    """
    if meant or not certain:
        findings.warning(node, "AFT108", urls.IN_CLEAR, urls.PLAIN_HINT if not meant else "use https:// if you can")
    else:
        findings.error(node, "AFT062", urls.IN_CLEAR, urls.PLAIN_HINT)


def _fingerprints(node: Node | None, fields: Fields) -> tuple[Value, ...]:
    items = node.items if isinstance(node, ListNode) else (node,) if node is not None else ()
    found: list[Value] = []
    for item in items:
        value = fields.early(item)
        if value is None or fields.broken is item:
            continue
        if isinstance(value, str):
            try:
                value = "sha256:" + urls.parse_fingerprint(value).hex()
            except ValueError:
                message = "a fingerprint is sha256: and 64 hexadecimal digits, with or without colons"
                fields.findings.late_error(item, "AFT026", message, "aftrun trust URL prints the line to put here")
                continue
        found.append(value)
    return tuple(found)


def _tls(node: MapNode | None, fields: Fields) -> Tls:
    if node is None:
        return Tls()
    insecure = fields.flag(node.get("insecure"), "'insecure'") or False
    insecure_key = node.key("insecure")
    rivals = [key for name in ("caFile", "fingerprint") if (key := node.key(name)) is not None]
    if insecure and insecure_key is not None:
        rivals.append(insecure_key)
        hint = "pin the certificate instead: aftrun trust URL prints its fingerprint"
        message = "insecure: anyone on the network path can read the API key and change what is sent"
        fields.findings.warning(insecure_key, "AFT104", message, hint)
    if len(rivals) > 1:
        names = " and ".join(f"{key.text} (line {key.line})" for key in rivals)
        message = f"'tls' takes at most one of caFile, fingerprint and insecure; found {names}"
        fields.findings.error(rivals[1], "AFT056", message, "keep the one that says how to trust the server")
    return Tls(
        ca_file=fields.path(node.get("caFile")),
        fingerprints=_fingerprints(node.get("fingerprint"), fields),
        insecure=insecure,
        cert_file=fields.path(node.get("certFile")),
        key_file=fields.path(node.get("keyFile")),
        plain=fields.flag(node.get("plain"), "'plain'") or False,
    )


def _states(node: MapNode | None, fields: Fields) -> tuple[tuple[State, tuple[str, ...]], ...]:
    if node is None:
        return ()
    known = {state.value: state for state in State}
    found = {
        known[key.text]: fields.fixed_list(value, "a state's name") for key, value in node.pairs() if key.text in known
    }
    lint.words_of_two_states(found, fields.findings)
    return tuple((state, tuple(text for text, _ in words)) for state, words in found.items())


def job_info(node: MapNode | None, fields: Fields) -> JobInfoMap:
    """How a server's job info is to be read."""
    if node is None:
        return JobInfoMap()
    expressions: dict[str, Any] = {
        attribute: fields.jmespath(node.get(name), f"{name!r}") for name, attribute in EXPRESSIONS.items()
    }
    return JobInfoMap(**expressions, states=_states(mapping(node.get("states")), fields))


def _headers(node: MapNode | None, fields: Fields) -> tuple[tuple[str, Value], ...]:
    found: dict[str, tuple[str, Value]] = {}
    for key, item in node.pairs() if node is not None else ():
        name = key.text
        value = fields.early(item)
        if not urls.is_header_name(name):
            message = "a header's name may hold letters, digits and - only"
            fields.findings.error(key, "AFT061", message)
        elif name.lower() in _OWN_HEADERS:
            message = f"the header {name} cannot be set here: {_OWN_HEADERS[name.lower()]}"
            fields.findings.error(key, "AFT061", message, "remove it")
        elif name.lower() in found:
            fields.findings.error(key, "AFT061", f"the header {name} is given twice (names are compared without case)")
        elif isinstance(value, str) and (fault := urls.header_value_fault(value)):
            fields.findings.error(item, "AFT061", f"the value of the header {name} is not usable: {fault}")
        elif value is not None:
            found[name.lower()] = (name, value)
    return tuple(found.values())


def _poll(node: MapNode | None, fields: Fields) -> Poll:
    if node is None:
        return Poll()
    default = Poll()
    minimum = fields.duration(node.get("min"), "'min'", zero=True)
    maximum = fields.duration(node.get("max"), "'max'")
    fraction = fields.number(node.get("fraction"), "poll", "fraction")
    least = default.minimum if minimum is None else minimum
    most = default.maximum if maximum is None else maximum
    if least > most:
        if minimum is not None and maximum is not None:
            fields.findings.error(node, "AFT027", "'poll' has a min that is longer than its max")
        elif minimum is not None:
            most = least
        else:
            least = most
    return Poll(least, most, default.fraction if fraction is None else fraction)


def _is_literal(key: Value) -> bool:
    """Whether a key, or a part of one, stands in the text: as it is, or as the default of a reference."""
    if isinstance(key, str):
        return key != ""
    return any(part.default if isinstance(part, Outside) else isinstance(part, str) for part in key.parts)


def server(node: MapNode, fields: Fields, name: str = "") -> ServerSpec:
    """One server."""
    default = ServerSpec()
    paths = mapping(node.get("paths"))
    key_node = node.get("apiKey")
    api_key = fields.value(key_node)
    for reference in api_key.insides() if isinstance(api_key, Template) else ():
        message = f"the API key cannot come from {reference.text}: what comes from inside is shown"
        origin = reference.origin or node.origin
        hint = "write apiKey: ${AFT_API_KEY} and set that variable"
        fields.findings.error_at(origin, "AFT041", message, hint, width=len(reference.text))
    if api_key is not None and isinstance(key_node, ScalarNode) and _is_literal(api_key):
        message = "an API key stands in the manifest, for all to read who can read the file"
        hint = "write apiKey: ${AFT_API_KEY} and set that variable"
        fields.findings.warning(key_node, "AFT103", message, hint)
    trusted = _tls(mapping(node.get("tls")), fields)
    values: dict[str, Any] = {
        "url": _url(node.get("url"), fields, plain=trusted.plain),
        "connect_timeout": fields.duration(node.get("connectTimeout"), "'connectTimeout'"),
        "read_timeout": fields.duration(node.get("readTimeout"), "'readTimeout'"),
        "submit_timeout": fields.duration(node.get("submitTimeout"), "'submitTimeout'", zero=True),
        "max_requests_per_second": fields.number(node.get("maxRequestsPerSecond"), "server", "maxRequestsPerSecond"),
        "submit_path": fields.shown(paths.get("submit"), "'submit'") if paths else None,
        "status_path": fields.shown(paths.get("status"), "'status'") if paths else None,
    }
    choice = fields.choice(node.get("paramValues"), "server", "paramValues")
    return ServerSpec(
        name=name,
        api_key=api_key or default_key(node.origin),
        tls=trusted,
        poll=_poll(mapping(node.get("poll")), fields),
        job_info=job_info(mapping(node.get("jobInfo")), fields),
        typed_params=default.typed_params if choice is None else choice == "json",
        headers=_headers(mapping(node.get("headers")), fields),
        origin=node.origin,
        url_origin=None if (url := node.get("url")) is None else url.origin,
        **{key: value for key, value in values.items() if value is not None},
    )


def servers(document: MapNode, fields: Fields) -> tuple[ServerSpec, ...]:
    """The servers of a manifest, the default one first."""
    single, several = document.key("server"), document.key("servers")
    if isinstance(document.get("server"), MapNode) and single is not None and several is not None:
        message = f"'server' (line {single.line}) and 'servers' (line {several.line}) cannot stand together"
        hint = "move the single server into servers, under a name"
        fields.findings.error(several, "AFT060", message, hint)
    found = mapping(document.get("servers"))
    if found is not None:
        specs = tuple(
            server(node, fields, key.text) for key, node in found.pairs() if isinstance(node, MapNode) and key.text
        )
        if specs:
            return specs
    one = mapping(document.get("server"))
    if one is not None:
        return (server(one, fields),)
    return (ServerSpec(api_key=default_key(document.origin), origin=document.origin),)
