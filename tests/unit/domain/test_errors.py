"""What can go wrong, as exceptions."""

from __future__ import annotations

import pytest

from aftrun.domain import errors
from aftrun.domain.errors import AftrunError, ExitCode, ManifestError, Problem, Severity


def classes(root: type[AftrunError]) -> list[type[AftrunError]]:
    """A class and all below it."""
    return [root, *(each for child in root.__subclasses__() for each in classes(child))]


@pytest.mark.parametrize(
    ("name", "code", "parent"),
    [
        ("AftrunError", 70, "Exception"),
        ("UsageError", 2, "AftrunError"),
        ("ManifestError", 2, "AftrunError"),
        ("ServerError", 3, "AftrunError"),
        ("Unreachable", 3, "ServerError"),
        ("Refused", 4, "ServerError"),
        ("Rejected", 1, "ServerError"),
        ("Ambiguous", 6, "ServerError"),
        ("StateError", 74, "AftrunError"),
    ],
)
def test_the_tree_and_its_exit_codes(name: str, code: int, parent: str) -> None:
    """As the docstring of the module draws it."""
    cls = getattr(errors, name)
    assert cls.exit_code == code
    assert cls.__base__.__name__ == parent
    assert f"{name} " in (errors.__doc__ or "")


def test_the_exit_codes_of_the_contract() -> None:
    """Users rely on these numbers."""
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "UNREACHABLE": 3,
        "REFUSED": 4,
        "CANCELLED": 5,
        "UNKNOWN": 6,
        "CHANGES": 10,
        "BUG": 70,
        "STATE": 74,
        "UNDER_WAY": 75,
        "GAVE_UP": 124,
        "SIGINT": 130,
        "SIGTERM": 143,
    }


@pytest.mark.parametrize(
    "cls",
    [each for each in classes(AftrunError) if each is not ManifestError and each.__module__ == "aftrun.domain.errors"],
)
def test_messages_are_for_people(cls: type[AftrunError]) -> None:
    """Message first, then the remedy where there is one."""
    error = cls("it broke", hint="mend it")
    assert error.diagnostics() == ("it broke", "hint: mend it")
    assert str(error) == error.message == "it broke"
    assert cls("it broke").diagnostics() == ("it broke",)


def test_a_manifest_error_lists_every_problem() -> None:
    """Place, severity, code, message, hint; the count is of errors alone."""
    error = ManifestError(
        [
            Problem("AFT001", "bad key", "m.yaml", 3, 5, hint="write it so"),
            Problem("AFT002", "odd", "m.yaml", 4, severity=Severity.WARNING),
            Problem("AFT003", "worse", "n.yaml"),
        ],
        files=[("m.yaml", b"x")],
    )
    assert error.diagnostics() == (
        "m.yaml:3:5: error[AFT001]: bad key",
        "  hint: write it so",
        "m.yaml:4:1: warning[AFT002]: odd",
        "n.yaml:1:1: error[AFT003]: worse",
        "2 problems in the manifest; nothing was sent",
    )
    assert error.files == (("m.yaml", b"x"),)
    assert str(ManifestError([Problem("A", "b", "c")])) == "1 problem in the manifest; nothing was sent"
