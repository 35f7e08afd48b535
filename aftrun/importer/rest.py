"""The arguments of `Invoke-RestMethod` and `Invoke-WebRequest` → the request that they would send."""

from __future__ import annotations

import re
from typing import Any

from aftrun.importer.found import Notebook, Number, Request, Tls, Trouble
from aftrun.importer.marks import has_mark, reference, unknown
from aftrun.importer.psvalues import as_json, as_text

_OPTIONS = (
    *("uri", "method", "headers", "body", "contenttype", "skipcertificatecheck", "timeoutsec", "infile"),
    *("operationtimeoutseconds", "connectiontimeoutseconds", "credential", "authentication", "token", "certificate"),
    *("certificatethumbprint", "usedefaultcredentials", "form", "custommethod", "websession", "proxy", "erroraction"),
)
_SAID = {
    **dict.fromkeys(
        ("credential", "authentication", "usedefaultcredentials"),
        "the key belongs into AFT_API_KEY, and a header of its own under server.headers",
    ),
    **dict.fromkeys(
        ("certificate", "certificatethumbprint"),
        "export the certificate as PEM files and name them in server.tls.certFile and keyFile",
    ),
    "websession": "the API uses no cookies",
    "proxy": "set https_proxy in the environment",
    "custommethod": "jobs are started with POST",
}
_CMDLETS_OWN = ("uri", "method", "headers", "body", "contenttype", "usebasicparsing", "skipcertificatecheck", "infile")


def is_cmdlet(named: dict[str, Any]) -> bool:
    """Whether `curl` or `wget` with these arguments is PowerShell's alias and not the program."""
    return any(
        each.startswith(name) for name in named if len(name) > 2 for each in _CMDLETS_OWN
    ) or any(  # -sk is curl's
        isinstance(value, dict) for value in named.values()
    )


def request_of(line: int, plain: list[Any], named: dict[str, Any], piped: Any, notebook: Notebook) -> Request:
    """The request of one call; what is left out is noted."""
    options = {_full_name(name): value for name, value in named.items()}
    for name, why in _SAID.items():
        if options.get(name) not in (None, False):
            notebook.remark(line, f"-{name} is left out: {why}")
    uri = options.get("uri", plain[0] if plain else None)
    url = as_text(uri) if uri is not None else unknown("SERVER", "the command has no -Uri", line)
    timeout = options.get("timeoutsec", options.get("operationtimeoutseconds"))
    seconds = as_text(timeout) if isinstance(timeout, Number | str) else ""
    if timeout is not None and not re.fullmatch(r"[0-9]+", seconds):
        notebook.remark(line, "the time limit is left out: it is no number that is known here")
        seconds = ""
    body = _body(options, piped, line, notebook)
    skips = options.get("skipcertificatecheck", False)
    return Request(
        line=line,
        method=as_text(options.get("custommethod", options.get("method", "GET"))).upper(),
        url=url,
        headers=_headers(options, line, notebook),
        body=body,
        tls=Tls(insecure=skips is True or (isinstance(skips, str) and skips.lower() != "false")),
        read_timeout=f"{seconds}s" if seconds not in ("", "0") else "",
    )


def _headers(options: dict[str, Any], line: int, notebook: Notebook) -> tuple[tuple[str, str], ...]:
    value = options.get("headers", {})
    if not isinstance(value, dict):
        notebook.remark(line, "-Headers is no map that is known here: add its headers under server.headers")
        value = {}
    headers = [(str(name), as_text(item)) for name, item in value.items()]
    if "token" in options:
        token = options["token"]
        shown = as_text(token)
        bearer = shown if isinstance(token, str) and has_mark(shown) else reference("${AFT_TOKEN}")
        notebook.secrets.update([shown] if not has_mark(shown) else [])
        headers.append(("Authorization", f"Bearer {bearer}"))
    if "contenttype" in options:
        headers = [each for each in headers if each[0].lower() != "content-type"]
        headers.append(("Content-Type", as_text(options["contenttype"])))
    return tuple(headers)


def _body(options: dict[str, Any], piped: Any, line: int, notebook: Notebook) -> str | None:
    if "infile" in options:
        try:
            return notebook.file(as_text(options["infile"]))
        except Trouble as trouble:
            return unknown("BODY", str(trouble), line)
    if "form" in options:
        return unknown("BODY", "-Form sends a form, and the API takes JSON", line)
    value = options.get("body", piped)
    if isinstance(value, dict):
        notebook.remark(line, "the body is a map, which PowerShell sends as a form; aftrun sends it as JSON")
        return as_json(value)
    return None if value is None else as_text(value)


def _full_name(name: str) -> str:
    """A cmdlet's option by its name, or by as much of it as makes it clear."""
    return name if name in _OPTIONS else next((each for each in _OPTIONS if each.startswith(name)), name)
