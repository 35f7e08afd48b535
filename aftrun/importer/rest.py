"""The arguments of `Invoke-RestMethod` → the request that it would send."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aftrun.importer.pieces import Notebook, Request, Tls, Trouble, Word, unknown
from aftrun.importer.psvalues import Encoded, Now, Unknown

_PS_OPTIONS = {
    *("method", "uri", "headers", "body", "contenttype", "skipcertificatecheck", "timeoutsec", "infile"),
    *("usebasicparsing", "erroraction", "verbose", "outfile", "passthru", "disablekeepalive", "sslprotocol"),
    *("maximumretrycount", "retryintervalsec", "maximumredirection", "statuscodevariable", "useragent"),
    *("responseheadersvariable", "skiphttperrorcheck", "noproxy", "proxy", "httpversion", "outvariable"),
    *("errorvariable", "warningaction", "informationaction", "sessionvariable", "operationtimeoutseconds"),
    *("connectiontimeoutseconds", "allowunencryptedauthentication", "skipheadervalidation", "ea"),
    *("allowinsecureredirect", "followrellink", "progressaction", "resume", "transferencoding"),
}
_PS_REFUSED = {
    "credential": "the key belongs into AFT_API_KEY",
    "authentication": "the key belongs into AFT_API_KEY",
    "token": "the key belongs into AFT_API_KEY",
    "usedefaultcredentials": "the API does not use Windows accounts",
    "certificate": "export the certificate as PEM files and name them in server.tls.certFile and keyFile",
    "certificatethumbprint": "export the certificate as PEM files and name them in server.tls.certFile and keyFile",
    "form": "it sends a form, and the API takes JSON",
    "custommethod": "jobs are started with POST",
    "websession": "the API uses no cookies",
}


def request_of(
    offset: int, plain: Sequence[tuple[Any, int]], named: dict[str, tuple[Any, int]], piped: Any, notebook: Notebook
) -> Request:
    """The request of one `Invoke-RestMethod` or `Invoke-WebRequest`.

    Raises:
        Trouble: one of its arguments cannot be read.
    """
    options = {_full_name(name, at): (value, at) for name, (value, at) in named.items()}
    for name, why in _PS_REFUSED.items():
        if name in options:
            raise Trouble(f"-{name} cannot be translated: {why}", options[name][1])
    if "uri" not in options:
        if not plain:
            raise Trouble("this request has no -Uri", offset)
        options["uri"] = plain[0]
    headers = _headers(options)
    skips = options.get("skipcertificatecheck", (False, 0))[0]
    timeout, at = options.get("timeoutsec", options.get("operationtimeoutseconds", (None, 0)))
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0):
        raise Trouble("-TimeoutSec is no number of seconds", at)
    if "proxy" in options:
        notebook.remark(offset, "-Proxy is left out: set https_proxy in the environment")
    body = _body(options, piped, offset, notebook)
    request = Request(
        method=text_of(options.get("method", ("POST" if body is None else "GET", offset))),
        url=Word(text_of(options["uri"]), options["uri"][1]),
        headers=headers,
        body=body,
        tls=Tls(insecure=bool(skips)),
        read_timeout=f"{timeout}s" if timeout else "",
    )
    return request if "method" in options else replace(request, method="GET")


def _headers(options: dict[str, tuple[Any, int]]) -> tuple[tuple[str, Word], ...]:
    value, at = options.get("headers", ({}, 0))
    if isinstance(value, Unknown) or not isinstance(value, dict):
        raise Trouble("-Headers is no map that is known here", at, 'write @{ "X-API-Key" = $env:AFT_API_KEY }')
    headers = [(str(name), Word(text_of((item, at)), at)) for name, item in value.items()]
    if "contenttype" in options:
        headers = [each for each in headers if each[0].lower() != "content-type"]
        kind = options["contenttype"]
        headers.append(("Content-Type", Word(text_of(kind), kind[1])))
    return tuple(headers)


def _body(options: dict[str, tuple[Any, int]], piped: Any, offset: int, notebook: Notebook) -> Word | None:
    if "infile" in options:
        path = options["infile"]
        return Word(notebook.file(text_of(path), path[1]), path[1])
    value, at = options.get("body", (piped, offset))
    if value is None:
        return None
    if isinstance(value, Encoded):
        return Word(_encode(value.value, at), at)
    if isinstance(value, dict):
        hint = "put | ConvertTo-Json after the map"
        raise Trouble("the body is a map, which PowerShell sends as a form and not as JSON", at, hint)
    return Word(text_of((value, at)), at)


def _encode(value: Any, offset: int) -> str:
    def plain(item: Any) -> Any:
        if isinstance(item, Encoded):
            return _encode(item.value, offset)
        if isinstance(item, Unknown):
            return unknown(item.why)
        if isinstance(item, dict):
            return {str(key): plain(each) for key, each in item.items()}
        if isinstance(item, list):
            return [plain(each) for each in item]
        if isinstance(item, Now):
            raise Trouble("a date in the body has no format", offset, "write Get-Date -Format yyyy-MM-dd")
        return item

    return json.dumps(plain(value), ensure_ascii=False)


def _full_name(name: str, offset: int) -> str:
    """A cmdlet's option by its name, or by as much of it as makes it clear."""
    known = _PS_OPTIONS | set(_PS_REFUSED)
    if name in known:
        return name
    found = sorted(option for option in known if option.startswith(name))
    if len(found) == 1 or (found and name in ("h", "he", "b", "bo", "m", "me", "u", "ur", "c", "skip")):
        preferred = {"h": "headers", "b": "body", "m": "method", "u": "uri", "c": "contenttype"}
        return preferred.get(name[0], found[0]) if len(found) > 1 else found[0]
    raise Trouble(f"the option -{name} is not known here", offset, "leave it out if it can be")


def text_of(given: tuple[Any, int]) -> str:
    """A value, with its offset, as text.

    Raises:
        Trouble: it is a map, a list or nothing.
    """
    value, offset = given
    if isinstance(value, Unknown):
        return unknown(value.why)
    if isinstance(value, bool | None) or not isinstance(value, str | int | float):
        raise Trouble("this is no text", offset)
    return str(value)
