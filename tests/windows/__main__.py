"""`python -m tests.windows`: everything that is tried on Windows, or under Wine, with its figures.

On Windows the program is what pip installed, and with `--shell` lines are typed into that shell. On Linux a machine is
made under Wine; with `--native` (and on Windows), or `--program FILE`, the smoke is of this system's program.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import ROOT, clean_environ
from tests.windows import kills
from tests.windows.machine import Machine, Missing
from tests.windows.smoke import Place, smoke

STEPS = ("smoke", "ctrl-c", "held", "kills", "unit")
SHELLS = {
    "cmd": ("cmd", "/d", "/c"),
    "powershell": ("powershell", "-NoProfile", "-NonInteractive", "-Command"),
    "pwsh": ("pwsh", "-NoProfile", "-NonInteractive", "-Command"),
}
USUAL_ROOT = Path(tempfile.gettempdir(), "aftrun-windows")


def tell(text: str) -> None:
    """A line of the log."""
    print(text, flush=True)  # noqa: T201  # this is a program


def main(arguments: Sequence[str]) -> int:
    """Reads the command line; returns the exit code."""
    reader = argparse.ArgumentParser(description="Try aftrun on Windows, or under Wine.")
    reader.add_argument("--root", type=Path, default=USUAL_ROOT, help="where the machine is made and kept")
    reader.add_argument("--only", action="append", choices=STEPS, help="just this; repeatable")
    reader.add_argument("--native", action="store_true", help="try this system's program, not Windows' under Wine")
    reader.add_argument("--program", type=Path, help="the smoke of this file, of this system")
    reader.add_argument("--shell", choices=SHELLS, help="type lines into this shell; on Windows alone")
    reader.add_argument("--processes", default="2", help="of the unit tests")
    options = reader.parse_args(arguments)
    steps = options.only or STEPS
    begun = time.monotonic()
    fine = True
    native = options.native or options.program is not None or os.name == "nt"
    with tempfile.TemporaryDirectory(prefix="aftrun-") as scratch, ExitStack() as stack:
        if native:
            place, python, source = _here(Path(scratch), options)
        else:
            machine = Machine(options.root)
            try:
                stack.enter_context(machine.started(Path(sys.executable)))
            except Missing as missing:
                sys.exit(f"this cannot be tried here: {missing}")
            tell(f"a CPython for Windows under Wine in {machine.root} ({_since(begun)})")
            place, python, source = _there(machine)
        for step in steps:
            now = time.monotonic()
            if step == "smoke":
                right, total = smoke(place, tell)
                fine &= right == total
                tell(f"smoke: {right} of {total} ({_since(now)})")
            elif step == "ctrl-c":
                fine &= kills.interrupted(place, python, tell)
            elif step == "held":
                fine &= kills.held(place, python, tell)
            elif step == "kills":
                killer = [*python, f"{source}{'/' if native else chr(92)}{'tests/faults/killer.py'}"]
                tally = kills.boundaries(place, killer, python, tell)
                fine &= (tally.duplicates, tally.lost, tally.wrong) == (0, 0, [])
                tell(f"kills: duplicates/lost/wrong {tally.duplicates}/{tally.lost}/{len(tally.wrong)} ({_since(now)})")
            else:
                fine &= _unit(place, python, source, options.processes)
                tell(f"unit tests ({_since(now)})")
    tell(f"{'all as it must be' if fine else 'NOT as it must be'}, in {_since(begun)}")
    return 0 if fine else 1


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.0f} s"


def _here(scratch: Path, options: argparse.Namespace) -> tuple[Place, list[str], str]:
    """The system that we are on, and a folder as a person has one."""
    folder = scratch / "Jörg Müller" / "Eigene Dateien"
    folder.mkdir(parents=True)
    found = options.program or shutil.which("aftrun", path=str(Path(sys.executable).parent))
    if found is None:
        sys.exit("aftrun is not installed beside this Python")
    program = Path(found).absolute()
    # What is one file, and unpacks itself, leaves nothing behind.
    environ = clean_environ(PYTHONPATH=str(ROOT), XDG_CACHE_HOME=str(scratch / "cache"))
    environ["PATH"] = os.pathsep.join((str(program.parent), environ.get("PATH", "")))
    for name in ("PATHEXT", "COMSPEC", "LOCALAPPDATA", "APPDATA", "USERPROFILE", "TEMP", "TMP", "PSMODULEPATH"):
        if name in os.environ:
            environ[name] = os.environ[name]
    shell = SHELLS[options.shell] if options.shell else ()
    return Place([str(program)], folder, environ, os.name == "nt", shell), [sys.executable], str(ROOT)


def _there(machine: Machine) -> tuple[Place, list[str], str]:
    """The machine under Wine, and its person's folder, empty."""
    for each in machine.home.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    command = machine.command(r"C:\Python311\Scripts\aftrun.exe")
    environ = machine.environ(NO_PROXY="*", PYTHONPATH=r"C:\src")
    return Place(command, machine.home, environ, windows=True), machine.command(r"C:\Python311\python.exe"), r"C:\src"


def _unit(place: Place, python: Sequence[str], source: str, processes: str) -> bool:
    """The unit tests, in the system that is tried."""
    folder = ROOT if source == str(ROOT) else place.folder.parents[2] / "src"
    command = [*python, "-m", "pytest", "-q", "-n", processes, "-p", "no:cacheprovider", "tests/unit"]
    environ = {**place.environ, "AFTRUN_TEST_EFFORT": "quick"}
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            tell(line.decode("utf-8", "replace").rstrip())
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
