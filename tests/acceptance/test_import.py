"""`aftrun import`: from a pasted command to the same request on the wire."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from tests.conftest import Run, clean_environ

Start = Callable[..., Sandbox]

BODY = {"scriptName": "My Backup Job", "params": {"character": "goofy"}}
JSON = json.dumps(BODY)


def snippets(url: str, key: str) -> dict[str, str]:
    """The vendor's documented ways, as they are documented."""
    return {
        "backup.sh": f'curl -sk -X POST {url}/v1/jobs -H "X-API-Key: {key}" -H "Content-Type: application/json" \\\n'
        f"  -d '{JSON}'\n",
        "backup.ps1": f'Invoke-RestMethod -Method POST -Uri {url}/v1/jobs -Headers @{{ "X-API-Key" = "{key}" }} `\n'
        '  -ContentType "application/json" -Body (@{ scriptName = "My Backup Job"; params = @{ character = "goofy" } } '
        "| ConvertTo-Json -Depth 3) -SkipCertificateCheck\n",
        "backup.txt": f"aft start -n \"My Backup Job\" -a {key} --params '{JSON[JSON.index('{', 1) : -1]}' "
        f"--host {url.removeprefix('https://')}\n",
    }


@pytest.mark.parametrize("name", ["backup.sh", "backup.ps1", "backup.txt"])
def test_import_plan_and_apply_send_the_documented_request(
    aftrun: Run, sandbox: Start, tmp_path: Path, name: str
) -> None:
    """The manifest passes `validate --strict`, `plan` shows the request, and the server gets exactly it."""
    server = sandbox()
    (tmp_path / name).write_text(snippets(server.url, server.api_key)[name])
    made = aftrun("import", name, "-o", "made.yaml")
    assert made.code == 0, made.err
    assert server.api_key not in (tmp_path / "made.yaml").read_text()
    strict = aftrun("validate", "--strict", "made.yaml")
    assert strict.code == 0, strict.err
    plan = json.loads(aftrun("plan", "made.yaml", "--format", "json").out)
    request = plan["jobs"][0]["request"]
    assert (request["method"], request["url"], request["body"]) == ("POST", f"{server.url}/v1/jobs", BODY)
    assert request["headers"]["X-API-Key"] == "${AFT_API_KEY}"
    done = aftrun("apply", "made.yaml", "--fingerprint", server.fingerprint, env={"AFT_API_KEY": server.api_key})
    assert done.code == 0, done.err
    assert [entry.parsed for entry in server.ledger() if entry.method == "POST"] == [BODY]
    assert server.ledger()[0].key == "valid"


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="needs bash and curl")
@pytest.mark.parametrize("name", ["backup.sh", "backup.ps1", "backup.txt"])
def test_import_and_plan_as_curl_send_the_same_request(aftrun: Run, sandbox: Start, tmp_path: Path, name: str) -> None:
    """A snippet becomes a manifest, the manifest a `curl` command, and that sends what the snippet would have sent."""
    server = sandbox()
    (tmp_path / "ca.pem").write_bytes(server.ca_pem)
    (tmp_path / name).write_text(snippets(server.url, server.api_key)[name])
    assert aftrun("import", name, "-o", "made.yaml").code == 0
    text = (tmp_path / "made.yaml").read_text()
    trusting = re.sub(r"(?m)^( *)url: .*$", r"\g<0>\n\g<1>tls: {caFile: ca.pem}", text, count=1)
    (tmp_path / "made.yaml").write_text(trusting)
    planned = aftrun("plan", "made.yaml", "--format", "curl")
    assert planned.code == 0, planned.err
    environ = clean_environ(AFT_API_KEY=server.api_key)
    ran = subprocess.run(
        ["bash"], input=planned.out.encode(), cwd=tmp_path, env=environ, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    (sent,) = server.ledger()
    assert (sent.method, sent.path, sent.key, sent.parsed) == ("POST", "/v1/jobs", "valid", BODY)


def scripts(url: str, key: str) -> dict[str, str]:
    """Whole scripts in bash, which really run, with everything that stands around a call in people's scripts."""
    send = 'curl -sk -X POST "$BASE/v1/jobs" -H "X-API-Key: $KEY" -H "Content-Type: application/json"'
    head = f"#!/bin/bash\n# please confirm\nset -eu\nKEY='{key}'\nBASE={url}\n"
    return {
        "function": head
        + f'start() {{\n  local name="$1"\n  {send} -d "{{\\"scriptName\\":\\"$name\\"}}" > /dev/null || exit 1\n}}\n'
        + "start One\nfor each in Two 'Three and a half'; do start \"$each\"; done\n",
        "document": head
        + f"DEST=/archive/2026\ncat <<EOF | {send} --data-binary @- | head -c 10\n"
        + '{"scriptName": "My Backup Job",\n'
        + ' "params": {"to": "$DEST", "price": "\\$5", "n": 12345678901234567890, "t": true}}\n'
        + "EOF\n",
        "poll": head
        + f"OUT=$({send} -d '{JSON}')\n"
        + 'ID=$(echo "$OUT" | sed \'s/.*"id": *"\\{0,1\\}\\([^,"}]*\\).*/\\1/\')\n'
        + 'for try in 1 2 3; do\n  curl -sk -H "X-API-Key: $KEY" "$BASE/v1/adm/jobs/$ID" > /dev/null && break\ndone\n'
        + 'if [ -z "$ID" ]; then exit 1; fi\n',
        "arrays": head
        + 'ARGS=(-sk -H "X-API-Key: $KEY")\nARGS+=(-H "Content-Type: application/json")\nM="--max-time 20"\n'
        + f'curl "${{ARGS[@]}}" $M -d \'{JSON}\' $BASE/v1/jobs || curl -k "$BASE/v1/nothing"\n',
        "dates": head
        + f'{send} -d "{{\\"scriptName\\":\\"x\\",\\"params\\":'
        + '{\\"day\\":\\"/in/$(date +%Y)\\",\\"u\\":\\"%C3%BC\\"}}"\n',
    }


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="needs bash and curl")
@pytest.mark.parametrize("name", sorted(scripts("", "")))
def test_a_whole_script_and_its_manifest_send_the_same_requests(
    aftrun: Run, sandbox: Start, tmp_path: Path, name: str
) -> None:
    """Bash runs the script, aftrun what `import` made of it; the server's own ledger has the same bodies twice."""
    server = sandbox()
    (tmp_path / "old.sh").write_text(scripts(server.url, server.api_key)[name], encoding="utf-8")
    ran = subprocess.run(["bash", "old.sh"], cwd=tmp_path, env=clean_environ(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    by_bash = [entry.parsed for entry in server.ledger() if entry.method == "POST"]
    assert by_bash
    made = aftrun("import", "old.sh", "-o", "new.yaml")
    assert made.code == 0, made.err
    assert server.api_key not in (tmp_path / "new.yaml").read_text(encoding="utf-8") + made.err
    assert aftrun("validate", "new.yaml").code == 0
    done = aftrun("apply", "new.yaml", "--fingerprint", server.fingerprint, env={"AFT_API_KEY": server.api_key})
    assert done.code == 0, done.err
    sent = [entry for entry in server.ledger() if entry.method == "POST"]
    assert [entry.parsed for entry in sent[len(by_bash) :]] == by_bash
    assert {entry.key for entry in sent} == {"valid"}


def test_standard_input_goes_to_standard_output(aftrun: Run) -> None:
    """A pipe in, a manifest out; what is for people goes to standard error."""
    done = aftrun("import", stdin=snippets("https://h:1", "k")["backup.sh"])
    assert done.code == 0
    assert "scriptName: My Backup Job" in done.out
    assert "aftrun trust https://h:1" in done.out
    assert aftrun("validate", "-", "--strict", stdin=done.out).code == 0
    assert "1 job" in done.err


def test_what_cannot_be_read_is_exit_2_with_its_place_and_without_the_key(aftrun: Run, tmp_path: Path) -> None:
    """Nothing is printed or written, and the line itself, which may hold the key, is not shown."""
    text = "# two lines\ncurl -k -H 'X-API-Key: very-secret-key' --wobble very-secret-key https://h/v1/scripts\n"
    (tmp_path / "x.sh").write_text(text)
    done = aftrun("import", "x.sh", "-o", "made.yaml")
    assert done.code == 2
    assert done.out == ""
    assert "x.sh:2:1: error" in done.err
    assert "no command here starts a job" in done.err
    assert "very-secret-key" not in done.err
    assert not (tmp_path / "made.yaml").exists()


def test_files_are_not_replaced_by_accident(aftrun: Run, tmp_path: Path) -> None:
    """Without --force an existing manifest stays."""
    (tmp_path / "m.yaml").write_text("mine")
    text = snippets("https://h:1", "k")["backup.sh"]
    assert aftrun("import", "-", "-o", "m.yaml", stdin=text).code == 2
    assert (tmp_path / "m.yaml").read_text() == "mine"
    assert aftrun("import", "-", "-o", "m.yaml", "--force", stdin=text).code == 0
    assert "scriptName" in (tmp_path / "m.yaml").read_text()
    assert aftrun("import", "nosuch.sh").code == 2


def test_files_that_a_command_names_are_read_where_it_would_run(aftrun: Run, tmp_path: Path) -> None:
    """`-d @body.json`, also with a byte order mark and Windows line ends around it; UTF-16 as PowerShell saves it."""
    (tmp_path / "body.json").write_bytes(b"\xef\xbb\xbf" + JSON.encode())
    text = "curl -k https://h:1/v1/jobs \\\r\n -H 'X-API-Key: k' -H 'Content-Type: application/json' -d @body.json\r\n"
    assert "character: goofy" in aftrun("import", stdin=text).out
    assert "character: goofy" in aftrun("import", stdin=b"\xff\xfe" + text.encode("utf-16-le")).out
    assert aftrun("import", stdin=b"curl \xff\xfe\xfa").code == 2
