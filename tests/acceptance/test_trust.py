"""`aftrun trust`: what it prints is what makes the next command work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from aftrun.sandbox.server import Sandbox
from tests.conftest import Run

Start = Callable[..., Sandbox]


def test_the_printed_lines_pin_the_server(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Pasted as they are, they are a manifest's `server`; and no request was sent to get them."""
    server = sandbox()
    done = aftrun("trust", server.url)
    assert done.code == 0, done.err
    assert server.ledger() == ()
    for words in ("CN=", "self-signed", "localhost", "days from now", "only shows what is there", "openssl x509"):
        assert words in done.out
    lines = done.out.splitlines()
    at = lines.index("server:")
    pasted = "\n".join(lines[at : lines.index("", at)])
    (tmp_path / "m.yaml").write_text(f"{pasted}\njobs: [{{scriptName: x}}]\n")
    assert aftrun("apply", "m.yaml", env={"AFT_API_KEY": server.api_key}).code == 0


def test_pem_is_a_ca_file(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Standard output holds the certificate and nothing else."""
    server = sandbox()
    done = aftrun("trust", server.url, "--pem")
    assert done.out.startswith("-----BEGIN CERTIFICATE-----")
    assert server.fingerprint in done.err
    (tmp_path / "aft.pem").write_text(done.out)
    (tmp_path / "m.yaml").write_text("scriptName: x\n")
    environ = {"AFT_API_KEY": server.api_key}
    assert aftrun("apply", "m.yaml", "--server", server.url, "--cacert", "aft.pem", env=environ).code == 0


def test_json_says_the_same(aftrun: Run, sandbox: Start) -> None:
    """For programs; a bare HOST:PORT will do."""
    server = sandbox()
    data = json.loads(aftrun("trust", server.url.removeprefix("https://"), "--format", "json").out)
    assert data["fingerprint"] == server.fingerprint
    assert data["selfSigned"] is True
    assert data["trustedByThisMachine"] is False
    assert "127.0.0.1" in data["names"]


def test_no_certificate_is_exit_3_and_no_url_is_exit_2(aftrun: Run, sandbox: Start) -> None:
    """Nobody there, plain HTTP there, and something that is no address."""
    assert aftrun("trust", "https://127.0.0.1:1").code == 3
    plain = sandbox(tls=False)
    found = aftrun("trust", plain.url.replace("http:", "https:"))
    assert found.code == 3
    assert "plain HTTP" in found.err
    assert aftrun("trust", plain.url).code == 2
    assert aftrun("trust", "not a url").code == 2
