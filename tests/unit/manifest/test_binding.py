"""Values from outside: found, defaulted, or missed by name and place."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from aftrun.domain.errors import ManifestError, Severity
from aftrun.domain.model import Manifest
from aftrun.manifest import bind, load_all, references, shown_names
from aftrun.run.render import RunFacts
from aftrun.service.prepare import endpoint
from aftrun.system.shell import setting


def manifests(content: str, path: str = "f.yaml") -> tuple[Manifest, ...]:
    """The manifests of a text."""
    return load_all([path], read=lambda _: content.encode()).manifests


EVERYWHERE = """
vars: {host: "${HOST}", plain: x}
server:
  url: https://${HOST}
  apiKey: ${KEY}
  headers: {X-A: "${HEADER}"}
  tls: {fingerprint: ["${PIN}"], certFile: "${CERT}", keyFile: "${CERT_KEY}"}
notify: {urls: ["${HOOK}"]}
jobs:
  - scriptName: ${SCRIPT}
    params: {a: "${A}", b: "${B:-b}"}
"""


def test_references() -> None:
    """References are found everywhere they may stand, in order, those of vars marked as fit to show."""
    found = manifests(EVERYWHERE)
    names = ["HOST", "KEY", "CERT", "CERT_KEY", "PIN", "HEADER", "HOST", "SCRIPT", "A", "B", "HOOK"]
    assert [reference.name for reference in references(found)] == names
    assert shown_names(found) == {("env", "HOST")}


def test_bind() -> None:
    """Values come from the environment; where a default serves, there is no entry."""
    environ = {
        name: name.lower() for name in ("HOST", "KEY", "HEADER", "PIN", "CERT", "CERT_KEY", "HOOK", "SCRIPT", "A")
    }
    environ |= {"PIN": "sha256:" + "ab" * 32, "HOOK": "https://hook"}
    values = bind(manifests(EVERYWHERE), environ)
    assert values == {("env", name): value for name, value in environ.items()}


def test_every_missing_variable() -> None:
    """All that is missing is named at once, each variable at its first place, with the message that it carries."""
    content = "scriptName: x\nparams:\n  a: ${A}${B:?ask Bob}\n  b: ${A}\n  c: ${C:-}\n  d: ${A:-fine}\n"
    with pytest.raises(ManifestError) as caught:
        bind(manifests(content), {"B": "", "AFT_API_KEY": "k"})
    assert [(p.line, p.column, p.end_column, p.message) for p in caught.value.problems] == [
        (3, 6, 10, "the environment variable A is not set (used in 1 more place)"),
        (3, 10, 23, "the environment variable B is empty: ask Bob"),
    ]
    assert all(problem.code == "AFT046" and problem.hint for problem in caught.value.problems)


def test_default_key() -> None:
    """Without apiKey the default variable is asked for, at the server's place."""
    with pytest.raises(ManifestError) as caught:
        bind(manifests("jobs: [{scriptName: x}]\nserver:\n  url: https://a\n"), {})
    (problem,) = caught.value.problems
    assert "AFT_API_KEY" in problem.message
    assert (problem.line, problem.column) == (3, 3)


def test_files(tmp_path: Path) -> None:
    """Files are relative to the manifest, lose one line break, and must be small text."""
    (tmp_path / "good").write_bytes(b"value\n\r\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    content = "scriptName: x\nserver: {apiKey: k}\nparams: {a: '${file:good}'}\n"
    path = str(tmp_path / "m.yaml")
    assert bind(manifests(content, path), {}) == {("file", str(tmp_path / "good")): "value\n"}
    for name, text in (("binary", "UTF-8"), ("large", "1 MiB"), (".", "cannot be read"), ("none", "does not exist")):
        with pytest.raises(ManifestError) as caught:
            bind(manifests(content.replace("good", name), path), {})
        assert text in caught.value.problems[0].message
    assert bind(manifests(content.replace("good", "none:-x"), path), {}) == {}
    assert bind(manifests(content.replace("good", "good/none:-x"), path), {}) == {}


@pytest.mark.parametrize("field", ["params: {a: '${file:NAME:-5m}'}", "timeout: '${file:NAME:-5m}'"])
@pytest.mark.parametrize(("name", "text"), [("binary", "UTF-8"), ("large", "1 MiB"), (".", "cannot be read")])
def test_no_default_takes_the_place_of_what_is_there(tmp_path: Path, field: str, name: str, text: str) -> None:
    """A file that holds the value and will not give it is an error: the job would run with something else."""
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    content = f"scriptName: x\nserver: {{apiKey: k}}\n{field.replace('NAME', name)}\n"
    path = str(tmp_path / "m.yaml")
    with pytest.raises(ManifestError) as caught:
        bind(load_all([path], read=lambda _: content.encode(), environ={}).manifests, {})
    (problem,) = (each for each in caught.value.problems if each.severity is Severity.ERROR)
    assert (problem.code, problem.line) == ("AFT046", 3)
    assert text in problem.message


def _keyring(found: str | None) -> types.ModuleType:
    class KeyringError(Exception):
        pass

    class NoKeyringError(KeyringError):
        pass

    def get_password(service: str, user: str) -> str | None:
        if user in ("locked", "headless"):
            raise (KeyringError if user == "locked" else NoKeyringError)("hunter2")
        return f"{service}:{user}:{found}" if found else None

    module = types.ModuleType("keyring")
    module.get_password = get_password  # type: ignore[attr-defined] # a module made by hand
    errors = types.SimpleNamespace(KeyringError=KeyringError, NoKeyringError=NoKeyringError)
    module.errors = errors  # type: ignore[attr-defined] # as above
    return module


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring is asked for service and user; its absence and its refusal are problems, not exceptions."""
    content = "scriptName: x\nserver: {apiKey: '${keyring:aft/prod/USER}'}\n"
    monkeypatch.setitem(sys.modules, "keyring", _keyring("v"))
    assert bind(manifests(content), {}) == {("keyring", "aft/prod/USER"): "aft/prod:USER:v"}
    texts = []
    for module, user in ((None, "u"), (_keyring(None), "u"), (_keyring("v"), "locked")):
        monkeypatch.setitem(sys.modules, "keyring", module)
        with pytest.raises(ManifestError) as caught:
            bind(manifests(content.replace("USER", user)), {})
        texts.append(caught.value.problems[0].message)
    assert ["not installed" in texts[0], "holds nothing" in texts[1], "could not be read" in texts[2]] == [True] * 3
    assert "hunter2" not in "".join(texts)
    with pytest.raises(ManifestError) as caught:
        bind(manifests(content.replace("USER", "locked:-x")), {})
    assert "could not be read" in caught.value.problems[0].message
    assert bind(manifests(content.replace("USER", "headless:-x")), {}) == {}  # a machine without a keyring
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert bind(manifests(content.replace("USER", "u:-x")), {}) == {}


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("url: '${X}'", "127.0.0.1:44399", "the server's URL, which comes from ${X}, is not usable: it must begin"),
        ("url: 'https://${X}:44399'", "a b", "the server's URL, which comes from ${X}, is not usable: it needs a host"),
        ("url: '${{ vars.u }}'", "ftp://hunter2", "the server's URL, which comes from ${X}"),
        ("tls: {fingerprint: '${X}'}", "sha256:hunter2", "the fingerprint, which comes from ${X}, is not usable"),
        ("tls: {fingerprint: ['sha256:${X}']}", "ab" * 31, "it is no SHA-256 fingerprint"),
        ("apiKey: '${X}'", "hunter2\nhunter2", "the API key, which comes from ${X}, is not usable: it holds a line"),
        ("apiKey: '${X}'", "", "the API key, which comes from ${X}, is not usable: it is empty"),
        ("apiKey: '${X}'", " hunter2", "it begins or ends with a blank"),
        ("headers: {X-A: '${X}'}", "\u20ac", "the header X-A, which comes from ${X}"),
    ],
)
def test_expanded_values_are_checked(field: str, value: str, text: str) -> None:
    """What a reference comes to is checked at the reference, and never shown."""
    shown = "X" if "vars" in field else "U:-x"
    content = f"vars: {{u: '${{{shown}}}'}}\njobs: [{{scriptName: x}}]\nserver:\n  apiKey: k\n  {field}\n".replace(
        "  apiKey: k\n  apiKey", "  apiKey"
    )
    with pytest.raises(ManifestError) as caught:
        bind(manifests(content), {"X": value})
    (problem,) = caught.value.problems
    assert text in problem.message
    assert problem.code == "AFT047"
    assert problem.line == (1 if "vars" in field else 4 if "apiKey" in field else 5)
    assert "hunter2" not in str(caught.value.diagnostics())


@pytest.mark.parametrize("selector", ["scriptName", "scriptId", "filePath"])
@pytest.mark.parametrize("reference", ["${X}", "${X:-}", "${X}${Y:-}"])
def test_a_script_without_a_name_is_found_before_anything_is_sent(selector: str, reference: str) -> None:
    """An empty variable would start, if anything, something else than was meant."""
    content = f"server: {{apiKey: k}}\njobs: [{{name: a, {selector}: '{reference}'}}, {{scriptName: b}}]\n"
    with pytest.raises(ManifestError) as caught:
        bind(manifests(content), {"X": ""})
    (problem,) = caught.value.problems
    assert f"'{selector}', which comes from ${{X}}" in problem.message
    assert "it is empty" in problem.message
    assert problem.line == 2
    assert bind(manifests(content), {"X": "x"}) == {("env", "X"): "x"}


def test_good_expanded_values() -> None:
    """Fingerprints as openssl prints them, and addresses with a path, pass."""
    content = "jobs: [{scriptName: x}]\nserver: {apiKey: '${K}', url: '${U}', tls: {fingerprint: '${P}'}}\n"
    environ = {"K": "k", "U": "https://[::1]:44399/aft/", "P": "SHA256 Fingerprint=" + ":".join(["AB"] * 32)}
    assert len(bind(manifests(content), environ)) == 3


def test_variables_in_server_settings() -> None:
    """`${{ vars.x }}` in what is needed before the first request becomes what it stands for."""
    content = (
        "vars: {host: '${HOST}', port: '44399', dir: certs}\njobs: [{scriptName: x}]\n"
        "server:\n  url: https://${{ vars.host }}:${{ vars.port }}\n  tls: {caFile: '${{ vars.dir }}/ca.pem'}\n"
        "  headers: {X-Run: '${{ run.id }} on ${{ vars.port }}'}\n"
    )
    (server,) = manifests(content)[0].servers
    assert [type(part).__name__ for part in getattr(server.url, "parts", ())] == ["str", "Outside", "str", "str"]
    assert server.tls.ca_file == "certs/ca.pem"
    filled = endpoint(server, {("env", "HOST"): "aft", ("env", "AFT_API_KEY"): "k"}, RunFacts("r1", 0.0).get)
    assert (filled.url, filled.headers) == ("https://aft:44399", (("X-Run", "r1 on 44399"),))


def test_a_missing_key_has_its_own_remedy() -> None:
    """Who has no key yet is told where to get one."""
    with pytest.raises(ManifestError) as caught:
        bind(manifests("scriptName: x\n"), {})
    (problem,) = caught.value.problems
    assert problem.hint == (
        "create a key in AFT!'s web UI under Settings > API Keys, add this machine's address to its allow-list, "
        f"then: {setting('AFT_API_KEY')}"
    )
