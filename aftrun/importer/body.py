"""The body of a request → the script and its params."""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

from aftrun.importer.pieces import (
    FoundJob,
    Notebook,
    Request,
    Scalar,
    Trouble,
    Word,
    as_manifest,
    has_reference,
    is_unicode,
    quote_bare,
    sole_reference,
)

SUBMIT = "/v1/jobs"
_SELECTORS = ("scriptName", "scriptId", "filePath")
_FIELDS = {name.lower(): name for name in (*_SELECTORS, "params", "jobType")}
_OWN_HEADERS = ("content-type", "content-length", "accept", "user-agent", "connection", "expect", "transfer-encoding")
"""Headers that aftrun sets itself."""


class _Twice(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Twice(next(name for name, _ in pairs if [key for key, _ in pairs].count(name) > 1))
    return result


def parse_json(word: Word, what: str) -> Any:
    """JSON in which references may stand.

    Raises:
        Trouble: it is none.
    """
    if sole_reference(word.text):
        raise Trouble(
            f"{what} is in a variable, so it is not known here", word.offset, "write the JSON out where the variable is"
        )
    try:
        data = _loads(word.text)
    except _Twice as error:
        raise Trouble(f"{what} holds {str(error)!r} twice", word.offset, "keep one of the two") from None
    except json.JSONDecodeError as error:
        quotes = "; the quotes in it seem to be missing" if '"' not in word.text else ""
        message = f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno} of it{quotes}"
        raise Trouble(message, word.offset) from None
    if not is_unicode(json.dumps(data, ensure_ascii=False)):
        raise Trouble(f"{what} holds half of a character", word.offset)
    return data


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError:
        if not has_reference(text):
            raise
        return json.loads(quote_bare(text), object_pairs_hook=_object)


def params_of(data: Any, offset: int, notebook: Notebook) -> tuple[tuple[str, Scalar], ...]:
    """Params as a map, or as v3's list of {name, value}.

    Raises:
        Trouble: they are neither, or not flat.
    """
    if isinstance(data, list):
        if not all(isinstance(item, dict) and {"name", "value"} == set(item) for item in data):
            raise Trouble("params is a list, but not of {name, value}", offset, 'write a map: {"name": "value"}')
        if data:
            notebook.remark(offset, "the params were v3's list of {name, value}; they are a map now")
        names = [item["name"] for item in data]
        if len(set(map(str, names))) != len(names):
            raise Trouble("params names one parameter twice", offset, "keep one of the two")
        data = {item["name"]: item["value"] for item in data}
    if not isinstance(data, dict):
        raise Trouble("params is no map", offset, 'write for example {"destination": "/archive/2026"}')
    result: list[tuple[str, Scalar]] = []
    for name, value in data.items():
        if not isinstance(name, str) or has_reference(name):
            raise Trouble("the name of a param is a variable or no text", offset, "write the name out")
        if not isinstance(value, str | int | float | bool):
            what = "null" if value is None else "a list" if isinstance(value, list) else "a map"
            message = f"the value of param {name!r} is {what}; params are flat, and each value is a scalar"
            raise Trouble(message, offset, "send it as text, JSON inside a string say, if the script reads that")
        result.append((name, value))
    return tuple(result)


def job_of(request: Request, notebook: Notebook) -> FoundJob | None:
    """The job that a request would start; None for a request that only reads one.

    Raises:
        Trouble: it is another request, or its body cannot be read.
    """
    url, method = request.url.text, request.method.upper()
    if method == "GET" and "/jobs/" in url:
        notebook.remark(request.url.offset, "reads a job's status; left out, since aftrun waits by itself")
        return None
    base = _base(request.url)
    if method != "POST":
        raise Trouble(f"this request is a {method}, and jobs are started with POST", request.url.offset)
    if request.body is None or not request.body.text.strip():
        raise Trouble("this request has no body, so it names no script", request.url.offset)
    selector, script, params = script_of(request.body, notebook)
    api_key, headers = _headers(request, notebook)
    return FoundJob(
        offset=request.url.offset,
        url=base,
        selector=selector,
        script=script,
        params=params,
        api_key=api_key,
        headers=headers,
        tls=request.tls,
        connect_timeout=request.connect_timeout,
        read_timeout=request.read_timeout,
        notes=(notebook.schedule,) if notebook.schedule else (),
    )


def check_url(url: str, offset: int) -> None:
    """Refuse what can be no server's URL, as far as it is known here.

    Raises:
        Trouble: it is none.
    """
    if has_reference(url):
        return
    hint = f"the form is https://HOST:PORT{SUBMIT}"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise Trouble("this is not the URL of a server", offset, hint) from None
    if parts.username is not None or parts.password is not None:
        raise Trouble("the URL holds a user name or password, which the API does not use", offset)
    odd = re.search(r"[\s\\?#]", url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0 or odd:
        raise Trouble("this is not the URL of a server", offset, hint)


def _base(url: Word) -> str:
    """The server's URL: everything before `/v1/jobs`."""
    text = url.text if "://" in as_manifest(url.text) or has_reference(url.text) else f"http://{url.text}"
    text, _, query = text.partition("?")
    text = text.rstrip("/")
    if query or not text.endswith(SUBMIT):
        hint = f"aftrun starts jobs with POST https://HOST:PORT{SUBMIT}; leave other requests out"
        raise Trouble(f"this request does not go to {SUBMIT}", url.offset, hint)
    base = text.removesuffix(SUBMIT)
    check_url(base, url.offset)
    return base


def script_of(body: Word, notebook: Notebook) -> tuple[str, str, tuple[tuple[str, Scalar], ...]]:
    """Selector, script and params of a request's body.

    Raises:
        Trouble: it is no JSON object, or names no script, or several, or holds what the API does not know.
    """
    whole = re.fullmatch(r"\$\{file:([^{}]+)\}", sole_reference(body.text))
    if whole:
        body = Word(notebook.file(whole.group(1), body.offset), body.offset)
    data = parse_json(body, "the body")
    if not isinstance(data, dict):
        raise Trouble("the body is no JSON object", body.offset)
    known: dict[str, Any] = {}
    for key, value in data.items():
        name = _FIELDS.get(key.lower())
        if name is None:
            hint = f"the API knows {', '.join(_SELECTORS)} and params"
            raise Trouble(f"the body holds {key!r}, which the API does not document", body.offset, hint)
        if name in known:
            raise Trouble(f"the body holds {name} twice, in different letter case", body.offset, "keep one of the two")
        if key != name:
            notebook.remark(body.offset, f"the body wrote {key} for {name}")
        known[name] = value
    if "jobType" in known:
        if known.pop("jobType") not in ("SCRIPT", "script"):
            raise Trouble("the body's jobType is not SCRIPT, and aftrun starts scripts only", body.offset)
        notebook.remark(body.offset, "jobType was for AFT! v3; it is left out")
    selectors = [name for name in _SELECTORS if name in known]
    if len(selectors) != 1:
        said = " and ".join(selectors) or "none of them"
        raise Trouble(
            f"exactly one of {', '.join(_SELECTORS)} says which script runs; this body has {said}", body.offset
        )
    script = known[selectors[0]]
    if not isinstance(script, str) or not script:
        raise Trouble(f"{selectors[0]} is empty or no text", body.offset)
    params = params_of(known["params"], body.offset, notebook) if known.get("params") is not None else ()
    return selectors[0], script, params


def _headers(request: Request, notebook: Notebook) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The API key, and the headers that aftrun would not send by itself."""
    key: str | None = None
    kind = ""
    others: list[tuple[str, str]] = []
    for name, value in request.headers:
        lower = name.lower()
        if lower == "x-api-key":
            key = value.text
        elif lower == "content-type":
            kind = value.text
        elif lower == "host":
            notebook.remark(value.offset, "the header Host is left out: it follows from the URL")
        elif lower not in _OWN_HEADERS:
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or re.search(r"[\x00-\x1f\x7f]", value.text):
                raise Trouble("this is no header that can be sent", value.offset)
            others.append((name, value.text))
    if "json" not in kind.lower():
        said = f"was sent as {kind or 'a form'}" if not has_reference(kind) else "was sent as a variable says"
        notebook.remark(request.url.offset, f"the body {said}; aftrun sends it as application/json, as documented")
    return key, tuple(others)
