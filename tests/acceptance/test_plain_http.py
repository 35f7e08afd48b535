"""Plain `http://` to another machine: an error for every command, or loud where somebody says that it is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aftrun import Client
from aftrun.domain.errors import UsageError
from aftrun.sandbox.server import Sandbox
from tests.conftest import Run

Start = Callable[..., Sandbox]
FAR = "http://aft.invalid:44399"
AWAY = "https://aft.invalid:44399"
KEY = {"AFT_API_KEY": "k-0815-key", "U": FAR}
LITERAL = f"version: 1\nserver: {{url: '{FAR}', submitTimeout: 0s}}\njobs: [{{scriptName: x}}]\n"
OUTSIDE = "version: 1\nserver: {url: '${U}', submitTimeout: 0s}\njobs: [{scriptName: x}]\n"
HOME = "version: 1\nserver: {submitTimeout: 0s}\njobs: [{scriptName: x}]\n"
LOUD = "sends the API key and all params unencrypted"

REFUSED = [
    (LITERAL, ["apply", "m.yaml"]),
    (LITERAL, ["validate", "m.yaml"]),
    (LITERAL, ["plan", "m.yaml"]),
    (LITERAL, ["status", "17", "-m", "m.yaml"]),
    (LITERAL, ["wait", "17", "-m", "m.yaml"]),
    (LITERAL, ["doctor", "m.yaml"]),
    (OUTSIDE, ["apply", "m.yaml"]),
    (OUTSIDE, ["status", "17", "-m", "m.yaml"]),
    (OUTSIDE, ["wait", "17", "-m", "m.yaml"]),
    (OUTSIDE, ["doctor", "m.yaml"]),
    (HOME, ["apply", "m.yaml", "--server", FAR]),
    (HOME, ["plan", "m.yaml", "--server", FAR]),
    (HOME, ["start", "-n", "x", "--host", FAR]),
    (HOME, ["start", "-n", "x", "--server", FAR]),
    (HOME, ["status", "17", "--server", FAR]),
    (HOME, ["wait", "17", "--server", FAR]),
    (HOME, ["doctor", "--server", FAR]),
    (HOME, ["learn", "17", "--to", "words.yaml", "--server", FAR]),
]


@pytest.mark.parametrize(("text", "command"), REFUSED, ids=[" ".join(each[1]) for each in REFUSED])
def test_nothing_leaves_in_clear(text: str, command: list[str], aftrun: Run, tmp_path: Path) -> None:
    """Refused with the way out, before a name is even looked up."""
    (tmp_path / "m.yaml").write_text(text)
    done = aftrun(*command, env=KEY)
    assert done.code == 2, done.err
    said = done.out + done.err
    assert LOUD in said
    assert "--insecure-http" in said
    assert "aft.invalid was not found" not in said
    assert "k-0815-key" not in said
    if text is not HOME:
        assert "m.yaml:2:1" in said or command[0] == "doctor"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (LITERAL, ["apply", "m.yaml", "--insecure-http"]),
        (OUTSIDE, ["apply", "m.yaml", "--insecure-http"]),
        (HOME, ["apply", "m.yaml", "--server", FAR, "--insecure-http"]),
        (LITERAL.replace("{url", "{tls: {plain: true}, url"), ["apply", "m.yaml"]),
        (OUTSIDE.replace("{url", "{tls: {plain: true}, url"), ["apply", "m.yaml"]),
    ],
)
def test_where_it_is_meant_it_is_loud(text: str, command: list[str], aftrun: Run, tmp_path: Path) -> None:
    """The run goes on to the point where it looks for the server."""
    (tmp_path / "m.yaml").write_text(text)
    done = aftrun(*command, env=KEY)
    assert done.code == 3, done.err
    assert f"warning: {FAR}: http:// {LOUD}" in done.err
    assert "aft.invalid was not found" in done.err
    again = aftrun("resume", env=KEY)
    assert again.code == 2, again.err  # it has ended; what it was begun with is on record
    assert "has ended" in again.err


@pytest.mark.parametrize("command", ["status 17", "wait 17", "learn 17 --to words.yaml"])
@pytest.mark.parametrize(
    ("url", "flag", "words"), [(FAR, "--insecure-http", LOUD), (AWAY, "--insecure", "NOT verified")]
)
def test_whoever_asks_about_a_job_is_told_as_well(aftrun: Run, command: str, url: str, flag: str, words: str) -> None:
    """The key goes the same way then."""
    done = aftrun(*command.split(), "--server", url, flag, env=KEY)
    assert done.code != 0
    assert f"warning: {url}: http:// {words}" in done.err or f"{url} is {words}" in done.err


def test_the_variable_stands_for_the_flag(aftrun: Run) -> None:
    """As for every flag."""
    done = aftrun("status", "17", "--server", FAR, env={**KEY, "AFTRUN_INSECURE_HTTP": "1"})
    assert done.code == 3, done.err
    assert LOUD in done.err


def test_this_machine_needs_no_word(aftrun: Run, tmp_path: Path) -> None:
    """Nothing leaves it."""
    (tmp_path / "m.yaml").write_text(HOME)
    for url in ("http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        done = aftrun("apply", "m.yaml", "--server", url, env=KEY)
        assert done.code == 3, done.err
        assert LOUD not in done.err


def test_http_at_the_port_of_https(sandbox: Start, aftrun: Run, tmp_path: Path) -> None:
    """Exit 3, with what to write: nothing was processed."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text(HOME)
    done = aftrun("apply", "m.yaml", "--server", server.url.replace("https", "http"), env=KEY)
    assert done.code == 3, done.err
    assert "this port seems to speak HTTPS" in done.err
    assert not server.jobs()


def test_the_library_asks_for_a_word_too() -> None:
    """`plain=True` is it."""
    with pytest.raises(UsageError, match="unencrypted"):
        Client(FAR, "k")
    Client(FAR, "k", plain=True).close()
