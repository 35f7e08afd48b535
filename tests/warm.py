"""Starts aftrun out of an interpreter in which everything is loaded already: half a second of CPU less for each start.

What is started is a process of its own all the same, with its own arguments, folder, environment and streams. How
aftrun starts, what it imports and when, is for other tests, which start Python itself (`tests/conftest.py` says when
`aftrun` does so, too).

As a script it is that interpreter: it takes orders on the socket whose number it is given.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

BY_THEMSELVES = ("aftrun.telemetry", "aftrun.notify")
"""Modules whose packages look at the environment when they are imported."""


class Warm:
    """The interpreter, for whoever wants a process of aftrun."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                cwd=Path(__file__).parents[1],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        streams: Sequence[BinaryIO],
        timeout: float,
    ) -> int:
        """Start aftrun and wait for its end; returns its exit code, or minus the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: it took too long, and was killed.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs, ours.makefile("rw", encoding="utf-8", errors="surrogateescape") as talk:
            socket.send_fds(self._control, [b"!"], [theirs.fileno(), *(each.fileno() for each in streams)])
            theirs.close()
            talk.write(json.dumps({"arguments": list(arguments), "folder": str(folder), "environ": dict(environ)}))
            talk.write("\n")
            talk.flush()
            process = int(talk.readline())
            ours.settimeout(timeout)
            try:
                return int(talk.readline())
            except TimeoutError:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["aftrun", *arguments], timeout) from None

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait()


def _become_aftrun(order: dict[str, Any], streams: Sequence[int]) -> None:
    """Be what a new process would be."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = [str(Path(importlib.import_module("aftrun").__file__ or "").with_name("__main__.py"))]
    sys.argv += order["arguments"]


def _load() -> None:
    import aftrun  # noqa: PLC0415  # only what is started as a script needs it
    from aftrun.cli.main import COMMANDS, build  # noqa: PLC0415
    from aftrun.manifest import load_all  # noqa: PLC0415

    for module in pkgutil.walk_packages(aftrun.__path__, "aftrun."):
        if module.name not in BY_THEMSELVES:
            with suppress(ImportError):  # of an extra that is not installed, or for another system
                importlib.import_module(module.name)
    for command in COMMANDS:
        build(command)
    load_all(["m.yaml"], read=lambda _: b"scriptName: x")
    gc.collect()
    gc.freeze()


def main() -> None:
    """Take orders until nobody is left to give any."""
    sys.path.pop(0)
    control = socket.socket(fileno=int(sys.argv[1]))
    _load()
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, 1, 4)
        if not asked:
            return
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not os.fork():
            break
        for each in descriptors:
            os.close(each)
    control.close()  # in a process that waits for aftrun, while the one above takes the next order
    answer, *streams = descriptors
    with socket.socket(fileno=answer) as talk:
        order = json.loads(talk.makefile(encoding="utf-8", errors="surrogateescape").readline())
        child = os.fork()
        if child:
            talk.sendall(f"{child}\n".encode())
            for each in streams:
                os.close(each)
            talk.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
            os._exit(0)
    _become_aftrun(order, streams)
    from aftrun.__main__ import main as aftrun  # noqa: PLC0415

    aftrun()


if __name__ == "__main__":
    main()
