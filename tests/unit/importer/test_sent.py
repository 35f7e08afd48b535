"""What PowerShell, curl and xargs make of what is written, by their own rules."""

from __future__ import annotations

import pytest

from aftrun.importer.emit import manifest
from aftrun.importer.read import read_text
from aftrun.manifest import load_all
from aftrun.manifest.check.masking import looks_secret
from tests.unit.importer.test_corpus import file_of

POWERSHELL = """Invoke-RestMethod -Uri https://h.example/v1/jobs -Method Post -ContentType application/json `
  -Headers @{"X-API-Key" = $env:AFT_API_KEY} `
  -Body (@{scriptName = "s"; params = @{n = NUMBER}} | ConvertTo-Json)"""


def written(name: str, text: str) -> str:
    """The manifest that a script becomes, which loads."""
    made = manifest(read_text(name, text, file_of), looks_secret).text
    load_all(["m.yaml"], read=lambda _: made.encode())
    return made


@pytest.mark.parametrize(("literal", "sent"), [
    ("7", "7"), ("007", "7"), ("1.10", "1.1"), ("1.50", "1.5"), ("-0.10", "-0.1"), ("5l", "5"),
    ("0x1F", "31"), ("2kb", "2048"), ("1mb", "1048576"), ("0.1", "0.1"), ("[decimal]1.10", "1.1"),
    ("[double]'1.10'", "1.1"), ("[decimal]'1.10'", "1.10"), ("1e3", "1000.0"),
    ("1234567890123456789", "1234567890123456789"),
])  # fmt: skip
def test_a_number_of_powershell(literal: str, sent: str) -> None:
    """Of one with a point the digits are lost before anything is sent; of a decimal they are not."""
    assert f'"n": {sent}\n' in written("x.ps1", POWERSHELL.replace("NUMBER", literal))


@pytest.mark.parametrize(("header", "line"), [
    ("X-Site: a", "X-Site: a"), ("X-Site:", None), ("X-Site;", "X-Site: \"\""), ("X-Site: a;b", "X-Site: \"a;b\""),
])  # fmt: skip
def test_a_header_of_curl(header: str, line: str | None) -> None:
    """`Name:` takes a header of its own away, `Name;` sends an empty one."""
    made = written("x.sh", f"curl https://h.example/v1/jobs -H '{header}' -d '{{\"scriptName\": \"s\"}}'\n")
    assert (f"{line}\n" in made) if line else ("X-Site" not in made)


@pytest.mark.parametrize("before", ["xargs -I{} ", "xargs -I {} ", "xargs -i ", "xargs --replace ", "parallel "])
def test_what_xargs_puts_in_is_not_known(before: str) -> None:
    """It is to be filled in."""
    made = written(
        "x.sh", f'ls | {before}curl https://h.example/v1/jobs -d \'{{"scriptName": "s", "params": {{"f": "{{}}"}}}}\'\n'
    )
    assert "${FILL_" in made


SENDS = """
Invoke-RestMethod -Uri https://h.example/v1/jobs -Method Post -Body (@{scriptName = "A$n"} | ConvertTo-Json)
"""


@pytest.mark.parametrize("script", [
    "$n = 1; $n++", "$n = 1; ++$n", "$n = 1; $n--", "$n = 1; $j = $n++", "$n = 1; if ($n++ -gt 0) { 'x' }",
    "$n = 1; $m = $n++ + 1", "$n = 1; 1..3 | ForEach-Object { $n++ }",
    "for ($n = 0; $n -lt 3; $n++) { 'x' }", "$n = 9; for ($i = 0; $i -lt 3; $i++) { $n = $i }",
    "$n = 1; $r = [ref]$n; $r.Value = 2", "$n = 1; [int]::TryParse('5', [ref]$n)", "$n = 1; Get-Thing -OutVariable n",
    "$n = 1; Get-Thing -ov +n", "$n = 1; Clear-Variable n", "$n = 1; & { $script:n = Get-Thing }",
])  # fmt: skip
def test_what_powershell_sets_is_no_longer_what_it_was(script: str) -> None:
    """Counting, references, variables that commands fill."""
    assert "scriptName: A1" not in (made := written("x.ps1", script + SENDS))
    assert "scriptName: A0" not in made
    assert "${FILL_" in made


@pytest.mark.parametrize(("script", "sent"), [
    ("$n = 1; & { $n = 'y' }", "A1"), ("$n = 1; & { $script:n = 'y' }", "Ay"), ("$n = 1; . { $n = 'y' }", "Ay"),
    ("$n = 1; $m = 5; $m++", "A1"), ("$n = 'x'; Get-Thing -Verbose", "Ax"),
    ("$n = 1; Set-Variable -Name n -Value 2", "A2"),
])  # fmt: skip
def test_what_powershell_leaves_alone_stays(script: str, sent: str) -> None:
    """A script block behind `&` has variables of its own; one behind a dot has not."""
    assert f"scriptName: {sent}\n" in written("x.ps1", script + SENDS)
