"""Mistakes that people make, brought from other tools or made by an editor, and a word of what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from aftrun.domain.errors import ManifestError
from aftrun.manifest import load_all
from aftrun.manifest.check import habits
from aftrun.manifest.check.diagnostics import render

J = "jobs:\n  - name: a\n    scriptName: A\n"

MISTAKES: dict[str, tuple[str, str]] = {
    "github-workflow": ("on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{run: make}]\n", "GitHub"),
    "gitlab-ci": ("stages: [build]\nbuild:\n  stage: build\n  script: [make]\n", "GitLab"),
    "compose": ("services:\n  web: {image: nginx}\n", "Compose"),
    "kubernetes": ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", "Kubernetes"),
    "ansible": ("- hosts: all\n  tasks: []\n", "Ansible"),
    "scenario": ("defaults: {queue: 0s}\nbehaviours: [{outcome: failed}]\n", "scenario of the sandbox"),
    "report": ('{"version": 1, "run": {"id": "x"}, "summary": {}, "jobs": []}\n', "report of a run"),
    "list": ("- scriptName: A\n- scriptName: B\n", "jobs:"),
    "text": ("just a text\n", "must be a mapping"),
    "jsonc-line": ('{\n  // the night\n  "scriptName": "A"\n}\n', "comment"),
    "jsonc-block": ('{ /* the night */ "scriptName": "A" }\n', "comment"),
    "if": (J + "    if: always()\n", "when"),
    "continue-on-error": (J + "    continue-on-error: true\n", "allowFailure"),
    "depends_on": (J + "    depends_on: [b]\n", "needs"),
    "dependsOn": (J + "    dependsOn: [b]\n", "needs"),
    "depends": (J + "    depends: [b]\n", "needs"),
    "after": (J + "    after: [b]\n", "needs"),
    "with": (J + "    with: {x: y}\n", "params"),
    "env": (J + "    env: {x: y}\n", "params"),
    "args": (J + "    args: {x: y}\n", "params"),
    "parameters": (J + "    parameters: {x: y}\n", "params"),
    "timeout-minutes": (J + "    timeout-minutes: 5\n", "timeout"),
    "script": (J.replace("scriptName", "script"), "scriptName"),
    "uses": (J.replace("scriptName", "uses"), "scriptName"),
    "run": (J.replace("scriptName", "run"), "scriptName"),
    "runs-on": (J + "    runs-on: x\n", "server"),
    "host": (J + "    host: x\n", "server"),
    "schedule": ("schedule: '0 2 * * *'\n" + J, "cron"),
    "cron": (J + "    cron: '0 2 * * *'\n", "cron"),
    "retries": (J + "    retries: 2\n", "retry"),
    "parallel": ("parallel: true\n" + J, "strategy"),
    "max-parallel": ("strategy: {max-parallel: 3}\n" + J, "maxParallel"),
    "fail-fast": ("strategy: {fail-fast: true}\n" + J, "failFast"),
    "matrix-include": (J + "    matrix: {region: [eu], include: [{region: us}]}\n", "no include"),
    "strategy-matrix": (J + "    strategy: {matrix: {region: [eu]}}\n", "write matrix:"),
    "dash-default": ("server: {url: '${A-https://h:1}'}\n" + J, ":-"),
    "percent-date": (J + "    params: {d: '${{ run.date:yyyyMMdd }}'}\n", "%Y%m%d"),
    "moment-date": (J + "    params: {d: '${{ run.date:YYYY-MM-DD }}'}\n", "%Y-%m-%d"),
    "no-date": (J + "    once: '${{ run.date:Y-m-d }}'\n    params: {d: x}\n", "the same text on every day"),
    "slash-date": (J + "    params: {d: '${{ run.date:dd/MM/yyyy }}'}\n", "%d/%m/%Y"),
    "bare-reference": (J + "    params: {d: ${TOKEN}}\n", "put the text with ${…} in quotes"),
    "bare-inside": (J + "    tags: [x-${{ run.id }}]\n", "put the text with ${…} in quotes"),
    "windows-path": (J + '    params: {d: "C:\\path"}\n', "use single quotes"),
    "dollar-paren": (J + "    params: {d: '${$(date)}'}\n", "AFT040"),
    "github-secret": (J + "    params: {d: '${{ secrets.TOKEN }}'}\n", "${TOKEN}"),
    "github-env": (J + "    params: {d: '${{ env.TOKEN }}'}\n", "${TOKEN}"),
    "github-vars-ok": (J + "    params: {d: '${{ needs.b.outputs.x }}'}\n", "jobs.b.outputs.x"),
    "tab-in-path": (J + '    params: {p: "C:\\temp\\new"}\n', "tab"),
    "hash": (J.replace("scriptName: A", "scriptName: Backup #2"), "#2"),
    "nbsp": (J.replace("scriptName: A", "scriptName: My\u00a0Backup"), "no-break"),
    "zero-width": (J.replace("scriptName: A", "scriptName: My\u200bBackup"), "zero-width"),
    "nbsp-indent": ("jobs:\n  - name: a\n\u00a0\u00a0\u00a0 scriptName: A\n", "no-break"),
    "null-param": (J + "    params: {x: }\n", "null"),
    "list-param": (J + "    params: {x: [1, 2]}\n", "list"),
    "v3-params": (J + "    params: [{name: x, value: y}]\n", "params"),
    "two-selectors": (J + "    scriptId: '7'\n", "exactly one"),
    "no-selector": ("jobs: [{name: a}]\n", "names no script"),
    "jobs-no-dash": ("jobs:\n  scriptName: A\n  params: {a: b}\n", 'write "- scriptName: …"'),
    "jobs-map": ("jobs:\n  a: {scriptName: A}\n", "list"),
    "unknown-need": (J + "    needs: [b]\n", "b"),
    "cycle": ("jobs:\n  - {name: a, scriptName: A, needs: [b]}\n  - {name: b, scriptName: B, needs: [a]}\n", "→"),
    "duplicate-key": (J + "    scriptName: B\n", "twice"),
    "duplicate-name": (J + "  - {name: a, scriptName: A}\n", "a"),
    "tab-indent": ("jobs:\n\t- scriptName: A\n", "tab"),
    "colon": ("scriptName: Backup: nightly\n", "quotes"),
    "percent": ("scriptName: %name%\n", "quotes"),
    "chosen-server": ("servers: {a: {url: 'https://h:1'}}\nserver: a\n" + J, "defaults: {server: NAME}"),
    "server-is-a-url": ("server: https://h:1\n" + J, 'write server: {url: "https://h:1"}'),
    "server-is-a-host": ("server: aft.example.com\n" + J, 'write server: {url: "https://aft.example.com:44399"}'),
    "server-is-a-variable": ("server: ${AFT_URL}\nscriptName: A\n", 'write server: {url: "${AFT_URL}"}'),
    "server-is-a-secret": ("server: https://me:pw@h\n" + J, 'write server: {url: "https://HOST:44399"}'),
    "one-of-servers-is-a-host": ("servers: {a: h}\n" + J, 'write a: {url: "https://h:44399"}'),
    "server-in-a-job": (J + "    server: {url: 'https://h:1'}\n", "describe it under servers"),
    "server-in-defaults": ("defaults: {server: {url: 'https://h:1'}}\n" + J, "describe it under servers"),
    "server-is-a-number": (J + "    server: 1\n", 'put it in quotes: "1"'),
    "word-of-two-states": (
        "server: {jobInfo: {states: {succeeded: [Timed out], failed: [timed_out]}}}\n" + J,
        "stands under succeeded and under failed: failed counts",
    ),
    "url-no-scheme": ("server: {url: aft.example.com}\n" + J, "https://"),
    "url-path": ("server: {url: 'https://h:44399/v1/jobs'}\n" + J, "AFT114"),
    "bad-duration": (J + "    timeout: 5 minutes\n", "5m"),
    "number-duration": (J + "    timeout: 300\n", "300s"),
    "apikey-top": ("apiKey: x\n" + J, "server"),
    "duration-twice": (J + "    timeout: 1h1h\n", "each unit once"),
    "duration-order": (J + "    timeout: 30m1h\n", "longest first"),
    "duration-zero": (J + "    timeout: 0s\n", "longer than zero"),
    "duration-absurd": (J + "    timeout: 99999999d\n", "a hundred years at most"),
    "exclude": (J + "    exclude: [{region: eu}]\n    matrix: {region: [eu, us]}\n", "write matrix:"),
    "env_file": ("env_file: .env\n" + J, "--env-file"),
    "json-lines": ('{"scriptName": "A"}\n{"scriptName": "B"}\n', "---"),
    "dots": ("scriptName: A\n...\nscriptName: B\n", "---"),
    "expect-function": (J + "    expect: lenght(files)\n", "did you mean 'length'?"),
    "expect-foreign": (J + "    expect: matches(status, 'x')\n", "matches(), which JMESPath does not have"),
    "expect-branch": (J + '    expect: ["a && foo(b)"]\n', "foo()"),
    "output-arity": (J + "    outputs: {n: 'length(a, b)'}\n", "length() with 2 values, and it takes 1"),
    "output-variadic": (J + "    outputs: {n: 'not_null()'}\n", "not_null() with 0 values, and it takes at least 1"),
    "job-info-function": ("server: {jobInfo: {status: 'lower(state)'}}\n" + J, "lower()"),
    "never-evaluated": (J + "    wait: false\n    expect: a\n    outputs: {x: b}\n", "'expect' is never"),
    "never-evaluated-too": (J + "    wait: false\n    expect: a\n    outputs: {x: b}\n", "'outputs' is never"),
    "empty-word": ("server: {jobInfo: {states: {failed: ''}}}\n" + J, "'failed' must not be empty"),
    "smart-quotes": ("scriptName: “My Backup”\n", "quotes"),
}
"""The file, and what has to be said of it."""

BINARIES: dict[str, tuple[bytes, str]] = {
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG"),
    "zip": (b"PK\x03\x04\x14\x00", "ZIP"),
    "pdf": (b"%PDF-1.7\n\xe2\xe3", "PDF"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip"),
    "sqlite": (b"SQLite format 3\x00\x10", "SQLite"),
    "zeros": (b"script\x00\x00\x00\x01Name", "binary"),
}


def said(folder: Path, name: str, data: bytes) -> str:
    """Everything that is said of a file."""
    path = folder / (name + (".json" if name.startswith("jsonc") or name == "report" else ".yaml"))
    path.write_bytes(data)
    try:
        loaded = load_all([str(path)])
    except ManifestError as error:
        return render(error.problems, error.files)
    return render(loaded.warnings, loaded.files)


@pytest.mark.parametrize("name", MISTAKES)
def test_what_was_meant_is_named(tmp_path: Path, name: str) -> None:
    """In a message or its remedy, at a line."""
    text, wanted = MISTAKES[name]
    found = said(tmp_path, name, text.encode())
    assert wanted in found
    assert f"{name}." in found


def test_an_empty_key_is_no_key_for_all_to_read(tmp_path: Path) -> None:
    """It is empty, and that is all that is said."""
    found = said(tmp_path, "key", b"server: {apiKey: ''}\n" + J.encode())
    assert "'apiKey' must not be empty" in found
    assert "AFT103" not in found


def test_keys_of_other_tools_are_found_as_they_are_looked_up() -> None:
    """Without case, `-` and `_`: a key of the table that is not is never found."""
    assert all(habits.key_hint(name) for name in habits.KEYS)


@pytest.mark.parametrize("name", BINARIES)
def test_a_file_that_is_no_text_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    """One problem, not a control character or a byte."""
    data, wanted = BINARIES[name]
    found = said(tmp_path, name, data)
    assert wanted in found
    assert found.count("error[") == 1


@pytest.mark.parametrize(
    "text",
    [
        "scriptName: Backup # the nightly one\n",
        "scriptName: Backup #nightly one of two\n",
        "scriptName: 'Backup #2'\n",
        'scriptName: x\nparams: {text: "one\\ttwo\\nthree"}\n',
        "scriptName: x\nparams: {path: 'C:\\temp\\new'}\n",
        "scriptName: x\nparams: {path: C:\\temp\\new}\n",
        'scriptName: "My\\u00a0Backup"\n',
        "scriptName: x\nparams: {text: Grüße, 日本語: 日本}\n",
        "scriptName: x\nparams: {d: '${{ run.date:%Y%m%d }}', e: '${{ run.date:daily-%H }}'}\n",
        "server: {url: '${A:-https://h:1}'}\njobs: [{scriptName: x}]\n",
        "x-if: 1\njobs: [{scriptName: x, x-env: {a: b}}]\n",
    ],
)
def test_what_is_meant_so_is_not_doubted(tmp_path: Path, text: str) -> None:
    """Comments, escapes, other scripts of the world, and keys of one's own."""
    assert said(tmp_path, "fine", text.encode()) == ""
