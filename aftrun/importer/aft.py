"""The arguments of `aft start` or `aft run` → the job that it would start."""

from __future__ import annotations

from collections.abc import Sequence

from aftrun.importer.body import checked_url, lost_params, params_of, parse_json
from aftrun.importer.found import FoundJob, Notebook, Scalar, Tls, Trouble, Word
from aftrun.importer.marks import has_mark, unknown

_OPTIONS = {
    **dict.fromkeys(("n", "name", "script-name", "scriptname"), "name"),
    **dict.fromkeys(("s", "script-id", "scriptid"), "script-id"),
    **dict.fromkeys(("f", "file"), "file"),
    **dict.fromkeys(("a", "api-key", "apikey"), "api-key"),
    **dict.fromkeys(("p", "params"), "params"),
    **dict.fromkeys(("host", "h"), "host"),
    "param": "param",
}
_SELECTORS = {"name": "scriptName", "script-id": "scriptId", "file": "filePath"}
_FLAGS = {"k": "insecure", "insecure": "insecure", "no-wait": "no-wait", "wait": "wait"}
DEFAULT_HOST = "127.0.0.1:44399"


def read(words: Sequence[Word], notebook: Notebook) -> None:
    """Note the job of `aft start …` or `aft run …`; `words` begin with `aft`."""
    line = words[0].line
    command = next((word.text.lower() for word in words[1:] if not word.text.startswith("-")), "")
    if command not in ("start", "run"):
        notebook.remark(line, "a command of aft other than `aft start` and `aft run` is left out: it starts no job")
        return
    at = next(number for number, word in enumerate(words) if word.text.lower() == command and number)
    values, params, flags = _options([*words[1:at], *words[at + 1 :]], line, notebook)
    selectors = [name for name in _SELECTORS if name in values]
    if len(selectors) > 1:
        notebook.remark(line, f"of --{' and --'.join(selectors)} aft takes one: --{selectors[0]} is kept")
    if selectors and values[selectors[0]]:
        selector, script = _SELECTORS[selectors[0]], values[selectors[0]]
    else:
        why = "the command names no script by --name, --script-id or --file"
        selector, script = "scriptName", unknown("SCRIPT", why, line)
    if "params" in values:
        try:
            data = parse_json(values["params"], line, "--params", notebook)
            params = {**dict(params_of(data, line, notebook)), **params}
        except Trouble as trouble:
            params = {**params, **dict(lost_params(str(trouble), line))}
    if command == "run":
        notebook.remark(
            line, "`aft run` ran the script in its own process; now the server runs the file, from its disk"
        )
    if "insecure" not in flags:
        said = (
            "aftrun verifies the server's certificate; `aftrun trust URL` prints the line that pins a self-signed one"
        )
        if not any(said == text for _, text in notebook.remarks):
            notebook.remark(line, said)
    notebook.job(
        FoundJob(
            line=line,
            url=checked_url(_url(values.get("host", DEFAULT_HOST)), line, notebook),
            selector=selector,
            script=script,
            params=tuple(params.items()),
            api_key=values.get("api-key"),
            tls=Tls(insecure="insecure" in flags),
            around=notebook.around,
        )
    )


def _url(host: str) -> str:
    text = host.rstrip("/").removesuffix("/v1/jobs")
    if "://" in text:
        return text
    name, _, port = text.rpartition(":")
    return f"https://{text}" if has_mark(text) or (name and port.isdigit()) else f"https://{text}:44399"


def _options(words: list[Word], line: int, notebook: Notebook) -> tuple[dict[str, str], dict[str, Scalar], set[str]]:
    """Options with a value by name, the params of `--param k=v`, and flags."""
    values: dict[str, str] = {}
    params: dict[str, Scalar] = {}
    flags: set[str] = set()
    words.reverse()
    while words:
        text = words.pop().text
        if text[:1] in ("–", "—"):
            text = ("--" if len(text) > 2 else "-") + text[1:]  # what Word makes of dashes
        dashes = len(text) - len(text.lstrip("-"))
        name, equals, value = text[dashes:].partition("=")
        if dashes == 1 and len(name) > 1 and name.lower() not in _OPTIONS and name[0] in "nsfap":
            name, equals, value = name[0], "=", text[2:]  # `-nBackup`
        found = _OPTIONS.get(name.lower()) if dashes in (1, 2) else None
        if found is None:
            if name.lower() in _FLAGS and dashes:
                flags.add(_FLAGS[name.lower()])
            else:
                notebook.remark(line, "an argument of aft that is not known here is left out")
            continue
        given = value if equals else words.pop().text if words else ""
        if found != "param":
            values[found] = given
            continue
        key, has_value, rest = given.partition("=")
        if has_value and key and not has_mark(key):
            params[key] = rest
        else:
            notebook.remark(line, "a --param that is not of the form NAME=VALUE is left out")
    return values, params, flags
