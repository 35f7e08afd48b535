"""What all tests share: sandboxes on free ports, and the program as a process."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.effort import EFFORT, THOROUGH, Effort, load_profile
from tests.waiting import HANG
from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent

# Windows cannot even import it: it speaks to POSIX shells through a pseudo-terminal.
collect_ignore = ["acceptance/test_completion.py"] if os.name == "nt" else []

load_profile()

for _number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
    # Who runs tests in the background (nohup, a script's `&`) has signals ignored, and aftrun keeps what it inherits.
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def user_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's data folder of these tests, and the cache, so that they leave none of their own behind."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield folder


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

LINKS = "symbolic links, which take a right that few accounts have (and Wine makes none)"
POSIX_ONLY = {
    "tests/property/test_manifest_fuzz.py::test_fuzz": "measures memory (resource)",
    "tests/unit/domain/test_past.py::test_a_day_of_the_week_is_named": "sets the time zone of its process (tzset)",
    "tests/unit/domain/test_zones.py::test_the_name_of_this_machines_zone": "sets the time zone of its process (tzset)",
    "tests/unit/run/test_plan.py::test_finish_by_as_a_time_of_day": "sets the time zone of its process (tzset)",
    "tests/unit/run/test_render.py::test_values_from_inside": "sets the time zone of its process (tzset)",
    "tests/unit/run/test_clocks.py::test_what_has_happened_goes_with_a_folder": "moves a folder whose files are open",
    "tests/unit/run/test_pool.py::test_wake_ends_a_wait_from_a_signal_handler": "sends itself SIGUSR1",
    "tests/unit/manifest/test_load.py::test_standard_input_that_does_not_wait": "a pipe that does not block",
    "tests/unit/manifest/test_load.py::test_a_file_system_that_takes_any_spelling": "acts what its files are",
    "tests/acceptance/test_policy.py::test_a_strangers_manifest[a link out of the folder]": LINKS,
    "tests/unit/manifest/test_load.py::test_one_file_in_two_spellings_is_one_manifest[link]": LINKS,
    "tests/unit/run/store/test_folder.py::test_a_part_of_a_record_that_came_from_elsewhere": LINKS,
    "tests/unit/run/store/test_folder.py::test_a_link_is_a_place_of_its_own": LINKS,
    "tests/unit/run/store/test_folder.py::test_a_state_folder_that_holds_the_users_own_data": LINKS,
    "tests/unit/system/test_files.py::test_a_file_for_a_person_replaces_nothing_unasked[False-link": LINKS,
    "tests/unit/system/test_files.py::test_a_file_for_a_person_replaces_nothing_unasked[True-link": LINKS,
    "tests/unit/run/store/test_record.py::test_an_older_copy_is_noticed_before_the_next_intent[True-copied": (
        "writes over a file that SQLite has open"
    ),
    "tests/unit/run/store/test_record.py::test_an_older_copy_is_noticed_before_the_next_intent[False-copied": (
        "writes over a file that SQLite has open"
    ),
    "tests/unit/run/test_clocks.py::test_what_one_file_cannot_take_is_in_the_other": "deletes a file that is open",
    "tests/unit/run/test_clocks.py::test_what_fits_nowhere": "deletes a file that is open",
    "tests/unit/service/test_watching.py::test_a_run_that_is_not_on_record_yet_in": "moves a file that is open",
    "tests/unit/sandbox/test_faults.py::test_reset_without_tls_is_a_real_rst": "asyncio shuts a socket down first",
    "tests/unit/system/test_files.py::test_a_pipe_is_written_to_and_not_replaced": "a named pipe in a folder (mkfifo)",
    "tests/unit/cli/test_boundary.py::test_what_a_failure_means": "names of files that are not Unicode",
    "tests/unit/test_windows.py::test_commands_need_nothing_that_windows_lacks": "takes away what is not there anyway",
    "tests/unit/test_windows.py::test_a_run_needs_nothing_that_windows_lacks": "takes away what is not there anyway",
    "tests/unit/test_windows.py::test_ctrl_break_stops_a_run_as_a_termination_does": "acts Ctrl-Break with SIGUSR1",
}
"""Tests of what Windows has not, by the beginnings of their ids, and why each is skipped there."""

SKIPPED_IN_CI = (
    "tests/unit/manifest/parse/test_source.py::test_a_million_keys",  # runs where `AFTRUN_TEST_EFFORT` is `long`
)
"""Tests, by the beginnings of their ids, that may skip in CI. What all others need is installed there."""


LONGEST = (
    *("tests/docs/test_blocks.py", "tests/faults/test_kill.py", "tests/acceptance/test_output.py"),
    *(
        "tests/faults/",
        "tests/acceptance/test_secrets.py",
        "tests/acceptance/test_leak_matrix.py",
        "tests/benchmarks/",
        "tests/simulation/",
    ),
    *("tests/acceptance/test_resume", "tests/acceptance/test_injection.py", "tests/typing/", "tests/browser/"),
)
"""Modules with tests of ten seconds and more, by the beginnings of their ids: the sooner, the longer they take."""
QUICK = ("tests/unit/", "tests/property/")
"""Where tests take milliseconds: they fill up what is left at the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks are."""
    config.addinivalue_line("markers", "full: one of several alike; CI runs them all (see tests/effort.py)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for CI, and put long tests first, spread over the processes, so that none is left with one.

    pytest-xdist gives each process an equal part of the list to begin with; one that is done takes from the end of
    another's part.
    """
    if not THOROUGH:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("full")])
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    for item in items if os.name == "nt" else ():
        reasons = [reason for start, reason in POSIX_ONLY.items() if item.nodeid.startswith(start)]
        for reason in reasons:
            item.add_marker(pytest.mark.skip(reason=f"not on Windows: {reason}"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ranks: dict[pytest.Item, int] = {
        item: next((rank for rank, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))
        for item in items
    }
    longest = sorted((item for item in items if ranks[item] < len(LONGEST)), key=ranks.__getitem__)
    others = [item for item in items if ranks[item] == len(LONGEST)]
    slow = [item for item in others if not item.nodeid.startswith(QUICK)]
    quick = [item for item in others if item.nodeid.startswith(QUICK)]
    total, ordered = len(items), list[pytest.Item]()
    for number in range(processes):
        part = longest[number::processes]
        part += slow[len(slow) * number // processes : len(slow) * (number + 1) // processes]
        left = (total - len(ordered)) // (processes - number) - len(part)
        ordered += part + quick[: max(left, 0)]
        del quick[: max(left, 0)]
    items[:] = ordered + quick


def pytest_collection_finish() -> None:
    """Leave what there is by now out of what the garbage collector looks through: a tenth of the time of unit tests."""
    gc.collect()
    gc.freeze()


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip is a failure in CI, where it would go unseen."""
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and os.environ.get("CI") and not report.nodeid.startswith(SKIPPED_IN_CI):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI skips nothing: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of each test."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Of each module."""
    report = yield
    _fail_if_skipped(report)
    return report


FAST: dict[str, Json] = {"defaults": {"queue": "0s", "duration": "10ms"}}
"""A scenario in which jobs take next to no time."""


@dataclass(frozen=True)
class Done:
    """A finished process."""

    code: int
    out: str
    err: str
    folder: Path

    def report(self) -> dict[str, Any]:
        """The newest `report.json` of the state folder."""
        newest = max((self.folder / ".aftrun" / "runs").glob("*/report.json"), key=lambda path: path.stat().st_mtime_ns)
        data: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
        return data


def clean_environ(**extra: str) -> dict[str, str]:
    """The environment of a person who has set nothing up: no keys, no flags, no CI."""
    keep = {
        "PATH",
        "HOME",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
        "LANG",
        "TMPDIR",
        "SYSTEMROOT",
        "COVERAGE_PROCESS_CONFIG",
        "COVERAGE_PROCESS_START",
    }
    environ = {key: value for key, value in os.environ.items() if key in keep}
    return {**environ, "NO_PROXY": "*", **extra}


@pytest.fixture
def sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes; they stop at the end of the test."""
    with ExitStack() as stack:

        def start(scenario: Mapping[str, Json] | None = None, **settings: Any) -> Sandbox:
            parsed = parse(dict(FAST if scenario is None else scenario))
            return stack.enter_context(Sandbox(parsed, **settings))

        yield start


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm | None]:
    """What starts aftrun faster than Python does; None where Python is to start it, as it does for users."""
    measured = any(name.startswith("COVERAGE_PROCESS_") for name in os.environ)
    if not sys.platform.startswith("linux") or measured or EFFORT is Effort.LONG:
        yield None
        return
    started = Warm()
    yield started
    started.close()


@pytest.fixture
def aftrun(tmp_path: Path, warm: Warm | None) -> Run:
    """Runs the program as a process in an empty folder. `server` adds the flags and the key that reach it."""

    def run(
        *arguments: str,
        server: Sandbox | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes = "",
    ) -> Done:
        words = [*arguments, *(reach(server) if server is not None else ())]
        key = {"AFT_API_KEY": server.api_key} if server is not None else {}
        environ = clean_environ(**{**key, **(env or {})})
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(data)
            given.seek(0)
            code = launch(warm, words, tmp_path, environ, (given, out, err))
            out.seek(0)
            err.seek(0)
            # Messages end their lines as the system does; what is data must not.
            return Done(code, out.read().decode(), err.read().decode().replace(os.linesep, "\n"), tmp_path)

    return run


def launch(
    warm: Warm | None,
    words: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    streams: tuple[BinaryIO, BinaryIO, BinaryIO],
) -> int:
    """Run the program to its end, out of `warm` where that makes no difference; returns its exit code."""
    if warm is not None and _as_we(environ):
        return warm.run(words, folder, environ, streams, HANG)
    given, out, err = streams
    return subprocess.run(
        [*program(), *words], cwd=folder, env=environ, stdin=given, stdout=out, stderr=err, timeout=HANG, check=False
    ).returncode


def _as_we(environ: Mapping[str, str]) -> bool:
    """Whether Python would start in this environment as it did in ours: with the same encodings, paths and flags."""
    names = {name for name in (*environ, *os.environ) if name.startswith(("PYTHON", "LC_", "LANG"))}
    return all(environ.get(name) == os.environ.get(name) for name in names & environ.keys())


def program() -> Sequence[str]:
    """The command line that starts aftrun."""
    return (sys.executable, "-m", "aftrun")


def reach(server: Sandbox) -> Sequence[str]:
    """The flags that make aftrun talk to a sandbox."""
    return ("--server", server.url, "--fingerprint", server.fingerprint)
