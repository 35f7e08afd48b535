"""The pages of the codes: complete and true. tests/docs/ holds docs/diagnostics.md to them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from aftrun.domain.errors import ManifestError, Problem
from aftrun.manifest import bind, load_all
from aftrun.manifest.check import pages
from aftrun.manifest.check.diagnostics import CODES
from aftrun.manifest.check.pages import page, severity, text
from aftrun.manifest.policy import Policy

DOCS = Path(__file__).parents[4] / "docs"

POLICY = Policy(path="policy.yaml", servers=("https://aft.example.com:44399",))
"""What the page of AFT070 says that is in force."""
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
        loaded = load_all(["manifest.yaml"], read=read, environ=environ, policy=POLICY if code == "AFT070" else None)
    except ManifestError as error:
        return list(error.problems)
    if "keyring:" in example:
        return list(loaded.warnings)
    try:
        bind(loaded.manifests, environ)
    except ManifestError as error:
        return [*loaded.warnings, *error.problems]
    return list(loaded.warnings)


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    """The table and the folder hold the same codes, and every page says something."""
    files = [each.name for each in resources.files(pages).iterdir() if each.name.endswith(".md")]
    assert sorted(files) == [f"{code}.md" for code in sorted(CODES)]
    for code in CODES:
        assert len(page(code).what) > 30, code
        assert len(page(code).fix) > 10, code


@pytest.mark.parametrize("code", CODES)
def test_the_example_is_true(code: str) -> None:
    """The example has the problem, and nothing else; fixed, it has no problem at all."""
    problems = found(page(code).example, code)
    also = {"AFT107"} if code == "AFT111" else set()  # a job that never runs is the cause of others that never do
    assert {problem.code for problem in problems} == {code} | also
    assert {problem.severity for problem in problems} == {severity(code)}
    assert found(page(code).fixed) == []


def test_a_page_for_a_terminal() -> None:
    """Heading, meaning, the example indented, the remedy."""
    assert text("AFT024").startswith("AFT024: several scripts named (error)\n\nA job says in two")
    assert "\n    filePath: /opt/scripts/backup.syncjs\n" in text("AFT024")
    assert "```" not in text("AFT024")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Only text.\n",
        "What.\n\n```yaml\na: b\n```\n",
        "What.\n\n```yaml\na: b\n```\n\nFix.\n\n```yaml\na: c\n",
        "What.\n\n```yaml\na: b\n```\n\nFix.\n\n```yaml\na: c\n```\n\nMore.\n",
        "\n\n```yaml\na: b\n```\n\nFix.\n\n```yaml\na: c\n```\n",
    ],
)
def test_a_page_of_another_form_is_an_error(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a page is lost on the way to a terminal without a word."""
    monkeypatch.setattr(pages, "markdown", lambda _: written)
    with pytest.raises(ValueError, match="the page of AFT001"):
        page("AFT001")


def test_the_examples_of_the_guide_are_valid() -> None:
    """Every manifest of docs/manifest.md loads without a word."""
    guide = (DOCS / "manifest.md").read_text(encoding="utf-8")
    examples = [block.partition("\n```")[0] for block in guide.split("```yaml\n")[1:]]
    whole = [example for example in examples if "script" in example.casefold() or "filePath" in example]
    assert len(whole) >= 2
    for example in whole:
        assert load_all(["manifest.yaml"], read=lambda _, text=example: text.encode()).warnings == ()  # type: ignore[misc] # bound now
