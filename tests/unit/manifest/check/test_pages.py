"""The pages of the codes: complete, true, and the same in the docs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aftrun.domain.errors import ManifestError, Problem
from aftrun.manifest import bind, load_all
from aftrun.manifest.check.diagnostics import CODES
from aftrun.manifest.check.pages import document, markdown, pages, severity, text

DOCS = Path(__file__).parents[4] / "docs" / "diagnostics.md"
WRITE = os.environ.get("AFTRUN_CORPUS") == "write"

AS_BYTES = {"AFT002": ("ü".encode(), b"\xfc"), "AFT003": (b"Backup", b"Backup\x1b")}
"""What an example cannot hold as text, and stands for."""


def found(example: str, code: str = "") -> list[Problem]:
    """Everything that is said of an example, as `apply` would."""
    data = example.encode()
    if code:
        data = data.replace(*AS_BYTES.get(code, (b"", b"")), 1) if code in AS_BYTES else data

    def read(path: str) -> bytes:
        if path != "manifest.yaml":
            raise FileNotFoundError(2, "No such file", path)
        return data

    environ = {"HOME": "/home/me", "AFT_API_KEY": "k", "TOKEN": "t", "SFTP_PASSWORD": "p", "KEY": "k", "REGION": "eu"}
    try:
        loaded = load_all(["manifest.yaml"], read=read, environ=environ)
    except ManifestError as error:
        return list(error.problems)
    if "keyring:" in example:
        return list(loaded.warnings)
    try:
        bind(loaded.manifests, environ)
    except ManifestError as error:
        return [*loaded.warnings, *error.problems]
    return list(loaded.warnings)


def test_every_code_has_a_page() -> None:
    """The table and the pages hold the same codes, and every page says something."""
    assert list(pages()) == sorted(CODES)
    for code, page in pages().items():
        assert len(page.what) > 30, code
        assert len(page.mend) > 10, code


@pytest.mark.parametrize("code", CODES)
def test_the_example_is_true(code: str) -> None:
    """The example has the problem, and nothing else; mended, it has no problem at all."""
    page = pages()[code]
    problems = found(page.example, code)
    also = {"AFT107"} if code == "AFT111" else set()  # a job that never runs is the cause of others that never do
    assert {problem.code for problem in problems} == {code} | also
    assert {problem.severity for problem in problems} == {severity(code)}
    assert found(page.mended) == []


def test_the_docs_are_the_same() -> None:
    """docs/diagnostics.md is what the pages make; AFTRUN_CORPUS=write writes it anew."""
    if WRITE:
        DOCS.write_text(document(), encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == document()


def test_forms_of_a_page() -> None:
    """The page for a terminal and the one for the docs have the same parts."""
    assert text("AFT024").startswith("AFT024: several scripts named (error)\n\nA job says in two")
    assert "\n    filePath: /opt/scripts/backup.syncjs\n" in text("AFT024")
    assert markdown("AFT101").startswith("## AFT101\n\n**scriptId instead of scriptName** (warning)\n\n")
    assert "```yaml\nscriptId: kMz8fQ\n```" in markdown("AFT101")


def test_the_examples_of_the_guide_are_valid() -> None:
    """Every manifest of docs/manifest.md loads without a word."""
    guide = (DOCS.parent / "manifest.md").read_text(encoding="utf-8")
    examples = [block.partition("\n```")[0] for block in guide.split("```yaml\n")[1:]]
    whole = [example for example in examples if "script" in example.casefold() or "filePath" in example]
    assert len(whole) >= 2
    for example in whole:
        assert load_all(["manifest.yaml"], read=lambda _, text=example: text.encode()).warnings == ()  # type: ignore[misc] # bound now
