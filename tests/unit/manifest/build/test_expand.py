"""References in text."""

from __future__ import annotations

import pytest

from aftrun.domain.values import Inside, Origin, Outside, Template, Value
from aftrun.manifest.build.expand import first_reference, parse


def good(text: str, folder: str = "") -> Value:
    """Parse text that has no mistakes."""
    mistakes: list[str] = []
    value = parse(text, lambda _at, message, _hint: mistakes.append(message), lambda at: Origin("f", 1, at + 1), folder)
    assert mistakes == []
    return value


def one(text: str) -> Outside | Inside:
    """Parse text that is a single reference."""
    value = good(text)
    assert isinstance(value, Template)
    (part,) = value.parts
    assert not isinstance(part, str)
    return part


def bad(text: str) -> list[tuple[int, str]]:
    """The mistakes in a text: offset and message."""
    mistakes: list[tuple[int, str]] = []
    parse(text, lambda at, message, _hint: mistakes.append((at, message)))
    return mistakes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("$HOME", "$HOME"), ("$$", "$"), ("$${A}", "${A}"), ("a$", "a$"), ("$$$A", "$$A")],
)
def test_nothing_to_expand(text: str, expected: str) -> None:
    """Text without references stays text, `$$` undone."""
    assert good(text) == expected


def test_sources() -> None:
    """The four sources, each with its key."""
    assert one("${A_1}") == Outside("env", "A_1", "${A_1}")
    assert one("${env:ProgramFiles(x86)}") == Outside("env", "ProgramFiles(x86)", "${env:ProgramFiles(x86)}")
    assert one("${file:C:\\key.txt}") == Outside("file", "C:\\key.txt", "${file:C:\\key.txt}")
    assert one("${keyring:aft/prod/me}") == Outside("keyring", "aft/prod/me", "${keyring:aft/prod/me}")


def test_files_are_relative_to_the_manifest() -> None:
    """The name of a file is joined with the folder; its text is not."""
    value = good("${file:key.txt}", "conf")
    assert isinstance(value, Template)
    assert value.parts == (Outside("file", "conf/key.txt", "${file:key.txt}"),)


def test_defaults_and_messages() -> None:
    """`:-` and `:?`, empty ones too, with colons, braces and dollars in them."""
    assert one("${A:-}") == Outside("env", "A", "${A:-}", default="")
    assert one("${A:-x:-y:?z $B $$}") == Outside("env", "A", "${A:-x:-y:?z $B $$}", default="x:-y:?z $B $")
    assert one(r"${A:-{a\}}") == Outside("env", "A", r"${A:-{a\}}", default="{a}")
    assert one(r"${A:-C:\x}") == Outside("env", "A", r"${A:-C:\x}", default=r"C:\x")
    assert one("${A:?set it}") == Outside("env", "A", "${A:?set it}", message="set it")
    assert one("${file:a:-b}") == Outside("file", "a", "${file:a:-b}", default="b")


def test_inside() -> None:
    """All forms of values from inside."""
    assert one("${{ vars.x }}") == Inside(("vars", "x"), "${{ vars.x }}")
    assert one("${{matrix.a b}}") == Inside(("matrix", "a b"), "${{matrix.a b}}")
    assert one("${{ run.id }}") == Inside(("run", "id"), "${{ run.id }}")
    assert one("${{ run.date:%H:%M }}") == Inside(("run", "date"), "${{ run.date:%H:%M }}", "%H:%M")
    assert one("${{ jobs.My Job.id }}") == Inside(("jobs", "My Job", "id"), "${{ jobs.My Job.id }}")
    assert one("${{ jobs.a.b.outputs.id }}") == Inside(("jobs", "a.b", "outputs", "id"), "${{ jobs.a.b.outputs.id }}")


def test_parts_and_places() -> None:
    """Text and references stand in order; each reference knows its own place."""
    value = good("a${A}$$b${{ run.id }}")
    assert isinstance(value, Template)
    assert [part if isinstance(part, str) else part.text for part in value.parts] == [
        "a",
        "${A}",
        "$b",
        "${{ run.id }}",
    ]
    assert [part.origin for part in value.outsides()] == [Origin("f", 1, 2)]
    assert [part.origin for part in value.insides()] == [Origin("f", 1, 9)]
    assert value.raw == "a${A}$$b${{ run.id }}"


@pytest.mark.parametrize(
    "text",
    [
        "${", "${}", "${A", "${A B}", "${1A}", "${A-x}", "${A:+x}", "${x:y}", "${file:}", "${keyring:a}",
        "${keyring:/a}",
        "${env: A}", "${{", "${{ }}", "${{ a }", "${{ jobs.id }}", "${{ run }}", "${{ env.A }}", "${A:-${B}}", "${:-x}",
    ],
)  # fmt: skip
def test_malformed(text: str) -> None:
    """Each mistake is found at its own place, and nothing is expanded there."""
    (at, message), *_ = bad("12$$" + text)
    assert at == 4
    assert message


def test_several_mistakes() -> None:
    """All mistakes of a text are found."""
    assert [at for at, _ in bad("${} ${} ${")] == [0, 4, 8]


def test_first_reference() -> None:
    """Where a field that takes no references holds one."""
    assert first_reference("a$$b$c${A}") == 6
    assert first_reference("$${A} $B") == -1
