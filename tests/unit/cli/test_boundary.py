"""Where errors become messages and exit codes: what failed, by what it was and when."""

from __future__ import annotations

import errno
import importlib
import json
import os
import py_compile
import re
import time
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest

from aftrun.cli.boundary import Form, guarded, report_failure, safe
from aftrun.domain.errors import ExitCode, StateError, UsageError, code_of, explained
from aftrun.domain.text import clean
from aftrun.run.ports import SystemClock


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
        (SyntaxError("half of a package's new version"), 74, 74),
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


@pytest.mark.parametrize("kept", [17, 40, 100, -1])
def test_a_compiled_module_of_which_a_full_disk_took_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Python ends in an EOFError or ValueError, which is no bug of aftrun's."""
    source = tmp_path / "half_written.py"
    source.write_text("WORDS = {'some': 'text', 'and': ['more', 'of', 'it']}\n" * 20)
    compiled = Path(str(py_compile.compile(str(source), doraise=True)))
    compiled.write_bytes(compiled.read_bytes()[:kept])
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises((EOFError, ValueError, TypeError)) as caught:
        importlib.import_module("half_written")
    known = explained(caught.value)
    assert isinstance(known, StateError)
    assert "__pycache__" in known.hint
    assert explained(EOFError()) is None


def test_a_clock_beyond_what_python_can_tell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After 2262 every look at the clock fails, which is no bug of aftrun's; another overflow is."""

    def beyond() -> float:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")

    monkeypatch.setattr(time, "time", beyond)
    assert guarded(lambda: int(SystemClock().now())) == 2
    assert "set the clock" in capsys.readouterr().err
    assert code_of(OverflowError()) == 74
    monkeypatch.undo()
    assert code_of(OverflowError()) == 70


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can be set on POSIX only")
def test_a_zone_a_day_from_utc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """C accepts what datetime cannot show."""
    monkeypatch.setenv("TZ", "XXX-25:59")
    time.tzset()
    try:
        assert guarded(lambda: 0) == 2
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "'XXX-25:59'" in capsys.readouterr().err


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


HOSTILE = (
    "##vso[task.setvariable variable=x]y",
    "##[error]no",
    "##teamcity[buildStatus status='FAILURE']",
    "a ##VSO[x]b",
    "x\n::set-output name=a::b",
    "::stop-commands::t",
    "\r::warning::x",
    "\t ::add-mask::x",
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J\x1b[8mhidden",
    "\x9b31mred",
    "\u202eevil\u2066",
    "\u2028::error::x",
    "#\x1b[0m#vso[x]",
    ":\x1b[1m:error::x",
    "\x1b[31m::error::x",
)
COMMAND = re.compile(r"^\s*::\w|##(?:\[|vso\[|teamcity\[)", re.MULTILINE | re.IGNORECASE)
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2060-\u206f]")


@pytest.mark.parametrize("form", [each for each in Form if each is not Form.COMMANDS])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_that_leaves_acts(form: Form, text: str) -> None:
    """In no form, whatever a name or a message holds; data reads as it did before."""
    if form is Form.JSON:
        made = json.dumps({"a": text}, ensure_ascii=False, indent=2)
        left = safe(made, form)
        assert json.loads(left) == {"a": text}
    elif form is Form.MARKUP:
        made = f"<a b={quoteattr(clean(text))}>\n{escape(clean(text))}</a>"
        left = safe(made, form)
        before, after = (ElementTree.fromstring(each) for each in (made, left))  # noqa: S314  # our own
        assert (after.text, after.attrib) == (before.text, before.attrib)
    elif form is Form.SCRIPT:
        left = safe(f"# {text}", form).partition("\n")[0]  # its writers let no line break into a comment
    else:
        left = safe(text, form)
        assert safe(left, form) == left
    assert not COMMAND.search(left)
    assert not ACTING.search(left)


def test_only_colours_of_our_own_stay_and_only_where_they_are_wanted() -> None:
    """A command does not hide behind them, nor between them."""
    painted = "\x1b[32mok\x1b[0m"
    assert safe(painted, coloured=True) == painted
    assert safe(painted) == "ok"
    assert safe("\x1b[8mx\x1b[38;5;1my", coloured=True) == "xy"
    for text in HOSTILE:
        left = safe(text, coloured=True)
        assert not COMMAND.search(left)
        assert not COMMAND.search(re.sub("\x1b\\[[0-9]+m", "", left))


def test_a_line_for_the_ci_server_is_one_command() -> None:
    """What a message in it says is no second one."""
    for line in ("::error file=m.yaml::{}", "##vso[task.logissue type=error]{}", "##teamcity[message text='{}']"):
        for text in ("##vso[x]", "a ##[b]", "##TeamCity[c]"):
            left = safe(line.format(text) + "\n" + line.format(""), Form.COMMANDS)
            assert len(COMMAND.findall(left)) == 2
        assert safe(line, Form.COMMANDS) == line
