"""Values from outside: found, defaulted, or missed by name and place."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from aftrun.errors import ManifestError
from aftrun.manifest import bind, load_all, references, shown_names
from aftrun.model import Manifest


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
    values = bind(manifests(EVERYWHERE), environ)
    assert values == {("env", name): name.lower() for name in environ}


def test_every_missing_variable() -> None:
    """All that is missing is named at once, each variable at its first place, with the message that it carries."""
    content = "scriptName: x\nparams:\n  a: ${A}${B:?ask Bob}\n  b: ${A}\n  c: ${C:-}\n  d: ${A:-fine}\n"
    with pytest.raises(ManifestError) as caught:
        bind(manifests(content), {"B": "", "AFT_API_KEY": "k"})
    assert [(p.line, p.column, p.end_column, p.message) for p in caught.value.problems] == [
        (3, 6, 10, "the environment variable A is not set (used in 1 more place)"),
        (3, 10, 23, "the environment variable B is not set: ask Bob"),
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


def _keyring(found: str | None) -> types.ModuleType:
    class KeyringError(Exception):
        pass

    def get_password(service: str, user: str) -> str | None:
        if user == "locked":
            raise KeyringError("hunter2")
        return f"{service}:{user}:{found}" if found else None

    module = types.ModuleType("keyring")
    module.get_password = get_password  # type: ignore[attr-defined] # a module made by hand
    module.errors = types.SimpleNamespace(KeyringError=KeyringError)  # type: ignore[attr-defined] # as above
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
    assert bind(manifests(content.replace("USER", "locked:-x")), {}) == {}
