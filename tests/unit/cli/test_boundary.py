"""Where errors become messages and exit codes: what failed, by what it was and when."""

from __future__ import annotations

import errno
import os

import pytest

from aftrun.cli.boundary import guarded, report_failure
from aftrun.domain.errors import ExitCode, StateError, UsageError, code_of, explained


class Panic(BaseException):
    """What extension modules written in Rust raise: no `Exception`."""


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (UsageError("u"), 2, 2),
        (StateError("s"), 74, 74),
        (PermissionError(errno.EACCES, "no", "a/b"), 2, 74),
        (FileNotFoundError(errno.ENOENT, "no", b"a/\xff"), 2, 74),
        (NotADirectoryError(errno.ENOTDIR, "no"), 2, 74),
        (OSError(errno.ELOOP, "no", "a"), 2, 74),
        (OSError(errno.EMFILE, "no", "a"), 74, 74),
        (OSError(errno.ENOSPC, "no"), 74, 74),
        (OSError(errno.ENOMEM, "no"), 74, 74),
        (OSError(errno.EIO, "no"), 74, 74),
        (OSError(errno.EROFS, "no"), 74, 74),
        (MemoryError(), 74, 74),
        (ModuleNotFoundError("no", name="x"), 74, 74),
        (ImportError("no"), 74, 74),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no"), 2, 70),
        (RecursionError(), 2, 70),
        (OSError("a library's own"), 70, 70),
        (KeyError("x"), 70, 70),
        (Panic(), 70, 70),
    ],
    ids=repr,
)
def test_what_a_failure_means(
    capsys: pytest.CaptureFixture[str], error: BaseException, before: int, after: int
) -> None:
    """Before anything is sent what cannot be opened is a mistake in the command (2), later it is an output (74)."""

    def fails() -> int:
        raise error

    assert guarded(fails) == before
    assert code_of(error) == after
    said = capsys.readouterr().err
    assert said.startswith("aftrun: ")
    assert ("a bug in aftrun" in said) == (before == 70)
    known = explained(error, reading=True)
    assert (known is None) == (before == 70)
    if known is not None and not isinstance(error, UsageError | StateError):
        assert known.hint or isinstance(error, UnicodeError | RecursionError)


def test_the_texts_of_others_are_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may hold what must not be seen; the place in the code is said where it is asked for."""
    monkeypatch.setenv("AFTRUN_VERBOSE", "1")
    with pytest.raises(KeyError) as caught:
        dict[str, str]()["s3cret"]
    assert report_failure(caught.value) is ExitCode.BUG
    said = capsys.readouterr().err
    assert "KeyError" in said
    assert "test_boundary.py:" in said
    assert "s3cret" not in said


def test_an_interruption_by_exception_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no handler hears Ctrl-C."""

    def fails() -> int:
        raise KeyboardInterrupt

    assert guarded(fails) == 130
    assert code_of(KeyboardInterrupt()) is ExitCode.SIGINT
    assert capsys.readouterr().err == "aftrun: interrupted\n"


def test_a_working_folder_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says "no such file" without saying which."""

    def gone() -> str:
        raise FileNotFoundError(errno.ENOENT, "no")

    monkeypatch.setattr(os, "getcwd", gone)
    known = explained(FileNotFoundError(errno.ENOENT, "no"), reading=True)
    assert known is not None
    assert known.message == "the folder that this was started in does not exist any more"
