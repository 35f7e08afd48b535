"""Starts aftrun again and again out of one interpreter in which everything is loaded already.

Each line on standard input asks for one start, as JSON: `folder`, `arguments`, `environ`, and `workers`. The process
waits for SIGUSR1, so that somebody can attach to it: before it does anything, or, with `workers`, when it has its
threads and is about to begin. The answer is a line with its id, or those of its threads; another tells its status when
it has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from aftrun.cli.main import build
from aftrun.manifest import load_all
from aftrun.run.pool import ThreadPool

LOADED = (
    "aftrun.__main__",
    "aftrun.cli.view.ci",
    "aftrun.cli.view.outputs",
    "aftrun.cli.view.progress",
    "aftrun.cli.running",
    "aftrun.cli.view.table",
    "aftrun.cli.view.observers",
    "aftrun.manifest.envfile",
    "aftrun.manifest.redact",
    "aftrun.service.history",
    "aftrun.report.junit",
    "aftrun.report.ndjson",
    "aftrun.run.scheduler",
    "aftrun.service.execution",
    "aftrun.client.client",
    "encodings.idna",
    "encodings.unicode_escape",
    "jmespath",
    "platform",
    "glob",
    "xml.sax.saxutils",
)


def start(order: dict[str, Any]) -> None:
    """Become aftrun, as soon as somebody says so."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    answer = os.dup(1)
    for number, name in ((1, "stdout"), (2, "stderr")):
        handle = os.open(Path(order["folder"]) / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["aftrun", *order["arguments"]]

    def wait(*ids: int | None) -> None:
        os.write(answer, (" ".join(map(str, ids)) + "\n").encode())
        os.close(answer)
        signal.sigwait([signal.SIGUSR1])

    if not order["workers"]:
        wait(os.getpid())
        return
    original = ThreadPool.__init__

    def make(self: ThreadPool, size: int) -> None:
        original(self, size)
        wait(*(each.native_id for each in threading.enumerate() if each is not threading.main_thread()))

    ThreadPool.__init__ = make  # type: ignore[method-assign]  # the point of `workers`


def main() -> None:
    """Take orders until there are no more."""
    for name in LOADED:
        importlib.import_module(name)
    for command in ("apply", "resume"):
        build(command)
    load_all(["m.yaml"], read=lambda _: b"scriptName: x")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            start(json.loads(line))
            from aftrun.__main__ import main as aftrun  # noqa: PLC0415  # the parent must not

            aftrun()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  # this is how it answers


if __name__ == "__main__":
    main()
