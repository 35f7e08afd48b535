"""An `aft start` or `aft run` command line → the job that it would start."""

from __future__ import annotations

from collections.abc import Sequence

from aftrun.importer.body import check_url, params_of, parse_json
from aftrun.importer.pieces import FoundJob, Notebook, Tls, Trouble, Word, has_reference

_OPTIONS = {
    "n": "name",
    "name": "name",
    "script-name": "name",
    "scriptname": "name",
    "s": "script-id",
    "script-id": "script-id",
    "scriptid": "script-id",
    "f": "file",
    "file": "file",
    "a": "api-key",
    "api-key": "api-key",
    "apikey": "api-key",
    "p": "params",
    "params": "params",
    "param": "param",
    "host": "host",
    "h": "host",
}
_FLAGS = {"k": "insecure", "insecure": "insecure", "no-wait": "no-wait", "wait": "wait"}
DEFAULT_HOST = "127.0.0.1:44399"


def read(words: Sequence[Word], notebook: Notebook) -> FoundJob:
    """The job of `aft start …` or `aft run …`; `words` begin with the subcommand.

    Raises:
        Trouble: it is another subcommand, or an option cannot be read.
    """
    if not words or words[0].text.lower() not in ("start", "run"):
        at = words[0].offset if words else 0
        raise Trouble("only `aft start` and `aft run` start jobs", at, "leave this line out")
    command = words[0]
    values, flags = _options(list(words[1:]))
    runs_here = command.text.lower() == "run"
    selectors = [name for name in ("name", "script-id", "file") if name in values]
    if len(selectors) != 1:
        said = " and ".join(f"--{name}" for name in selectors) or "none of them"
        raise Trouble(
            f"exactly one of --name, --script-id and --file says which script runs; given: {said}", command.offset
        )
    script = values[selectors[0]]
    params = {}
    if "params" in values:
        params = dict(params_of(parse_json(values["params"], "--params"), values["params"].offset, notebook))
    for name, value in flags.get("param", []):
        params[name] = value
    if runs_here:
        notebook.remark(
            command.offset,
            "`aft run` ran the script in its own process; now the server runs the file, from its own disk",
        )
    if "insecure" not in flags:
        notebook.remark(
            command.offset,
            "aftrun verifies the server's certificate; `aftrun trust URL` prints the line that pins a self-signed one",
        )
    host = values.get("host", Word(DEFAULT_HOST, command.offset))
    check_url(_url(host), host.offset)
    return FoundJob(
        offset=command.offset,
        url=_url(host),
        selector={"name": "scriptName", "script-id": "scriptId", "file": "filePath"}[selectors[0]],
        script=script.text,
        params=tuple(params.items()),
        api_key=values["api-key"].text if "api-key" in values else None,
        tls=Tls(insecure="insecure" in flags),
        notes=(notebook.schedule,) if notebook.schedule else (),
    )


def _url(host: Word) -> str:
    text = host.text.rstrip("/")
    if "://" in text or has_reference(text):
        return text if "://" in text else f"https://{text}"
    name = text.rpartition(":")
    return f"https://{text}" if name[0] and name[2].isdigit() else f"https://{text}:44399"


def _options(words: list[Word]) -> tuple[dict[str, Word], dict[str, list[tuple[str, str]]]]:
    """Options with a value by name, and flags; `--param k=v` may come more than once."""
    values: dict[str, Word] = {}
    flags: dict[str, list[tuple[str, str]]] = {}
    words.reverse()
    while words:
        word = words.pop()
        dashes = len(word.text) - len(word.text.lstrip("-"))
        name, equals, value = word.text[dashes:].partition("=")
        if dashes == 0 or dashes > 2:
            raise Trouble("this argument belongs to no option", word.offset, "aft's options begin with - or --")
        if dashes == 1 and len(name) > 1 and name.lower() not in _OPTIONS and name[0] in "nsfap":
            name, equals, value = name[0], "=", word.text[2:]  # `-nBackup`
        found = _OPTIONS.get(name.lower())
        if found is None:
            if name.lower() not in _FLAGS:
                raise Trouble(f"aft's option {'-' * dashes}{name} is not known here", word.offset)
            flags[_FLAGS[name.lower()]] = []
            continue
        if not equals and not words:
            raise Trouble(f"the option {'-' * dashes}{name} has no value", word.offset)
        given = Word(value, word.offset) if equals else words.pop()
        if found == "param":
            key, has_value, rest = given.text.partition("=")
            if not has_value or not key:
                raise Trouble("--param is not of the form NAME=VALUE", given.offset)
            flags.setdefault("param", []).append((key, rest))
        else:
            values[found] = given
    return values, flags
