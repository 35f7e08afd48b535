"""A request → the job that it would start: its server, script and params."""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

from aftrun.domain.text import json_fault
from aftrun.importer.found import FoundJob, Notebook, Number, Request, Scalar, Trouble, is_unicode
from aftrun.importer.marks import first_unknown, has_mark, pieces, quote_bare, sole, unknown

SUBMIT = "/v1/jobs"
_SELECTORS = ("scriptName", "scriptId", "filePath")
_FIELDS = {name.lower(): name for name in (*_SELECTORS, "params", "jobType")}
_OWN_HEADERS = ("content-type", "content-length", "accept", "user-agent", "connection", "expect", "transfer-encoding")
"""Headers that aftrun sets itself."""
_BROWSER = re.compile(r"sec-|accept|origin$|referer$|dnt$|priority$|pragma$|cache-control$|te$|upgrade-")
"""Headers that a browser adds to every request."""
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"'})


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, duplicates and all."""


def _load(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_Pairs, parse_int=Number, parse_float=Number)


def parse_json(text: str, line: int, what: str, notebook: Notebook) -> Any:
    """JSON in which marks may stand; numbers keep their digits, objects are lists of pairs.

    Raises:
        Trouble: it is none.
    """
    mark = sole(text.strip())
    if mark is not None:
        raise Trouble(f"{what} is not known here ({mark.why or f'it is in {mark.text}'})")
    try:
        data = _load(text)
    except json.JSONDecodeError as error:
        data = _leniently(text, line, what, notebook, error)
    except RecursionError:
        raise Trouble(f"{what} is nested too deeply") from None
    if not is_unicode(text) or (re.search(r"\\u[dD][89a-fA-F]", text) and not _whole(data)):
        raise Trouble(f"{what} holds half of a character")
    return data


def _whole(data: Any) -> bool:
    return is_unicode(json.dumps(data, default=str, ensure_ascii=False))


def _leniently(text: str, line: int, what: str, notebook: Notebook, error: json.JSONDecodeError) -> Any:
    """What is JSON but for the quotes that a shell needs, that Word made round, or that are missing around values."""
    unescaped = text.replace('\\"', '"')
    for said, attempt in (
        ("", text),
        (f"{what} has typographic quotes, which were read as plain ones", text.translate(_CURLY)),
        ("", unescaped if '"' in unescaped else text),
        (f"{what} is in single quotes inside, which were read as double ones", text.replace("'", '"')),
    ):
        quoted, changed = quote_bare(attempt)
        try:
            data = _load(quoted)
        except (json.JSONDecodeError, RecursionError):
            continue
        if said and (attempt != text):
            notebook.remark(line, said)
        if changed:
            notebook.remark(line, f"{what} has a value without quotes that is no JSON; it is sent as text")
        return data
    quotes = "; the quotes in it seem to be missing" if not re.search('["“”]', text) else ""
    raise Trouble(f"{what} is not JSON ({json_fault(error)} of it){quotes}") from None


def _fields(data: Any, line: int, what: str, notebook: Notebook) -> list[tuple[str, Any]]:
    """An object's pairs; of those with one name the last, as every reader of JSON takes it."""
    last = dict(data)
    if len(last) != len(data):
        notebook.remark(line, f"{what} holds a name twice; the last one counts")
    return list(last.items())


def lost_params(why: str, line: int) -> tuple[tuple[str, Scalar], ...]:
    """A param that nobody sent, so that a job without the params that were meant is not started unseen."""
    return (("FILL_PARAMS", unknown("PARAMS", f"{why}; write the params in its place", line)),)


def params_of(data: Any, line: int, notebook: Notebook) -> tuple[tuple[str, Scalar], ...]:
    """Params as a map, or as v3's list of {name, value}. What no param can be is left to be filled in."""
    if isinstance(data, list) and not isinstance(data, _Pairs):
        items = [dict(item) if isinstance(item, _Pairs) else {} for item in data]
        if not all({"name", "value"} == set(item) and isinstance(item["name"], str) for item in items):
            return lost_params("params is a list, but not of name and value", line)
        if items:
            notebook.remark(line, "the params were v3's list of {name, value}; they are a map now")
        data = _Pairs((item["name"], item["value"]) for item in items)
    if not isinstance(data, _Pairs):
        return () if data is None else lost_params("params is no map", line)
    result: list[tuple[str, Scalar]] = []
    for name, value in _fields(data, line, "params", notebook):
        if has_mark(name):
            result += lost_params("the name of a param is not known here", line)
        elif isinstance(value, str | bool | Number):
            result.append((name, value))
        else:
            kind = "null" if value is None else "a map" if isinstance(value, _Pairs) else "a list"
            why = f"it was {kind}, and params are flat; JSON inside a string may do, if the script reads that"
            result.append((name, unknown(name, why, line)))
    return tuple(result)


def job_of(request: Request, notebook: Notebook) -> FoundJob | None:
    """The job that a request would start; None, with a remark, for a request that starts none."""
    line, method = request.line, request.method
    base, starts = _base(request, notebook)
    if not starts:
        return None
    if method.upper() != "POST" and not has_mark(method):
        what = (
            "sends no body, so it starts no job (is a quote open, or does the line end too early?); left out"
            if method in ("GET", "HEAD")
            else (
                f"is a {method}, and jobs are started with POST; left out"
                if method.isalpha()
                else "is no POST; left out"
            )
        )
        notebook.remark(line, what)
        return None
    selector, script, params = script_of(request, notebook)
    api_key, headers = _headers(request, notebook)
    return FoundJob(
        line=line,
        url=base,
        selector=selector,
        script=script,
        params=params,
        api_key=api_key,
        headers=headers,
        tls=request.tls,
        connect_timeout=request.connect_timeout,
        read_timeout=request.read_timeout,
        around=notebook.around,
    )


def _base(request: Request, notebook: Notebook) -> tuple[str, bool]:
    """The server's URL, which is everything before `/v1/jobs`, and whether the request can start a job."""
    line, text = request.line, request.url.strip()
    text, hash_mark, _ = text.partition("#")
    text, query, _ = text.partition("?")
    path = text.rstrip("/")
    if not path.endswith(SUBMIT):
        tail = list(pieces(path))[-1:]
        if not tail or isinstance(tail[0], str):
            literal = tail[0] if tail and isinstance(tail[0], str) else ""
            if re.search(r"/jobs/|/jobs$", path) and request.method.upper() in ("GET", "HEAD"):
                notebook.remark(line, "reads a job's status; left out, since aftrun waits by itself")
            elif literal:
                notebook.remark(line, f"a request to another address than HOST{SUBMIT} is left out")
            return "", False
        if request.method.upper() in ("GET", "HEAD", "DELETE") or "/jobs/" in path:
            notebook.remark(line, "reads a job's status; left out, since aftrun waits by itself")
            return "", False
        if not _names_a_script(request):
            notebook.remark(line, "a request to an address that is not known here is left out: it names no script")
            return "", False
        return unknown("SERVER", f"its URL without {SUBMIT}; the script has all of it in one variable", line), True
    if query or hash_mark:
        notebook.remark(line, f"what follows {SUBMIT} in the URL is left out: the API has nothing there")
    base = path.removesuffix(SUBMIT)
    if "://" not in base and not (has_mark(base) and base.startswith(("\ufdd0",))):
        notebook.remark(line, "the URL names no scheme; curl takes http:// for that, and aftrun https://")
        base = f"https://{base}"
    return checked_url(base, line, notebook), True


def _names_a_script(request: Request) -> bool:
    return bool(request.body) and (
        has_mark(request.body or "")
        or re.search("scriptname|scriptid|filepath", request.body or "", re.IGNORECASE) is not None
    )


def checked_url(url: str, line: int, notebook: Notebook) -> str:
    """The URL of a server without user and password; what can be none is left to be filled in."""
    userinfo = re.match(r"([a-zA-Z]+://)([^/]*)@", url)
    if userinfo:
        notebook.remark(line, "user and password in the URL are not copied: the API does not use them")
        notebook.secrets.update(part for part in userinfo.group(2).split(":") if not has_mark(part))
        url = userinfo.group(1) + url[userinfo.end() :]
    if has_mark(url):
        return url
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), 0
    odd = re.search(r"[\s\\?#\"'<>^`{|}]", url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0 or odd:
        return unknown("SERVER", f"what stands there is not the URL of a server: https://HOST:PORT{SUBMIT}", line)
    return url


def script_of(request: Request, notebook: Notebook) -> tuple[str, str, tuple[tuple[str, Scalar], ...]]:
    """Selector, script and params of a request's body. What cannot be read is left to be filled in."""
    line = request.line
    try:
        return _script_of(request, notebook)
    except Trouble as trouble:
        return "scriptName", unknown("SCRIPT", f"{trouble}; write scriptName and params into the manifest", line), ()


def _script_of(request: Request, notebook: Notebook) -> tuple[str, str, tuple[tuple[str, Scalar], ...]]:
    line = request.line
    if request.body is None or not request.body.strip():
        raise Trouble("the request has no body")
    text = request.body
    mark = sole(text.strip())
    if mark and mark.text.startswith("${file:"):
        text = notebook.file(mark.text[len("${file:") : -1])
    data = parse_json(text, line, "the body", notebook)
    if not isinstance(data, _Pairs):
        raise Trouble("the body is no JSON object")
    known: dict[str, Any] = {}
    for key, value in _fields(data, line, "the body", notebook):
        name = _FIELDS.get(key.lower())
        if name is None:
            notebook.remark(line, f"{_shown(key)} in the body is left out: the API documents no such field")
        elif name in known:
            notebook.remark(line, f"the body holds {name} twice, in different letter case; the last one counts")
            known[name] = value
        else:
            if key != name:
                notebook.remark(line, f"the body wrote {key} for {name}")
            known[name] = value
    kind = known.pop("jobType", None)
    if kind is not None:
        said = "jobType was for AFT! v3; it is left out"
        ours = str(kind).upper() == "SCRIPT"
        notebook.remark(line, said if ours else f"{said}, though it is not SCRIPT, and aftrun starts scripts only")
    selector, script = _selected(known, line, notebook)
    return selector, script, params_of(known.get("params"), line, notebook)


def _selected(known: dict[str, Any], line: int, notebook: Notebook) -> tuple[str, str]:
    selectors = [name for name in _SELECTORS if name in known]
    if not selectors:
        raise Trouble(f"the body names no script by {', '.join(_SELECTORS)}")
    if len(selectors) > 1:
        notebook.remark(
            line, f"the body has {' and '.join(selectors)}, of which the API takes one: {selectors[0]} is kept"
        )
    script = known[selectors[0]]
    if isinstance(script, Number):
        script = script.text
    if not isinstance(script, str) or not script:
        raise Trouble(f"{selectors[0]} in the body is empty or no text")
    return selectors[0], script


def _shown(key: str) -> str:
    return f"{key!r}" if re.fullmatch(r"[A-Za-z][A-Za-z_-]{0,29}", key) else "a field"


def _headers(request: Request, notebook: Notebook) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The API key, and the headers that aftrun would not send by itself."""
    key: str | None = None
    kind, line = "", request.line
    others: list[tuple[str, str]] = []
    for name, value in request.headers:
        lower = name.lower()
        if lower == "x-api-key":
            key = value
        elif lower == "content-type":
            kind = value
        elif lower == "host":
            notebook.remark(line, "the header Host is left out: it follows from the URL")
        elif lower == "cookie":
            notebook.remark(line, "cookies are not copied: the API uses none")
            notebook.secrets.update(re.findall(r"=([^;\s]{6,})", value))
        elif lower in _OWN_HEADERS or _BROWSER.match(lower):
            continue
        elif not re.fullmatch(r"[A-Za-z0-9-]+", name) or re.search(r"[\x00-\x1f\x7f]", value):
            notebook.remark(line, "a header that cannot be sent is left out")
        elif not has_mark(value) and not value.isascii():
            notebook.remark(line, f"the header {name} is left out: only ASCII passes in a header")
        else:
            if any(lower == known.lower() for known, _ in others):
                notebook.remark(line, f"the header {name} is given twice; the last one counts")
            others = [*(each for each in others if each[0].lower() != lower), (name, value)]
    if "json" not in kind.lower() and first_unknown(kind) is None and request.body:
        said = "with another content type" if kind else "as a form"
        notebook.remark(line, f"the body was sent {said}; aftrun sends it as application/json, as documented")
    return key, tuple(others)
