"""Signals that whoever started aftrun has it ignore: `nohup`, and jobs that a script puts into the background."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from aftrun.sandbox.server import Sandbox
from aftrun.system.signals import STOPPING, listen, restore
from tests.acceptance.test_resume import posted
from tests.conftest import clean_environ, program, reach
from tests.waiting import HANG, until

Start = Callable[..., Sandbox]

HERE = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
SLOW = {"defaults": {"queue": "0s", "duration": "1s"}}
TWO_JOBS = "jobs:\n  - {scriptName: one}\n  - {scriptName: two}\n"

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no signals to ignore")


def begin(folder: Path, server: Sandbox, ignored: Sequence[signal.Signals], *before: str) -> subprocess.Popen[bytes]:
    """`apply`, started by somebody who ignores these signals, once its first job is on the server."""
    (folder / "m.yaml").write_text(TWO_JOBS, encoding="utf-8")

    def ignore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    process = subprocess.Popen(
        [*before, *program(), "apply", "m.yaml", *reach(server)],
        cwd=folder,
        env=clean_environ(AFT_API_KEY=server.api_key),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=ignore,  # noqa: PLW1509  # it only sets signals
    )
    until(server.jobs)
    return process


@pytest.mark.parametrize("number", HERE)
def test_a_signal_that_is_ignored_on_entry_stays_ignored(
    sandbox: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """It stops nothing: both jobs run to their ends."""
    server = sandbox(SLOW)
    process = begin(tmp_path, server, [number])
    for _ in range(3):
        process.send_signal(number)
    _, error = process.communicate(timeout=HANG)
    assert process.returncode == 0, error.decode()
    assert [body["scriptName"] for body in posted(server)] == ["one", "two"]


@pytest.mark.skipif(shutil.which("nohup") is None, reason="nohup is not installed")
def test_nohup_outlives_its_terminal(sandbox: Start, tmp_path: Path) -> None:
    """The real `nohup`, and the signal of a terminal that goes away."""
    server = sandbox(SLOW)
    process = begin(tmp_path, server, [], "nohup")
    process.send_signal(signal.SIGHUP)
    _, error = process.communicate(timeout=HANG)
    assert process.returncode == 0, error.decode()
    assert len(posted(server)) == 2


def test_ignoring_one_signal_keeps_the_others(sandbox: Start, tmp_path: Path) -> None:
    """Under `nohup` a SIGTERM stops the run as ever."""
    server = sandbox({"defaults": {"outcome": "stuck", "queue": "0s"}})
    process = begin(tmp_path, server, [signal.SIGHUP])
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=HANG)
    assert process.returncode == 143
    assert b"aftrun resume" in error
    assert len(posted(server)) == 1


def test_the_sandbox_ignores_what_it_was_told_to_ignore(tmp_path: Path) -> None:
    """A script's background job gets the Ctrl-C that is meant for the script."""
    process = subprocess.Popen(
        [*program(), "sandbox"],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509  # it only sets a signal
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"url:")
    process.send_signal(signal.SIGINT)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=HANG)
    assert process.returncode == 0, error.decode()


def test_what_was_heard_before_is_put_back() -> None:
    """`listen` tells whom it replaced, leaves ignored signals alone, and knows signals of other systems."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    heard: list[int] = []
    try:
        assert listen(lambda number, _: heard.append(number), ("SIGUSR1", "SIGNONE")) == {}
        signal.raise_signal(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        replaced = listen(lambda number, _: heard.append(number), ("SIGUSR1",))
        signal.raise_signal(signal.SIGUSR1)
        restore(replaced)
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]
