"""`aftrun plan`: what would be sent, and commands that send just that."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.acceptance.test_apply import write
from tests.conftest import Run, clean_environ

Start = Callable[..., Sandbox]

AWKWARD = {
    "QUOTES": 'it\'s "quoted" `here` \\ and $HOME ${HOME} $(id) !! %s %d \\n',
    "TWO_LINES": "one\ntwo\r\nthree\n\n",
    "TAB": "\ta\x01b\x7f\x1b",
    "UNICODE": "Zürich ’ 😀 \u2028 é",
    "DASH": "-n",
    "JSON": '{"a": [1, null]}, "b": "${{ run.id }}"',
    "BLANKS": "  two  ",
    "EMPTY": "",
}
MANIFEST = """
vars: {declared: "${QUOTES} and $$"}
server: {url: "${TARGET}", tls: {caFile: "${CA}"}, paramValues: json, headers: {X-Note: "a ${DASH}", X-Two: "it's"}}
strategy: {order: parallel}
jobs:
  - name: literal
    scriptName: O'Neil "x" $HOME !! ü
    params: {a: "it's \\"x\\"\\n\\t$$HOME", b: 1.50, c: true, d: 007, e: "7", "k'\\"": "`id`", "": z}
  - name: outside
    scriptName: x ${QUOTES}
    params:
      quotes: ${QUOTES}
      lines: ${TWO_LINES}
      tab: ${TAB}
      unicode: before ${UNICODE} after
      dash: ${DASH}
      json: "${JSON}"
      blanks: "${BLANKS}"
      empty: "${EMPTY}"
      fallback: "${EMPTY:-it's \\"d\\" $HOME! ü}"
      simple: "${UNSET_ONE:-plain}"
      file: ${file:value.txt}
      none: "${file:missing.txt:-nothing there}"
      declared: ${{ vars.declared }}
      odd: "${env:odd.name}"
  - name: bare
    filePath: /opt/x.syncjs
"""


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_curl_sends_what_apply_sends(aftrun: Run, sandbox: Start, tmp_path: Path, shell: str) -> None:
    """The commands run as they are, and every body is byte for byte the one of `apply`, whatever the values."""
    if shutil.which(shell) is None or shutil.which("curl") is None:
        pytest.skip(f"{shell} or curl is not installed")
    server = sandbox()
    (tmp_path / "ca.pem").write_bytes(server.ca_pem)
    (tmp_path / "value.txt").write_bytes(b"from\n'a' \"file\" \xc3\xbc\n\n")
    (tmp_path / "notepad.txt").write_bytes(b"\xef\xbb\xbfa\xc3\xbc\r\n")
    (tmp_path / "powershell.txt").write_bytes(b"\xff\xfe" + "b\u00fc\r\n".encode("utf-16-le"))
    marked = "      notepad: ${file:notepad.txt}\n      powershell: ${file:powershell.txt}\n"
    text = MANIFEST.replace("      none:", marked + "      none:")
    if shell == "dash":  # it does not hand on variables whose names it could not use itself
        text = text.replace('      odd: "${env:odd.name}"\n', "")
    manifest = write(tmp_path, text)
    env = {**AWKWARD, "odd.name": "odd", "TARGET": server.url + "//", "CA": "ca.pem", "AFT_API_KEY": server.api_key}
    done = aftrun("apply", manifest, env=env)
    assert done.code == 0, done.err
    applied = [entry.body for entry in server.ledger() if entry.method == "POST"]
    planned = aftrun("plan", manifest, "--format", "curl", env={})
    assert planned.code == 0, planned.err
    assert not any(value in planned.out for value in (server.api_key, AWKWARD["JSON"]))
    before = len(server.ledger())
    ran = subprocess.run(
        [shell], input=planned.out.encode(), cwd=tmp_path, env=clean_environ(**env), capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    sent = server.ledger()[before:]
    assert [entry.status for entry in sent] == [201, 201, 201]
    assert {entry.key for entry in sent} == {"valid"}
    assert sorted(entry.body for entry in sent) == sorted(applied)
    for entry in sent:
        headers = {name.lower(): value for name, value in entry.headers}
        assert headers["x-note"] == "a -n"
        assert headers["x-two"] == "it's"
        assert headers["content-type"] == "application/json"


def test_curl_sends_nothing_without_a_value(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """An unset variable, and a missing file, end the command before anything is sent."""
    server = sandbox()
    (tmp_path / "ca.pem").write_bytes(server.ca_pem)
    for text in ("a: ${UNSET}", "a: ${file:missing}", "a: ${EMPTY:?must be there}"):
        manifest = write(tmp_path, f"scriptName: x\nserver: {{tls: {{caFile: ca.pem}}}}\nparams:\n  {text}\n")
        planned = aftrun("plan", manifest, "--format", "curl", "--server", server.url)
        env = clean_environ(AFT_API_KEY=server.api_key, EMPTY="")
        ran = subprocess.run(
            ["bash"], input=planned.out.encode(), cwd=tmp_path, env=env, capture_output=True, check=False
        )
        assert ran.returncode != 0
    assert server.ledger() == ()


def test_curl_and_a_pin(aftrun: Run, tmp_path: Path) -> None:
    """A pinned certificate is explained, never switched off; `insecure` is passed on as it is."""
    pin = "sha256:" + "ab" * 32
    manifest = write(tmp_path, f"scriptName: x\nserver: {{tls: {{fingerprint: '{pin}'}}}}\n")
    pinned = aftrun("plan", manifest, "--format", "curl").out
    assert "--cacert aft.pem" in pinned
    assert not re.search(r"curl.*(-k|--insecure)", pinned)
    assert "--insecure" in aftrun("plan", manifest, "--format", "curl", "--insecure").out
    assert "-SkipCertificateCheck" not in aftrun("plan", manifest, "--format", "powershell").out
    assert "-SkipCertificateCheck" in aftrun("plan", manifest, "--format", "powershell", "-k").out


def test_values_that_only_a_run_has(aftrun: Run, tmp_path: Path) -> None:
    """Ids of other jobs become variables that the command refuses to do without."""
    text = "jobs:\n  - {name: a, scriptName: x}\n  - {name: b c, scriptName: y, needs: [a], correlation: job_id}\n"
    text += "  - {name: d, scriptName: z, needs: ['b c'], params: {id: '${{ jobs.b c.id }}'}}\n"
    out = aftrun("plan", write(tmp_path, text), "--format", "curl").out
    assert "# Set AFT_ID_b_c to the id of job b c" in out
    assert '"${AFT_ID_b_c?}"' in out
    assert "/b c/1" in out
    assert "AFT_RUN_ID=$(date" in out


class PowerShell:
    """Evaluates the few kinds of expression that we write, by PowerShell's rules of quoting."""

    def __init__(self, text: str, environ: Mapping[str, str], variables: Mapping[str, str]) -> None:
        self.text, self.at, self.environ, self.variables = text, 0, environ, variables

    def take(self, pattern: str) -> str | None:
        """What stands here, if it fits."""
        match = re.compile(pattern, re.DOTALL).match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group(1) if match.groups() else match.group()

    def expression(self) -> str:
        """A sum of terms."""
        result = self.term()
        while self.take(r" \+ ") is not None:
            result += self.term()
        return result

    def term(self) -> str:
        """One term."""
        literal = self.take(r"'((?:[^']|'')*)'(?!')")
        if literal is not None:
            return literal.replace("''", "'")
        name = self.take(r"\$env:(\w+)") or self.take(r"\$\{env:([^}]+)\}")
        if name is not None:
            return self.environ.get(name, "")
        name = self.take(r"\$(\w+)")
        if name is not None:
            return self.variables[name]
        for opening, convert in (
            (r"\(ConvertTo-Json -Compress \(\[string\]", json.dumps),
            (r"\(ConvertFrom-Json ", json.loads),
            (r"\(", str),
        ):
            if self.take(opening) is not None:
                value = convert(self.expression())
                assert self.take(r"\)\)" if "Compress" in opening else r"\)") is not None
                return str(value)
        assert self.take(r"\$\(if \(") is not None, self.text[self.at :]
        first = self.expression()
        assert self.take(r"\) \{ ") is not None
        self.expression()
        assert self.take(r" \} else \{ ") is not None
        other = self.expression()
        assert self.take(r" \}\)") is not None
        return first or other


def test_powershell_bodies(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """By PowerShell's rules of quoting, the bodies are those that `apply` sends; no real PowerShell is run."""
    server = sandbox()
    (tmp_path / "ca.pem").write_bytes(server.ca_pem)
    (tmp_path / "value.txt").write_text("from file\n")
    manifest = write(tmp_path, MANIFEST)
    env = {**AWKWARD, "odd.name": "odd", "TARGET": server.url, "CA": "ca.pem", "AFT_API_KEY": server.api_key}
    assert aftrun("apply", manifest, env=env).code == 0
    out = aftrun("plan", manifest, "--format", "powershell").out
    assert out.isascii()
    assert AWKWARD["JSON"] not in out
    bodies = re.findall(r"^  \$body = (.*)$", out, re.MULTILINE)
    variables = {"v1": "from file", "v2": ""}
    found = []
    for body in bodies:
        reader = PowerShell(body, env, variables)
        found.append(json.loads(reader.expression()))
        assert reader.at == len(body)
    sent = [entry.parsed for entry in server.ledger() if entry.method == "POST"]
    assert sorted(map(repr, found)) == sorted(map(repr, sent))


def test_text_and_json_say_the_same(aftrun: Run, tmp_path: Path) -> None:
    """Waves, requests, what is skipped and why, and what is missing, for people and for machines."""
    text = """
name: n
strategy: {order: parallel}
jobs:
  - {name: a, scriptName: x, params: {t: "${TOKEN}", multi: "one\\ntwo", blank: ""}}
  - {name: b, scriptName: x, needs: [a], timeout: 5m, retry: {limit: 2}, allowFailure: true}
  - {name: c, scriptName: x, needs: [b], when: always, wait: false, tags: [slow]}
  - {name: d, scriptName: x}
"""
    manifest = write(tmp_path, text)
    done = aftrun("plan", manifest, "--format", "json", "--exclude", "tag:slow", env={"TOKEN": "hunter2"})
    data = json.loads(done.out)
    assert data["manifests"][0]["waves"] == [["a", "d"], ["b"]]
    assert data["skipped"] == [{"manifest": "n", "name": "c", "why": "excluded by tag:slow"}]
    assert [each["name"] for each in data["missingVariables"]] == ["AFT_API_KEY"]
    assert data["jobs"][0]["request"]["body"]["params"] == {"t": "${TOKEN}", "multi": "one\ntwo", "blank": ""}
    shown = aftrun("plan", manifest, "--select", "a", "--select", "b").out
    assert "n/c  (not selected)" in shown
    assert '       multi: "one\\ntwo"  (holds a line break)\n       blank: ""\n' in shown
    assert "needs a; timeout 5m; up to 2 more attempts; may fail" in shown
    assert "${TOKEN}  (jobs.yaml:5:" in shown
    assert "2 requests would be sent; nothing has been." in shown
    assert "hunter2" not in done.out + shown
    assert aftrun("apply", manifest, "--dry-run", "--select", "a", "--select", "b").out == shown


def test_a_plan_needs_no_values(aftrun: Run, tmp_path: Path) -> None:
    """References to settings are shown with their defaults, and what `apply` needs is listed."""
    manifest = write(tmp_path, "jobs: [{scriptName: x, timeout: '${T:-5m}', params: {a: '${file:nope}'}}]\n")
    done = aftrun("plan", manifest)
    assert done.code == 0
    assert "${file:nope}  (jobs.yaml:1:" in done.out


def test_numbers_are_shown_as_numbers(aftrun: Run, tmp_path: Path) -> None:
    """With `paramValues: json` the plan holds what would be sent: JSON numbers and booleans."""
    text = "scriptName: x\nserver: {paramValues: json}\nparams: {a: 7, b: true, c: '7', d: 1.50, e: '${E}'}\n"
    manifest = write(tmp_path, text)
    data = json.loads(aftrun("plan", manifest, "--format", "json").out)
    assert data["jobs"][0]["request"]["body"]["params"] == {"a": 7, "b": True, "c": "7", "d": 1.5, "e": "${E}"}
    assert "       a: 7\n       b: true\n       c: 7\n" in aftrun("plan", manifest).out


@pytest.mark.parametrize("form", ["curl", "powershell"])
def test_a_comment_is_said_once_a_server(aftrun: Run, tmp_path: Path, form: str) -> None:
    """What holds for every request to a server stands at the first one; another server has its own."""
    pin = "sha256:" + "ab" * 32
    manifest = write(
        tmp_path,
        f"""
        servers:
          one: {{url: "https://one:1", tls: {{fingerprint: "{pin}"}}}}
          two: {{url: "https://two:1", tls: {{fingerprint: "{pin}"}}}}
        jobs:
          - {{name: a, scriptName: S, server: one}}
          - {{name: b, scriptName: S, server: one}}
          - {{name: c, scriptName: S, server: two}}
          - {{name: d, scriptName: S, server: two}}
        """,
    )
    planned = aftrun("plan", manifest, "--format", form).out
    titles = [line for line in planned.splitlines() if re.fullmatch(r"# \w+/[a-d]", line)]
    assert len(titles) == 4
    requests = re.split(r"^# \w+/[a-d]$", planned, flags=re.MULTILINE)[1:]
    assert ["# The manifest pins" in each for each in requests] == [True, False, True, False]
