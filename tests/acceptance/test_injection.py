"""Whatever a value holds, the request holds exactly that value, and has the shape that the manifest gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_apply import posts, write
from tests.conftest import Run

Start = Callable[..., Sandbox]

VALUES = {
    "single-quotes": "it's '' ''' \\'",
    "double-quotes": 'say "hi" "" \\"',
    "backslashes": "\\ \\\\ \\n \\u0000 C:\\new",
    "lines": "one\ntwo\r\nthree\rfour\n\n",
    "reference": "${HOME} ${AFT_API_KEY} ${file:/etc/passwd} ${",
    "inside": "${{ run.id }} ${{ vars.x }} ${{ jobs.a.id }} ${{",
    "dollars": "$ $$ $$$ $HOME $(id) `id`",
    "yaml": "a: b\n- c\n? d\n*e &f !!python/object:os.system {g: h} # i",
    "documents": "---\nscriptName: other\n...\n",
    "json": '{"scriptName": "other"}, "params": {"x": [1, null, true]}]}',
    "json-end": '"}, "scriptName": "evil", "x": {"y": "',
    "scalars": "null",
    "number": "007",
    "boolean": "yes",
    "unicode": "Zürich \u2028\u2029\u0085 😀 e\u0301 \u202eabc \ufeff",
    "control": "".join(map(chr, [*range(1, 32), 127, *range(128, 160)])),
    "percent": "%s %(a)s {0} {a} %n",
    "http": "x\r\nX-Injected: yes\r\n\r\nPOST /v1/jobs HTTP/1.1",
    "blank": "   ",
    "empty": "",
    "markup": "<script>alert(1)</script> ]]> &amp; <!--",
}


def manifest(folder: Path, references: dict[str, str], *, typed: bool) -> str:
    """One job for each value, its param beside two that must stay as they are, and its script called after it."""
    jobs = [
        {
            "name": name,
            "scriptName": "my " + reference,
            "params": {"before": "b", "value": reference, "mixed": f"<{reference}>", "after": "a"},
        }
        for name, reference in references.items()
    ]
    document = {"server": {"paramValues": "json" if typed else "text"}, "jobs": jobs}
    return write(folder, json.dumps(document), "jobs.json")


def expected(values: dict[str, str]) -> list[object]:
    """The bodies, in order."""
    return [
        {
            "scriptName": "my " + value,
            "params": {"before": "b", "value": value, "mixed": f"<{value}>", "after": "a"},
        }
        for value in values.values()
    ]


def test_from_the_environment(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Values of variables, and nothing of them in anything that is shown or kept."""
    server = sandbox()
    env = {f"V_{number}": value for number, value in enumerate(VALUES.values())}
    references = {name: f"${{V_{number}}}" for number, name in enumerate(VALUES)}
    done = aftrun("apply", manifest(tmp_path, references, typed=True), server=server, env=env)
    assert done.code == 0, done.err
    assert posts(server) == expected(VALUES)
    for entry in server.ledger():
        assert "X-Injected" not in dict(entry.headers)
    report = done.report()
    assert [job["request"]["params"]["value"] for job in report["jobs"]] == list(references.values())


def test_from_an_env_file(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Values of a file of variables, written as such files write them; a megabyte among them."""
    server = sandbox()
    values = {**{name: VALUES[name] for name in ("reference", "inside", "yaml", "json-end")}, "large": "ü" * 2**19}
    lines = "".join(
        f"V_{number}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'\n"
        for number, value in enumerate(values.values())
    )
    (tmp_path / "v.env").write_text(lines, encoding="utf-8")
    references = {name: f"${{V_{number}}}" for number, name in enumerate(values)}
    path = manifest(tmp_path, references, typed=False)
    done = aftrun("apply", path, "--env-file", "v.env", server=server)
    assert done.code == 0, done.err
    assert posts(server) == expected(values)


def test_from_files(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Values of files: NUL, which no variable can hold, and a megabyte of text; one line break at the end goes."""
    server = sandbox()
    values = {
        **VALUES,
        "nul": "a\x00b\x00",
        "large": ('"\\${{\n' * 2**20)[: 2**20 - 1],
    }
    for name, value in values.items():
        (tmp_path / f"{name}.value").write_bytes(value.encode() + b"\n")
    (tmp_path / "crlf.value").write_bytes(b"v\r\n")
    (tmp_path / "cr.value").write_bytes(b"v\r")
    values |= {"crlf": "v", "cr": "v\r"}
    references = {name: f"${{file:{name}.value}}" for name in values}
    done = aftrun("apply", manifest(tmp_path, references, typed=True), server=server)
    assert done.code == 0, done.err
    assert posts(server) == expected(values)


def test_from_variables_of_the_manifest(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """--var gives text as it stands: it is not expanded either, where `${{ vars.x }}` brings it in."""
    server = sandbox()
    value = VALUES["reference"] + VALUES["inside"] + VALUES["json-end"]
    text = "vars: {x: y}\njobs: [{scriptName: s, params: {before: b, value: '${{ vars.x }}', after: a}}]\n"
    done = aftrun("apply", write(tmp_path, text), "--var", f"x={value}", server=server)
    assert done.code == 0, done.err
    assert posts(server) == [{"scriptName": "s", "params": {"before": "b", "value": value, "after": "a"}}]


def test_from_another_job(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """What the server says of one job goes into the next as it is."""
    message = VALUES["inside"] + VALUES["json-end"] + VALUES["reference"]
    server = sandbox({"defaults": {"duration": "10ms", "queue": "0s", "message": message}})
    text = """
jobs:
  - {name: a, scriptName: s, outputs: {said: error}}
  - {name: b, scriptName: t, needs: [a], params: {value: "${{ jobs.a.outputs.said }}", after: a}}
"""
    done = aftrun("apply", write(tmp_path, text), server=server)
    assert done.code == 0, done.err
    body = posts(server)[1]
    assert isinstance(body, dict)
    assert body["params"] == {"value": message, "after": "a"}
