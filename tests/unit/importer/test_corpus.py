"""Importing command lines: each snippet becomes a manifest that sends the same request."""
# ruff: noqa: E501  # the snippets stand as people paste them

from __future__ import annotations

import base64
from collections.abc import Mapping
from random import Random

import pytest

from aftrun.domain.errors import ManifestError, Severity
from aftrun.domain.model import Json
from aftrun.domain.values import nothing_inside, preview
from aftrun.importer.emit import manifest
from aftrun.importer.read import read_text
from aftrun.manifest import bind, load_all
from aftrun.manifest.check.masking import looks_secret
from aftrun.run.preview import url_of
from aftrun.run.render import make_request
from aftrun.service.prepare import prepare_run
from tests.effort import effort

KEY = "c7e2-KEY-7a01"
LOCAL = "https://127.0.0.1:44399"
BACKUP: dict[str, Json] = {"scriptName": "My Backup Job", "params": {"character": "goofy"}}
FILES: dict[str, bytes] = {
    "body.json": b'{"scriptName": "My Backup Job",\n "params": {"character": "goofy"}}\n',
    "aft.curl": (
        b'# options\nurl = "https://127.0.0.1:44399/v1/jobs"\nrequest = POST\n--header "X-API-Key: c7e2-KEY-7a01"\n'
        b'header: "Content-Type: application/json"\ninsecure\n'
        b'data = "{\\"scriptName\\":\\"My Backup Job\\",\\"params\\":{\\"character\\":\\"goofy\\"}}"\n'
    ),
    "headers.txt": b"X-API-Key: c7e2-KEY-7a01\nContent-Type: application/json\n",
}

ENVIRON = {
    "AFT_API_KEY": KEY,
    "AFT_API_KEY_2": "second-key",
    "KEY": KEY,
    "SCRIPT": "My Backup Job",
    "WHO": "goofy",
    "HOST": "127.0.0.1",
    "TOKEN": "t0ken-value",
    "AFT_AUTHORIZATION": "Basic x",
    "AFT_X_AUTH_TOKEN": "zz",
    "N": "5",
    "DAY": "monday",
}


def powershell_encoded(text: str) -> str:
    """As `-EncodedCommand` takes it."""
    return base64.b64encode(text.encode("utf-16-le")).decode()


IRM = (
    f'Invoke-RestMethod -Method POST -Uri {LOCAL}/v1/jobs -Headers @{{ "X-API-Key" = "{KEY}" }} '
    '-ContentType "application/json" -Body (@{ scriptName = "My Backup Job"; params = @{ character = "goofy" } } '
    "| ConvertTo-Json -Depth 3) -SkipCertificateCheck"
)
JSON = '{"scriptName":"My Backup Job","params":{"character":"goofy"}}'
HEADERS = f'-H "X-API-Key: {KEY}" -H "Content-Type: application/json"'
CURL = f"curl -sk -X POST {LOCAL}/v1/jobs {HEADERS} -d '{JSON}'"

CASES: dict[str, tuple[str, list[Json]]] = {
    # The vendor's own four.
    "vendor curl": (CURL, [BACKUP]),
    "vendor powershell": (IRM, [BACKUP]),
    "vendor aft start": (
        f"""aft start -n "My Backup Job" -a {KEY} --params '{{"character":"goofy"}}' --host 127.0.0.1:44399""",
        [BACKUP],
    ),
    "vendor aft run": (
        """aft run -f /opt/scripts/load.syncjs -p '{"destination":"/archive/2026"}'""",
        [{"filePath": "/opt/scripts/load.syncjs", "params": {"destination": "/archive/2026"}}],
    ),
    # curl, as people write it.
    "curl over lines": (
        (
            f"curl --silent --insecure \\\n  --request POST \\\n  --url {LOCAL}/v1/jobs \\\n"
            f"  --header 'X-API-Key: {KEY}' \\\n  --header 'Content-Type: application/json' \\\n  --data-raw '{JSON}'\n"
        ),
        [BACKUP],
    ),
    "curl --json": (f"curl -k {LOCAL}/v1/jobs -H 'X-API-Key: {KEY}' --json '{JSON}'", [BACKUP]),
    "curl escaped double quotes": (
        (
            f'curl -k -XPOST {LOCAL}/v1/jobs {HEADERS} -d "{{\\"scriptName\\":\\"My Backup Job\\",'
            '\\"params\\":{\\"character\\":\\"goofy\\"}}"'
        ),
        [BACKUP],
    ),
    "curl variables": (
        (
            'curl -sSk -X POST "https://$HOST:44399/v1/jobs" -H "X-API-Key: $KEY" -H "Content-Type: application/json" '
            '-d "{\\"scriptName\\":\\"${SCRIPT}\\",\\"params\\":{\\"character\\":\\"$WHO\\"}}"'
        ),
        [BACKUP],
    ),
    "curl quotes around quotes": (
        f"""curl -k {LOCAL}/v1/jobs {HEADERS} -d '{{"scriptName":"'"$SCRIPT"'","params":{{"character":"'$WHO'"}}}}'""",
        [BACKUP],
    ),
    "curl ansi quotes": (
        f'curl -k {LOCAL}/v1/jobs {HEADERS} -d $\'{{"scriptName":"It\\\'s","params":{{"tab":"a\\\\tb"}}}}\'',
        [{"scriptName": "It's", "params": {"tab": "a\tb"}}],
    ),
    "curl -K": ("curl -K aft.curl", [BACKUP]),
    "curl @file": (f"curl -k {LOCAL}/v1/jobs {HEADERS} --data-binary @body.json -o /dev/null", [BACKUP]),
    "curl header file": (f"curl -k {LOCAL}/v1/jobs -H @headers.txt -d @body.json", [BACKUP]),
    "curl heredoc": (
        (
            f"curl -sk -X POST {LOCAL}/v1/jobs {HEADERS} -d @- <<'EOF'\n"
            '{\n  "scriptName": "My Backup Job",\n  "params": {"character": "goofy"}\n}\nEOF\n'
        ),
        [BACKUP],
    ),
    "curl open heredoc": (
        (
            f"curl -sk {LOCAL}/v1/jobs {HEADERS} --data-binary @- <<EOF\n"
            '{"scriptName": "$SCRIPT", "params": {"character": "${WHO}"}}\nEOF\necho done\n'
        ),
        [BACKUP],
    ),
    "curl from cat": (f'curl -k {LOCAL}/v1/jobs {HEADERS} -d "$(cat body.json)"', [BACKUP]),
    "curl heredoc in a substitution": (
        f"curl -k {LOCAL}/v1/jobs {HEADERS} -d \"$(cat <<'EOF'\n{JSON}\nEOF\n)\"\n",
        [BACKUP],
    ),
    "curl in a script": (
        (
            "#!/bin/bash\nset -euo pipefail\n# the nightly backup\n"
            f"KEY='{KEY}'\nBASE={LOCAL}\nexport WHO=goofy\n"
            'RESPONSE=$(curl -sk -X POST "$BASE/v1/jobs" -H "X-API-Key: $KEY" -H \'Content-Type: application/json\' \\\n'
            '  -d "{\\"scriptName\\":\\"My Backup Job\\",\\"params\\":{\\"character\\":\\"$WHO\\"}}")\n'
            'ID=$(echo "$RESPONSE" | jq -r .id)\n'
            'echo "started $ID"\n'
        ),
        [BACKUP],
    ),
    "curl in a pipe": (f"{CURL} | jq -r .id", [BACKUP]),
    "cat into curl": (f"cat body.json | curl -sk {LOCAL}/v1/jobs {HEADERS} --data-binary @- | jq .", [BACKUP]),
    "echo into curl": (f"echo '{JSON}' | curl -sk {LOCAL}/v1/jobs {HEADERS} -d @-", [BACKUP]),
    "two curls": (
        f"{CURL} && {CURL.replace('goofy', 'pluto')}",
        [BACKUP, {**BACKUP, "params": {"character": "pluto"}}],
    ),
    "curl --next": (
        f"curl -k {LOCAL}/v1/jobs {HEADERS} -d '{JSON}' --next -k {LOCAL}/v1/jobs {HEADERS} -d '{JSON}'",
        [BACKUP, BACKUP],
    ),
    "curl and a status read": (f"{CURL}\ncurl -sk -H 'X-API-Key: {KEY}' {LOCAL}/v1/adm/jobs/123\n", [BACKUP]),
    "curl with a bare variable": (
        f'curl -k {LOCAL}/v1/jobs {HEADERS} -d "{{\\"scriptName\\":\\"x\\",\\"params\\":{{\\"n\\":$N}}}}"',
        [{"scriptName": "x", "params": {"n": "5"}}],
    ),
    "curl dollars and backslashes": (
        (
            f'curl -k {LOCAL}/v1/jobs {HEADERS} -d \'{{"scriptName":"x","params":'
            '{"price":"$5","pid":"$$","brace":"${HOME}","win":"C:\\\\in","uni":"caf\\u00e9 \\ud83d\\ude00"}}\''
        ),
        [
            {
                "scriptName": "x",
                "params": {"price": "$5", "pid": "$$", "brace": "${HOME}", "win": "C:\\in", "uni": "café 😀"},
            }
        ],
    ),
    "curl values that look like others": (
        (
            f'curl -k {LOCAL}/v1/jobs {HEADERS} -d \'{{"scriptName":"true","params":'
            '{"a":"007","b":"yes","c":"null","d":"~","e":" x ","f":"","g":"1e3","h":"# no","i":"a: b","j":"- a"}}\''
        ),
        [
            {
                "scriptName": "true",
                "params": {
                    "a": "007",
                    "b": "yes",
                    "c": "null",
                    "d": "~",
                    "e": " x ",
                    "f": "",
                    "g": "1e3",
                    "h": "# no",
                    "i": "a: b",
                    "j": "- a",
                },
            }
        ],
    ),
    "curl numbers and booleans": (
        (
            f'curl -k {LOCAL}/v1/jobs {HEADERS} -d \'{{"scriptName":"x","params":'
            '{"n":5,"f":1.5,"t":true,"s":"5","z":false}}\''
        ),
        [{"scriptName": "x", "params": {"n": 5, "f": 1.5, "t": True, "s": "5", "z": False}}],
    ),
    "curl v3": (
        (
            f"curl -k {LOCAL}/v1/jobs {HEADERS} -d "
            '\'{"jobType":"SCRIPT","scriptName":"x","params":[{"name":"k","value":"v"}]}\''
        ),
        [{"scriptName": "x", "params": {"k": "v"}}],
    ),
    "curl without params": (f'curl -k {LOCAL}/v1/jobs {HEADERS} -d \'{{"scriptName":"x"}}\'', [{"scriptName": "x"}]),
    "curl elsewhere": (
        f"curl --cacert certs/aft.pem --connect-timeout 5 -m 20 https://aft.example.com/aft/v1/jobs {HEADERS} -d '{JSON}'",
        [BACKUP],
    ),
    "curl custom headers and user": (
        f"curl -k -u me:pw {LOCAL}/v1/jobs {HEADERS} -H 'X-Auth-Token: abc' -H 'X-Trace: 7' -d '{JSON}'",
        [BACKUP],
    ),
    "curl a secret param": (
        f'curl -k {LOCAL}/v1/jobs {HEADERS} -d \'{{"scriptName":"x","params":{{"token":"t0ken-value"}}}}\'',
        [{"scriptName": "x", "params": {"token": "t0ken-value"}}],
    ),
    "sudo and a full path": (f"sudo -u aft /usr/bin/{CURL} > /dev/null 2>&1", [BACKUP]),
    "bash -c": ('bash -c "' + CURL.replace("\\", "\\\\").replace('"', '\\"') + '"', [BACKUP]),
    # Schedules.
    "crontab": (
        (
            f"MAILTO=ops@example.com\nKEY={KEY}\n# nightly\n0 2 * * 1-5 {CURL} >/dev/null 2>&1\n"
            f'@daily aft start -n "My Backup Job" -a $KEY --params \'{{"character":"goofy"}}\'\n'
        ),
        [BACKUP, BACKUP],
    ),
    "crontab with a user": (f"30 4 * * * root {CURL.replace('curl', '/usr/bin/curl')}\n", [BACKUP]),
    "powershell encoded": (f"powershell.exe -NoProfile -EncodedCommand {powershell_encoded(IRM)}", [BACKUP]),
    "pwsh -Command": (f"pwsh -Command '{IRM}'", [BACKUP]),
    "batch": (
        "@echo off\nrem nightly\nset KEY=" + KEY + "\n"
        'curl.exe -sk -X POST https://127.0.0.1:44399/v1/jobs ^\n  -H "X-API-Key: %KEY%" ^\n'
        '  -H "Content-Type: application/json" ^\n'
        '  -d "{\\"scriptName\\":\\"My Backup Job\\",\\"params\\":{\\"character\\":\\"%WHO%\\"}}"\nexit /b 0\n',
        [BACKUP],
    ),
    # PowerShell, as people write it.
    "powershell variables": (
        (
            f"$headers = @{{\n    'X-API-Key' = '{KEY}'\n    'Content-Type' = 'application/json'\n}}\n"
            "$body = @{\n    scriptName = 'My Backup Job'\n    params = @{\n        character = 'goofy'\n    }\n"
            f"}} | ConvertTo-Json\n\n$response = Invoke-RestMethod -Uri '{LOCAL}/v1/jobs' -Method Post `\n"
            "    -Headers $headers -Body $body -SkipCertificateCheck\nWrite-Host $response.id\n"
        ),
        [BACKUP],
    ),
    "powershell splatting": (
        (
            f'$p = @{{\n  Method = "POST"\n  Uri = "{LOCAL}/v1/jobs"\n  Headers = @{{ "X-API-Key" = $env:AFT_API_KEY }}\n'
            '  ContentType = "application/json"\n  Body = (@{ scriptName = "My Backup Job"; params = @{ character = "goofy" } } '
            "| ConvertTo-Json)\n  SkipCertificateCheck = $true\n}\nInvoke-RestMethod @p\n"
        ),
        [BACKUP],
    ),
    "powershell here-string": (
        (
            f"$body = @'\n{JSON}\n'@\nirm {LOCAL}/v1/jobs -Method Post -Body $body "
            "-ContentType 'application/json' -Headers @{'X-API-Key'=$env:KEY}\n"
        ),
        [BACKUP],
    ),
    "powershell open here-string": (
        (
            '$who = "goofy"\n$body = @"\n{ "scriptName": "My Backup Job", "params": { "character": "$who" } }\n"@\n'
            f"Invoke-WebRequest -UseBasicParsing -Method:Post -Uri:{LOCAL}/v1/jobs -Body $body -ContentType application/json "
            "-Headers @{ 'X-API-Key' = (Get-Content aft.key -Raw).Trim() } | Out-Null\n"
        ),
        [BACKUP],
    ),
    "powershell old certificates": (
        (
            "[System.Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12\n"
            "[System.Net.ServicePointManager]::ServerCertificateValidationCallback = { $true }\n"
            '$server = "127.0.0.1"\n$uri = "https://${server}:44399/v1/jobs"\n'
            '$params = [ordered]@{}\n$params["character"] = "goofy"\n'
            "$payload = @{ scriptName = 'My Backup Job' }\n$payload.params = $params\n"
            f"$h = @{{}}\n$h['X-API-Key'] = '{KEY}'\n"
            "Invoke-RestMethod $uri -Method 'POST' -Headers $h -ContentType 'application/json; charset=utf-8' "
            "-Body ($payload | ConvertTo-Json -Depth 5 -Compress)\n"
        ),
        [BACKUP],
    ),
    "powershell two jobs": (
        (
            f"$h = @{{ 'X-API-Key' = '{KEY}' }}; $u = '{LOCAL}' + '/v1/jobs'\n"
            "Invoke-RestMethod -Method Post -Uri $u -Headers $h -ContentType application/json -Body "
            f"'{JSON}' -SkipCertificateCheck # first\n"
            "<# and\n the second #>\nInvoke-RestMethod -Method Post -Uri $u -Headers $h -ContentType application/json "
            '-Body (ConvertTo-Json @{scriptName="x"; params=@{n=5; ok=$true; s="5"}}) -SkipCertificateCheck\n'
        ),
        [BACKUP, {"scriptName": "x", "params": {"n": 5, "ok": True, "s": "5"}}],
    ),
    "powershell escapes": (
        (
            f'$b = @{{ scriptName = \'It\'\'s\'; params = @{{ a = "tab`there"; b = "say `"hi`""; c = "`$5"; d = \'a`b\' }} }}\n'
            f"irm {LOCAL}/v1/jobs -Me Post -H @{{'X-API-Key'='{KEY}'}} -ContentType 'application/json' -B ($b|ConvertTo-Json)\n"
        ),
        [{"scriptName": "It's", "params": {"a": "tab\there", "b": 'say "hi"', "c": "$5", "d": "a`b"}}],
    ),
    "powershell native aft": (
        (
            f"$key = '{KEY}'\n& 'C:\\Program Files\\AFT\\aft.exe' start -n \"My Backup Job\" -a $key "
            '--params \'{\\"character\\":\\"goofy\\"}\'\n'
        ),
        [BACKUP],
    ),
    "powershell a format": (
        (
            f'irm -Method Post -Uri ("{{0}}/v1/jobs" -f "{LOCAL}") -Headers @{{"X-API-Key"="{KEY}"}} '
            f"-ContentType application/json -Body '{JSON}'"
        ),
        [BACKUP],
    ),
    "powershell sums and lists": (
        (
            f"$u = '{LOCAL}'\n$u += '/v1/jobs'\n$who = @('pluto', 'goofy')\n$all = 'a', 'b'\n[int]$n = '5'\n"
            "$b = @{ scriptName = [string]'My Backup Job' } + @{ params = [ordered]@{ character = $who[-1]; n = $n; "
            'x = 0x10; f = 1.5; t = $("y").ToString(); l = $all[0] } }\n'
            "$json = ConvertTo-Json -InputObject $b\n$later = Get-Date -Format o\n"
            f"irm $u -Method Post -Headers @{{'X-API-Key'='{KEY}'}} -ContentType application/json -Body $json "
            '-ErrorAction Stop -TimeoutSec 30 2>&1 | Out-File log.txt\nWrite-Host "at $later"\n'
        ),
        [
            {
                "scriptName": "My Backup Job",
                "params": {"character": "goofy", "n": 5, "x": 16, "f": 1.5, "t": "y", "l": "a"},
            }
        ],
    ),
    "powershell -InFile": (
        (
            f"irm -Uri {LOCAL}/v1/jobs -Method Post -InFile body.json -ContentType application/json "
            f"-Headers @{{'X-API-Key'='{KEY}'}}"
        ),
        [BACKUP],
    ),
    "curl options from a heredoc": (
        (
            f"curl -K - <<'EOF'\nurl = {LOCAL}/v1/jobs\nheader = \"X-API-Key: {KEY}\"\n-k\n"
            'header = "Content-Type: application/json"\ndata = @body.json\nEOF\n'
        ),
        [BACKUP],
    ),
    "curl bearer and client certificate": (
        f"curl -k --oauth2-bearer zz -E me.pem:pw --key me.key --retry 3 --proxy http://p:1 -A x {LOCAL}/v1/jobs {HEADERS} -d @body.json",
        [BACKUP],
    ),
    # aft.
    "aft equals signs": (
        f"aft start --name='My Backup Job' --api-key={KEY} --params='{{\"character\":\"goofy\"}}' --host=127.0.0.1",
        [BACKUP],
    ),
    "aft v3": (
        f"""aft start -s abc-123 -a {KEY} --params '[{{"name":"k","value":"v"}}]'""",
        [{"scriptId": "abc-123", "params": {"k": "v"}}],
    ),
    "aft twice": (
        (
            f"aft start -n 'My Backup Job' -a {KEY} --params '{{\"character\":\"goofy\"}}'\n"
            f"aft start -n 'My Backup Job' -a {KEY} --params '{{\"character\":\"pluto\"}}'\n"
        ),
        [BACKUP, {**BACKUP, "params": {"character": "pluto"}}],
    ),
}

NOT_STRICT = {"aft v3", "curl elsewhere"}
"""`scriptId` is what they hold, and a name for it is not to be had; or the server is below a path."""


SECURE = {
    *("vendor aft start", "vendor aft run", "curl elsewhere", "powershell here-string"),
    *("powershell open here-string", "powershell escapes", "powershell native aft", "powershell a format"),
    *("aft equals signs", "aft v3", "aft twice", "powershell sums and lists", "powershell -InFile"),
}
"""What does not switch the verification of certificates off."""


def file_of(path: str) -> bytes:
    """The files that the snippets name."""
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def converted(text: str, path: str = "snippet") -> str:
    """The manifest of a snippet; there must be no problem."""
    imported = read_text(path, text, file_of)
    assert imported.problems == (), imported.problems
    return manifest(imported, looks_secret).text


def requests(text: str, environ: Mapping[str, str]) -> list[tuple[str, dict[str, Json], str]]:
    """URL, body and key of each request that a manifest sends."""
    loaded = load_all(["m.yaml"], environ=environ, read=lambda _: text.encode())
    known = {("file", "aft.key"): KEY}
    values = {**known, **bind(loaded.manifests, {**environ})} if "${file:" not in text else known
    setup = prepare_run(loaded.manifests, values)
    found = []
    for task in setup.plan.tasks:
        server = setup.plan.servers[task.server]
        request = make_request(task.job, server, values, setup.lookup(task), "")
        endpoint = setup.endpoints[task.server]
        found.append((endpoint.url + server.submit_path, dict(request.body), endpoint.api_key))
    assert url_of(setup.plan.servers[0]).endswith("/v1/jobs")
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_same_request_is_sent(name: str) -> None:
    """Method, address, body and key are those of the command, and nothing warns."""
    text, bodies = CASES[name]
    made = converted(text)
    found = requests(made, ENVIRON)
    assert [body for _, body, _ in found] == bodies
    where = "https://aft.example.com/aft" if name == "curl elsewhere" else LOCAL
    assert {url for url, _, _ in found} == {f"{where}/v1/jobs"}
    assert {key for _, _, key in found} == {KEY}
    loaded = load_all(["m.yaml"], read=lambda _: made.encode())
    warnings = [problem for problem in loaded.warnings if problem.severity is Severity.WARNING]
    assert (warnings == []) is (name not in NOT_STRICT), warnings


@pytest.mark.parametrize("name", CASES)
def test_no_key_and_no_insecure_in_the_manifest(name: str) -> None:
    """The key is a reference, and `-k` a hint at `aftrun trust`."""
    made = converted(CASES[name][0])
    assert KEY not in made
    assert "t0ken-value" not in made
    assert "insecure:" not in made
    insecure = name not in SECURE
    assert ("certificate verification was switched off" in " ".join(made.split())) is insecure


def test_keys_of_several_servers_stay_apart() -> None:
    """Two literal keys become two variables, and two addresses two servers."""
    other = CURL.replace(KEY, "other-key-1").replace("127.0.0.1:44399", "aft.example:44399")
    made = converted(f"{CURL}\n{other}\n")
    assert "${AFT_API_KEY_2}" in made
    assert "other-key-1" not in made
    loaded = load_all(["m.yaml"], read=lambda _: made.encode())
    assert [preview(server.url, nothing_inside) for server in loaded.manifests[0].servers] == [
        LOCAL,
        "https://aft.example:44399",
    ]
    assert [job.server for job in loaded.manifests[0].jobs] == ["127.0.0.1", "aft.example"]


def test_what_was_changed_is_said() -> None:
    """Comments name line and change: the key, -k, -u, what ran it, v3."""
    made = " ".join(converted(CASES["curl custom headers and user"][0]).split())
    for words in ("the API key is not copied", "AFT_AUTHORIZATION", "aftrun trust", "set AFT_X_AUTH_TOKEN"):
        assert words in made
    assert "X-Trace" in made
    assert "line 4: cron's five fields are not read; paste the command alone" in converted(CASES["crontab"][0])
    assert "jobType was for AFT! v3" in converted(CASES["curl v3"][0])
    assert "run side" not in made


def test_dates_become_run_dates() -> None:
    """`$(date +%F)` and `Get-Date -Format` are what `${{ run.date }}` is for."""
    shell = f'curl -k {LOCAL}/v1/jobs {HEADERS} -d "{{\\"scriptName\\":\\"x\\",\\"params\\":{{\\"d\\":\\"/a/$(date +%Y/%m)\\"}}}}"'
    assert 'd: "/a/${{ run.date:%Y/%m }}"' in converted(shell)
    assert "${{ run.date:%F }}" in converted("0 2 * * * " + shell.replace("%Y/%m", "\\%F"))
    power = IRM.replace('"goofy"', '"$(Get-Date -Format yyyy-MM-dd)"')
    assert "${{ run.date:%Y-%m-%d }}" in converted(power)
    assert "${{ run.date:%Y%m%d }}" in converted(IRM.replace('"goofy"', "(Get-Date).ToString('yyyyMMdd')"))


REFUSED: dict[str, tuple[str, str, int]] = {
    "empty": ("", "no command here starts a job", 1),
    "prose": ("Please run the backup tonight; please confirm.", "no command here starts a job", 1),
    "another request": (f"curl -k -X DELETE {LOCAL}/v1/jobs/7", "another address", 1),
    "another path": (f"curl -k {LOCAL}/v1/scripts -d '{{}}'", "another address", 1),
    "a status": (f"\ncurl -k {LOCAL}/v1/adm/jobs/7", "reads a job's status", 2),
    "no body, of an open quote": (f"curl -k {LOCAL}/v1/jobs -H 'X-API-Key: k -d '{JSON}", "sends no body", 1),
    "no body": (f"curl -k {LOCAL}/v1/jobs", "does the line end too early?", 1),
    "another method": (f"curl -X PUT {LOCAL}/v1/jobs -d '{JSON}'", "is a PUT", 1),
    "another program": (f"wget --post-data=x {LOCAL}/v1/jobs", "`wget` is not read", 1),
    "no url": ("curl -k -s", "names no URL", 1),
    "only said": (f"echo {CURL}", "no command here starts a job", 1),
    "a script": ("bash run.sh", "no command here starts a job", 1),
    "aft stop": ("aft stop 7", "other than `aft start`", 1),
    "a splat that is set elsewhere": ("irm @p", "no command here starts a job", 1),
    "an open map": ("$h = @{ 'a' = 'b'\nirm x", "cannot be read", 2),
    "encoded": ("powershell -enc !!!", "cannot be decoded", 1),
    "a file": ("powershell -File x.ps1", "runs another script", 1),
    "schtasks": ('schtasks /create /tn x /tr "aft start -n x"', "paste the command that stands behind its /tr", 1),
    "a task": (
        "<?xml version='1.0'?>\n<Task><Exec><Command>aft</Command></Exec></Task>",
        "paste the command of its",
        1,
    ),
    "nul": ("curl \0", "no text", 1),
    "half of a mark": ("x\ncurl \ufdd0", "no text", 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_starts_no_job_is_said_with_its_line_and_what_to_paste(name: str) -> None:
    """There is nothing to make a manifest of; message and hint say why, and what can be read."""
    text, words, line = REFUSED[name]
    imported = read_text("snippet", text, file_of)
    (problem,) = imported.problems
    assert words in problem.message + problem.hint
    assert problem.line == line
    assert "paste" in problem.hint
    assert imported.jobs == ()


BLANKS = {
    "bash": (CURL.replace(" -", " \\ \n  -"), "\\"),
    "powershell": (IRM.replace(" -", " `\t\n  -"), "`"),
    "cmd": (f'@echo off\ncurl -k {LOCAL}/v1/jobs ^ \n -d "{{\\"scriptName\\":\\"goofy\\"}}"', "^"),
}


@pytest.mark.parametrize("language", BLANKS)
def test_a_blank_behind_the_sign_that_a_line_goes_on(language: str) -> None:
    """A shell ends the command there. What was meant is plain, and is read, and said at its line."""
    text, sign = BLANKS[language]
    imported = read_text("snippet", text, file_of, language)
    (job,) = imported.jobs
    assert "goofy" in f"{job.script} {dict(job.params)}"
    lines = [line for line, said in imported.remarks if said.startswith(f"a blank behind the {sign} at the end of the")]
    assert lines == [number for number, each in enumerate(text.split("\n"), 1) if each.rstrip().endswith(f" {sign}")]
    kept = text.replace("\n", "\necho ")  # where another command follows, nothing was meant to go on
    assert not [said for _, said in read_text("snippet", kept, file_of, language).remarks if "a blank behind" in said]


LEFT: dict[str, tuple[str, str, str]] = {
    # What is sent but is not known, or is nothing that a manifest can say: the call is found, and what is left is said.
    "no body": (f"curl -k -X POST {LOCAL}/v1/jobs", "the request has no body", "${FILL_SCRIPT:?"),
    "no port": (f"curl -k https://a:99999/v1/jobs -d '{JSON}'", "not the URL of a server", "${FILL_SERVER:?"),
    "a password": (f"curl -k https://me:pw-S3CR3T@h/v1/jobs -d '{JSON}'", "user and password in the URL", "https://h"),
    "no header": (f"curl -k {LOCAL}/v1/jobs -H 'X Y: z' -d '{JSON}'", "cannot be sent", "goofy"),
    "a header in a variable": (f"curl -H \"$H\" {LOCAL}/v1/jobs -d '{JSON}'", "name and all", "goofy"),
    "aft no host": ("aft start -n x --host 'a b'", "not the URL of a server", "${FILL_SERVER:?"),
    "no json": (f"curl -k {LOCAL}/v1/jobs -d 'scriptName=x'", "is not JSON", "${FILL_SCRIPT:?"),
    "a body in a variable": (f'curl -k {LOCAL}/v1/jobs -d "$BODY"', "it is in ${BODY}", "${FILL_SCRIPT:?"),
    "two selectors": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","filePath":"/y"}}'""", "the API takes one", "x"),
    "a list": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","params":{{"a":[1]}}}}'""", "a list", "${FILL_A:?"),
    "null": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","params":{{"a":null}}}}'""", "null", "${FILL_A:?"),
    "params no map": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","params":"a"}}'""", "no map", "${FILL_PARAMS:?"),
    "other lists": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","params":[1]}}'""", "a list", "${FILL_PARAMS:?"),
    "twice": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","scriptName":"y"}}'""", "a name twice", '"y"'),
    "letter case": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptname":"x"}}'""", "scriptname for scriptName", "x"),
    "an unknown field": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","queue":"y"}}'""", "documents no such", "x"),
    "an empty name": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":""}}'""", "empty or no text", "${FILL_SCRIPT:?"),
    "half a character": (f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"\\ud800"}}'""", "half of a", "${FILL_SCRIPT:?"),
    "no object": (f"curl -d '[1]' {LOCAL}/v1/jobs", "no JSON object", "${FILL_SCRIPT:?"),
    "job type": (f"""curl {LOCAL}/v1/jobs -d '{{"jobType":"X","scriptId":"a"}}'""", "not SCRIPT", "scriptId: a"),
    "no number": (
        f"""curl {LOCAL}/v1/jobs -d '{{"scriptName":"x","params":{{"a":1e400}}}}'""",
        'goes out as "1e400"',
        "1e4",
    ),
    "another program's word": (f"xargs -I@ {CURL}", "behind `xargs`, which is left out", "goofy"),
    "an unknown option": (f"{CURL} --wibble", "--wibble of curl", "goofy"),
    "an unknown letter": (f"{CURL} -?", "not known here", "goofy"),
    "a form": (f"curl -k -F a=b {LOCAL}/v1/jobs", "sends a form", "${FILL_SCRIPT:?"),
    "an open quote": (f"{CURL}\ncurl -k 'abc", "names no URL", "goofy"),
    "a loop": (f"for i in 1 2; do\n{CURL}\ndone\n", "in the loop at line 1", "goofy"),
    "an argument": (CURL.replace("goofy", "'$1'"), "$1 is an argument", "${FILL_ARG_1:?"),
    "a command's output": (CURL.replace("goofy", "'$(hostname)'"), "what `hostname` prints", "${FILL_HOSTNAME:?"),
    "no such file": (f"curl -k {LOCAL}/v1/jobs {HEADERS} -d @nowhere.json", "nowhere.json", "${FILL_SCRIPT:?"),
    "no standard input": (f"curl -d @- {LOCAL}/v1/jobs", "standard input", "${FILL_SCRIPT:?"),
    "no end of a document": (f"curl -k {LOCAL}/v1/jobs -d @- <<EOF\n{JSON}\n", "switched off", "goofy"),
    "no seconds": (f"{CURL} -m soon", "no number of seconds", "goofy"),
    "bare words": (f"curl {LOCAL}/v1/jobs $OPTS -d '{JSON}'", "arguments that a variable brings", "goofy"),
    "aft nothing": ("aft start -a k", "names no script", "${FILL_SCRIPT:?"),
    "aft unknown": ("aft start -n x --wibble 1", "not known here", "scriptName: x"),
    "aft param": ("aft start -n x --param y", "NAME=VALUE", "scriptName: x"),
    "aft params": ("aft start -n x --params '{'", "--params is not JSON", "${FILL_PARAMS:?"),
    "a form of PowerShell's": (IRM.replace("| ConvertTo-Json -Depth 3", ""), "sends as a form", "goofy"),
    "if": ("if ($true) {\n" + IRM + "\n}", "a branch of the `if` at line 1", "goofy"),
    "a secret store": ("$x = Get-Secret aft\n" + IRM.replace(f'"{KEY}"', "$x"), "`get-secret`", "${AFT_API_KEY}"),
    "a credential": (IRM + " -Credential $c", "-credential is left out", "goofy"),
    "a cast": (IRM.replace('"goofy"', "[datetime]'x'"), "[datetime]", "${FILL_"),
    "a method": (IRM.replace('"goofy"', "'x'.Substring(1)"), ".substring()", "${FILL_"),
    "a sum": (IRM.replace('"goofy"', "(1 + $x)"), "worked out while", "${FILL_"),
    "a format": (IRM.replace('"goofy"', "('{1}' -f 'a')"), "format", "${FILL_"),
    "headers of another kind": (f"irm {LOCAL}/v1/jobs -Method Post -Headers 'a' -Body '{JSON}'", "no map", "goofy"),
    "a time limit": (IRM + " -TimeoutSec soon", "no number", "goofy"),
    "batch argument": (f"@echo off\ncurl -d %1 {LOCAL}/v1/jobs", "argument of the batch file", "${FILL_SCRIPT:?"),
    "batch piece": ("@echo off\naft start -n x --param d=%DATE:~6,4%", "part of a variable", "${FILL_DATE:?"),
    "batch loop": (
        "@echo off\r\nfor /f %%a in (x.txt) do (\r\n  aft start -n %%a\r\n)",
        "variable of a loop",
        "${FILL_A:?",
    ),
    "batch loop of pieces": (
        '@echo off\nfor /f "tokens=1,2" %%a in (x.txt) do (\n  aft start -n x --param d=%%~b\n)',
        "variable of a loop",
        "${FILL_B:?",
    ),
    "an element": (CURL.replace("goofy", "'${NAMES[RANDOM]}'"), "one of a list", "${FILL_NAMES:?"),
    "batch twice": ("@echo off\nset A=1\nset A=2\naft start -n %A%", "more than one way", "${FILL_A:?"),
    "a default of a command": (CURL.replace("goofy", "'${D:-$(id)}'"), "its default", "${FILL_D:?"),
    "a changed variable": (
        f"D=1\nif x; then D=2; fi\n{CURL.replace('goofy', chr(39) + '$D' + chr(39))}",
        "branches",
        "${FILL_D:?",
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_to_do_is_said_at_its_line_and_never_passed_over(name: str) -> None:
    """The job is there, the manifest is one, a remark says what is missing or gone, and no secret is in it."""
    text, remark, part = LEFT[name]
    imported = read_text("snippet", text, file_of)
    assert imported.problems == ()
    made = manifest(imported, looks_secret)
    assert any(remark in said and line > 0 for line, said in made.remarks), made.remarks
    assert part in made.text.partition("version: 1")[2]
    assert KEY not in made.text
    assert "S3CR3T" not in made.text
    loaded = load_all(["m.yaml"], read=lambda _: made.text.encode())
    if "${FILL_" in part:
        with pytest.raises(ManifestError, match="nothing was sent"):
            bind(loaded.manifests, ENVIRON)


@pytest.mark.parametrize("name", CASES)
def test_half_a_snippet_never_breaks_the_reader(name: str) -> None:
    """Cut anywhere, it is read or refused; there is no other way out."""
    text = CASES[name][0]
    for end in range(0, len(text), effort(quick=61, usual=29, long=1)):
        imported = read_text("snippet", text[:end], file_of)
        assert imported.problems or imported.jobs
        if not imported.problems:
            made = manifest(imported, looks_secret).text
            load_all(["m.yaml"], read=lambda _, made=made: made.encode())  # type: ignore[misc]  # a default binds it now


def test_slips_of_the_keyboard_never_break_the_reader() -> None:
    """Characters swapped, added and lost at random: read or refused, and what is read is a manifest."""
    random = Random(20260102)  # noqa: S311  # the same slips each time; no secret hangs on it
    for _ in range(effort(quick=100, usual=500, long=50_000)):
        text = list(random.choice(list(CASES.values()))[0])
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(text))
            text[at : at + random.randint(0, 1)] = random.choice("'\"`$(){}[]@|;&\\\n #=,.-<>%^*!~ab1\t")
        imported = read_text(random.choice(["snippet", "x.ps1", "x.bat", "x.sh"]), "".join(text), file_of)
        assert imported.problems or imported.jobs
        if not imported.problems:
            made = manifest(imported, looks_secret).text
            load_all(["m.yaml"], read=lambda _, made=made: made.encode())  # type: ignore[misc]  # a default binds it now
