"""What Windows does otherwise, as far as it can be acted out on another system."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from aftrun.cli import boundary
from aftrun.domain.errors import Problem, StateError, UsageError
from aftrun.domain.events import RunEnded, RunStarted, instant
from aftrun.domain.model import Answer
from aftrun.manifest import bind, load
from aftrun.manifest.build import expand
from aftrun.manifest.check import formats
from aftrun.report import rehearsal
from aftrun.run import pool
from aftrun.run.ports import SystemClock, Ticket
from aftrun.run.store.folder import run_folder
from aftrun.run.store.record import Log
from aftrun.sandbox.server import Sandbox
from aftrun.service.execution import RunExecution
from aftrun.service.history import prune
from aftrun.service.options import RunOptions
from aftrun.service.prepare import prepare, prepare_run
from aftrun.service.recording import OnDisk
from aftrun.service.report_file import ReportFile, write_last
from aftrun.system import files, signals
from tests.conftest import Run, clean_environ, reach
from tests.effort import alike
from tests.waiting import HANG

POSIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty")

ACTED = f"""
import builtins, os, signal, sys
real = builtins.__import__
def import_(name, globals=None, *rest, **named):
    if name in {POSIX_ONLY!r} and (globals or {{}}).get("__name__", "").startswith("aftrun"):
        raise ModuleNotFoundError("there is no " + name + " on Windows", name=name)
    return real(name, globals, *rest, **named)
builtins.__import__ = import_
for name in ("SIGHUP", "SIGKILL", "SIGQUIT", "SIGALRM", "SIGPIPE", "SIGUSR2"):
    delattr(signal, name)
signal.SIGBREAK = signal.SIGUSR1
for name in ("fork", "getuid", "geteuid", "getgid", "chown", "mkfifo", "killpg", "setsid", "uname"):
    delattr(os, name)
"""
"""Takes away from aftrun what Windows has not, and gives Ctrl-Break a signal that can be sent here."""


def acting(*arguments: str) -> list[str]:
    """A command line that runs the program without what Windows lacks; but for its lock, which has code of its own."""
    return [
        sys.executable,
        "-c",
        f"import aftrun.run.store.lock\n{ACTED}\nfrom aftrun.__main__ import main\nmain()",
        *arguments,
    ]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["validate", "m.yaml"], ["plan", "m.yaml"], ["schema"], ["explain", "AFT001"], ["history"]],
)
def test_commands_need_nothing_that_windows_lacks(tmp_path: Path, arguments: list[str]) -> None:
    """No POSIX module, signal or function is touched by what checks, plans and shows."""
    (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbfscriptName: x\r\nparams: {a: b}\r\n")
    done = subprocess.run(
        acting(*arguments), cwd=tmp_path, env=clean_environ(AFT_API_KEY="k"), capture_output=True, check=False
    )
    text = done.stderr.decode() + done.stdout.decode()
    assert "bug in aftrun" not in text
    assert "Traceback" not in text
    assert done.returncode == 0, text


def test_a_run_needs_nothing_that_windows_lacks(sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    """Apply, with all reports, against a server, apart from the lock, which has code of its own there."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    reports = ("--report-html", "r.html", "--report-junit", "r.xml", "--events", "e.ndjson")
    command = acting("apply", "m.yaml", *reports, *reach(server))
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environ(AFT_API_KEY=server.api_key), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"\r" not in (tmp_path / "e.ndjson").read_bytes()


def test_ctrl_break_stops_a_run_as_a_termination_does(sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    """A cancelled workflow on Windows sends it: nothing new is started, the run can be resumed, exit 143."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "1h"}})
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    command = acting("apply", "m.yaml", *reach(server))
    environ = clean_environ(AFT_API_KEY=server.api_key, PYTHONUNBUFFERED="1")
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if b"accepted" in line:
                break
        run.send_signal(signal.SIGUSR1)
        rest = run.stderr.read()
    assert run.returncode == 143
    assert b"aftrun resume" in rest


def test_what_other_machines_read_has_paths_with_slashes() -> None:
    """GitHub knows files by the names that git has, and SARIF's places are URIs."""
    problem = Problem("AFT021", "no", str(Path("jobs", "ü a.yaml")), 1, 1)
    assert "file=jobs/ü a.yaml," in formats.to_github([problem])
    assert '"jobs/%C3%BC%20a.yaml"' in json.dumps(formats.to_sarif([problem]))


@pytest.mark.parametrize("page", ["cp1252", "cp437", "ascii"])
def test_a_console_that_knows_few_characters_ends_nothing(aftrun: Run, tmp_path: Path, page: str) -> None:
    """What cannot be shown is spelled out."""
    (tmp_path / "m.yaml").write_text("scriptName: Übertragung 東京 ✓\n", encoding="utf-8")
    environ = clean_environ(PYTHONIOENCODING=page, PYTHONUTF8="0", AFT_API_KEY="k")
    command = [sys.executable, "-m", "aftrun", "plan", "m.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\\u6771" in done.stdout.decode(page)


def test_pipes_get_utf_8_on_windows_and_consoles_what_python_chose() -> None:
    """Data for other programs is UTF-8; whoever sets PYTHONIOENCODING knows better."""
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    assert boundary.encoding(pipe, {}, "nt") == "utf-8"
    assert boundary.encoding(pipe, {"PYTHONIOENCODING": "cp1252"}, "nt") is None
    assert boundary.encoding(pipe, {}, "posix") is None
    console = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    console.isatty = lambda: True  # type: ignore[method-assign]  # a console
    assert boundary.encoding(console, {}, "nt") is None


class Readers:
    """Acts programs that have files open, as Windows lets them: nobody replaces or removes such a file meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open: dict[str, float] = {}
        """How many more tries a file of this name is held for."""
        self.tries = 0
        replace, unlink = Path.replace, os.unlink

        def replaced(path: Path, target: Path) -> Path:
            self.tries += 1
            self._refuse(target)
            return replace(path, target)

        def removed(path: str, **named: int) -> None:
            self._refuse(path)
            unlink(path, **named)

        monkeypatch.setattr(Path, "replace", replaced)
        monkeypatch.setattr(os, "unlink", removed)
        monkeypatch.setattr(files, "_WAITS", True)
        monkeypatch.setattr(time, "sleep", lambda _: None)

    def _refuse(self, path: str | Path) -> None:
        name = Path(path).name
        left = self.open.get(name, 0)
        if left:
            self.open[name] = left - 1
            raise PermissionError(13, "The process cannot access the file")


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Readers:
    """Other programs."""
    return Readers(monkeypatch)


def test_a_file_that_somebody_has_open_is_replaced_a_little_later(tmp_path: Path, readers: Readers) -> None:
    """A virus scanner keeps a report for some milliseconds; that is no failure yet."""
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    readers.open["report.json"] = 2
    files.write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "new"


def test_a_file_that_is_being_replaced_is_read_a_little_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the state folder's files meets others that write them; refused for good is refused."""
    path = tmp_path / "owner"
    path.write_bytes(b"mark")
    real, left = files.open_regular, 2

    def refused(path: Path, mode: str) -> BinaryIO:
        nonlocal left
        left -= 1
        if left >= 0:
            raise PermissionError(13, "The process cannot access the file")
        return real(path, mode)

    monkeypatch.setattr(files, "_WAITS", True)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(files, "open_regular", refused)
    assert files.read_regular(path) == b"mark"
    left = len(files.USUAL) + 1
    with pytest.raises(PermissionError):
        files.read_regular(path)


def test_a_file_that_stays_open_is_an_error_with_its_cause(tmp_path: Path, readers: Readers) -> None:
    """Patience ends, nothing is left behind, and the message says what to do, which is nothing about disks."""
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    readers.open["report.json"] = math.inf
    with pytest.raises(files.InUse) as caught:
        files.write_atomic(path, "new")
    assert caught.value.diagnostics() == (
        f"cannot write {path}: another program has it open",
        "hint: close it there (a viewer, an editor, a spreadsheet), and write it again",
    )
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]
    assert readers.tries == len(files.USUAL) + 1
    assert sum(files.LASTING) > 9


def test_what_may_not_be_replaced_at_all_is_no_matter_of_who_has_it_open(tmp_path: Path, readers: Readers) -> None:
    """There is nothing to close where there is no file yet."""
    readers.open["report.json"] = math.inf
    with pytest.raises(StateError, match=r"report\.json: The process cannot access") as caught:
        files.write_atomic(tmp_path / "report.json", "new")
    assert not isinstance(caught.value, files.InUse)


def test_no_job_waits_for_a_reader_of_the_report(tmp_path: Path, readers: Readers) -> None:
    """While the run goes on it is tried once a turn, and again later; the error is gone once that works."""
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    readers.open["report.json"] = 1
    kept = ReportFile(path, SystemClock())
    kept.write(rehearsal.REPORT)
    assert (readers.tries, type(kept.error)) == (1, files.InUse)
    kept.write(rehearsal.REPORT)
    assert (readers.tries, kept.error) == (2, None)
    assert json.loads(path.read_text(encoding="utf-8"))["run"]["id"] == rehearsal.REPORT.id


@pytest.mark.parametrize("tries", [1, math.inf])
def test_a_reader_of_an_old_run_keeps_no_other_from_being_forgotten(
    tmp_path: Path, readers: Readers, tries: float
) -> None:
    """Whoever has one file open for long keeps that folder, which is said when everything else is done."""
    state = tmp_path / "state"
    for run in ("r1", "r2", "r3"):
        with Log(state) as log:
            log.begin(RunStarted(0.0, run, ()), [], [], {})
            log.append(run, [RunEnded(1.0, "succeeded", 0)])
        run_folder(state, run).mkdir(parents=True)
        (run_folder(state, run) / f"{run}.html").write_text("", encoding="utf-8")
    readers.open["r1.html"] = tries
    held = tries == math.inf
    with Log(state) as log:
        with pytest.raises(StateError) if held else contextlib.nullcontext() as caught:
            prune(log, state, instant(1_000.0))
        assert log.runs() == []
    assert [each.name for each in (state / "runs").iterdir()] == (["r1"] if held else [])
    if caught is not None:
        assert f"cannot remove {run_folder(state, 'r1')}: The process" in caught.value.message
        assert "by hand" in caught.value.hint


@pytest.mark.parametrize("tries", [1, 5, math.inf])
def test_a_reader_costs_no_run_its_success(
    sandbox: Callable[..., Sandbox], tmp_path: Path, readers: Readers, tries: float
) -> None:
    """The report is whole in the end: in its place, or beside it while somebody looks at that, and the run is 0."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    (manifest,) = load.load_all([str(tmp_path / "m.yaml")]).manifests
    options = RunOptions(url=server.url, fingerprints=(server.fingerprint,))
    prepared = prepare([manifest], options)
    setup = prepare_run(prepared, bind(prepared, {"AFT_API_KEY": server.api_key}), options)
    state = tmp_path / "state"
    place = run_folder(state, setup.facts.id) / "report.json"
    said: list[str] = []

    def begins(_: str) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("old", encoding="utf-8")
        readers.open["report.json"] = tries

    done = RunExecution(setup, OnDisk(state, ()), say=said.append).run(begins)
    assert done.exit_code == 0
    assert done.errors == ()
    assert done.report_path is not None
    assert json.loads(done.report_path.read_text(encoding="utf-8"))["run"]["outcome"] == "succeeded"
    if tries == math.inf:
        assert done.report_path.name == f"report-{setup.facts.id}.json"
        assert said[-1] == (
            f"warning: another program still has {place} open, so that file is behind; the report is {done.report_path}"
        )
        readers.open.clear()
        assert write_last(place, done.report, said.append) == place
        assert not done.report_path.exists()
    else:
        assert done.report_path == place


def test_waiting_in_naps_loses_no_result_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a wait is cut into naps, between which Ctrl-C is heard; a result still ends it at once."""
    monkeypatch.setattr(pool, "_NAP", 0.01)
    threads = pool.ThreadPool(1)
    assert threads.wait(0.03) == []
    release: queue.SimpleQueue[None] = queue.SimpleQueue()

    def call() -> Answer:
        release.get()
        return Answer(200)

    threads.start(Ticket(0, submits=False), call)
    assert threads.wait(0.02) == []
    release.put(None)
    ((_, reply),) = threads.wait(HANG)
    assert reply == Answer(200)
    threads.close()


def test_pipes_get_lines_as_they_were_written_on_windows() -> None:
    """A script for bash with a CR at the end of each line is none; a console gets what consoles get."""
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert boundary.keeps_lines(pipe, "nt")
    assert not boundary.keeps_lines(pipe, "posix")
    pipe.isatty = lambda: True  # type: ignore[method-assign]  # a console
    assert not boundary.keeps_lines(pipe, "nt")


LINES = r"""
import io, os, sys
from aftrun.cli import main
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="cp1252", newline="\r\n")
main.keeps_lines = lambda stream: True
sys.exit(main.run())
"""
"""The program with standard output as Windows has it."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["completion", "bash"],
        ["plan", "m.yaml", "--format", "curl"],
        ["schema"],
        ["apply", "m.yaml", "--sandbox", "--events", "-", "-o", "none"],
        *alike(
            (
                ["apply", "m.yaml", "--sandbox", f"--report-{name}", "-", "-o", "none"]
                for name in ("tap", "junit", "json")
            ),
            every=3,
        ),
    ],
)
def test_data_for_programs_has_no_carriage_return(tmp_path: Path, arguments: list[str]) -> None:
    """Whatever Python would make of line ends on Windows."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    environ = clean_environ(AFT_API_KEY="k")
    done = subprocess.run(
        [sys.executable, "-c", LINES, *arguments], cwd=tmp_path, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.endswith(b"\n")
    assert b"\r" not in done.stdout


def test_a_format_of_time_that_the_system_refuses_is_found_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows raises at `%-d`; `validate` says so, with the place."""

    class Refusing(datetime):
        def strftime(self, form: str) -> str:
            raise ValueError("Invalid format string")

    found: list[str] = []
    monkeypatch.setattr(expand, "datetime", Refusing)
    expand.parse("${{ run.date:%-d }}", lambda _, message, hint: found.append(f"{message}; {hint}"))
    assert found == [
        "this system cannot write a time as '%-d'; use directives that every system knows, such as %Y-%m-%d or %H%M%S"
    ]


@pytest.mark.parametrize("arguments", [("validate", "m.yaml"), ("apply", "m.yaml", "--dry-run")])
def test_a_program_without_standard_input_still_works(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Services and schedulers may start a program with no standard input at all."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    code = "import sys; sys.stdin = None; from aftrun.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=clean_environ(AFT_API_KEY="k"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_manifests_as_windows_editors_save_them(aftrun: Run, tmp_path: Path) -> None:
    """A byte order mark and CRLF change nothing; a value file loses its one line end, whichever it is."""
    (tmp_path / "key.txt").write_bytes(b"secret-key\r\n")
    text = 'server: {apiKey: "${file:key.txt}"}\njobs:\n  - scriptName: x\n    params: {a: "1"}\n'
    (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert aftrun("validate", "m.yaml", "--strict").code == 0
    bad = text.replace("params", "parms").replace("\n", "\r\n").encode()
    (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbf" + bad)
    assert "m.yaml:4:5" in aftrun("validate", "m.yaml").err


def test_names_of_files_as_windows_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.YAML` is `.yaml`, and `[` is a character of a name, in a folder and beside a `*`."""
    folder = tmp_path / "night [1]"
    folder.mkdir()
    for name in ("B.YAML", "a.Yml", "c[2].json", "d.txt"):
        (folder / name).write_text('{"scriptName": "x"}', encoding="utf-8")
    assert [each.name for each in load.load_all([str(folder)]).manifests] == ["B", "a", "c[2]"]
    monkeypatch.setattr(load, "_EXPANDS", True)
    assert [each.name for each in load.load_all([str(folder / "*.json")]).manifests] == ["c[2]"]
    assert [each.name for each in load.load_all([str(folder / "c[[]2].*").replace("[[]", "[")]).manifests] == ["c[2]"]
    with pytest.raises(UsageError, match="there is no file"):
        load.load_all([str(folder / "c[12].json")])


def test_every_signal_that_ends_a_process_has_one_of_two_exit_codes() -> None:
    """Ctrl-Break has the number 21 on Windows, which is not what 143 is made of."""
    assert signals.exit_code(signal.SIGINT) == 130
    assert {signals.exit_code(number) for number in (signal.SIGTERM, 21)} == {143}


def test_patterns_of_files_are_expanded_where_no_shell_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' shells hand `*.yaml` over as it stands; everywhere else a `*` that is left is part of a name."""
    for name in ("b.yaml", "a.yaml", "c.txt"):
        (tmp_path / name).write_text("scriptName: x\n", encoding="utf-8")
    pattern = str(tmp_path / "*.yaml")
    if os.name != "nt":
        with pytest.raises(UsageError, match="there is no file"):
            load.load_all([pattern])
    monkeypatch.setattr(load, "_EXPANDS", True)
    real = Path.stat

    def stat(self: Path, **named: bool) -> os.stat_result:
        if "*" in self.name:
            raise OSError(22, "The filename, directory name, or volume label syntax is incorrect")
        return real(self, **named)

    monkeypatch.setattr(Path, "stat", stat)
    assert [each.name for each in load.load_all([pattern]).manifests] == ["a", "b"]
    with pytest.raises(UsageError, match="there is no file"):
        load.load_all([str(tmp_path / "*.json")])


WINDOWS_LOCK = """
import fcntl, json, os, sys, types
from pathlib import Path
import aftrun.domain.errors
import aftrun.system.files  # and what it imports, which goes by the system
fake = types.ModuleType("msvcrt")
fake.LK_NBLCK = 2
def locking(handle, mode, size):
    assert os.lseek(handle, 0, os.SEEK_CUR) == 1 << 30, "behind the text, which others must be able to read"
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
fake.locking = locking
sys.modules["msvcrt"] = fake
sys.platform = "win32"
from aftrun.run.store.lock import RunLock, held
folder = Path(sys.argv[1])
"""
"""The code for Windows' locks, on top of this system's."""


@pytest.mark.skipif(sys.platform == "win32", reason="there the real code is tested")
def test_the_lock_of_windows_keeps_a_second_process_out_and_names_the_first(tmp_path: Path) -> None:
    """Taken behind the text of its file, so that the text stays readable; let go with the process."""
    hold = "with RunLock(folder, os.getpid(), 'box'):\n    print(os.getpid(), flush=True)\n    sys.stdin.read()"
    ask = "print(held(folder))\ntry:\n    RunLock(folder, 1, 'box').release()\n"
    ask += "except aftrun.domain.errors.UsageError as error:\n    print(error)"

    def second() -> str:
        command = [sys.executable, "-c", WINDOWS_LOCK + ask, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    command = [sys.executable, "-c", WINDOWS_LOCK + hold, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        pid = first.stdout.readline().strip()
        said = second()
        assert said.startswith("True\n")
        assert f"process {pid} on box" in said
        first.communicate("")
    assert second() == "False\n"


def test_standard_input_where_nothing_can_be_told_to_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python 3.11 has no `os.set_blocking` on Windows; `apply -` ended in 70 there."""
    monkeypatch.delattr(os, "set_blocking", raising=False)
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    with (tmp_path / "m.yaml").open("rb") as stream:
        assert [each.name for each in load.load_all(["-"], stdin=stream).manifests] == ["stdin"]
